"""For each question two right answers that are written in another way than the reference, or are other answers."""

from typing import Any

import torch

# --------------------------------------------------------------------------------------------- lesson 3


def alpha_loop(gradients):
    batch, k, h, w = gradients.shape
    return torch.stack([sum(gradients[:, :, i, j] for i in range(h) for j in range(w)) / (h * w)], 0)[0]


def _grad_cam_one_by_one(model, pictures, target):
    maps = []
    for picture, c in zip(pictures, target.tolist(), strict=True):
        A = model.conv(picture[None]).relu().detach().requires_grad_()
        model.head(A)[0, c].backward()
        maps.append(torch.einsum("khw,k->hw", A.detach()[0], A.grad[0].flatten(1).mean(1)).clamp(min=0))
    return torch.stack(maps)


def _grad_cam_float32(model, pictures, target):
    """A detour by single precision is no mistake."""
    A = model.conv(pictures).relu().detach().requires_grad_()
    z = model.head(A)
    (g,) = torch.autograd.grad(z[torch.arange(len(z)), target].sum(), A)
    return torch.relu((g.float().mean((2, 3), keepdim=True) * A.float()).sum(1)).detach()


def _killing(seed):
    def answer():
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(3, 4, 3, 2, generator=generator), torch.randn(3, 4, 3, 2, generator=generator)

    return answer


def letter(which: str) -> list[Any]:
    return [lambda: which, lambda: "".join([which])]


RIGHT: dict[str, list[Any]] = {
    "alpha": [alpha_loop, lambda g: torch.nn.functional.adaptive_avg_pool2d(g, 1)[..., 0, 0]],
    "grad_cam": [_grad_cam_one_by_one, _grad_cam_float32],
    "bias_from_map": [lambda m, s: s - m.flatten(1) @ torch.ones_like(m[0].flatten()),
                      lambda m, s: torch.stack([one - field.sum() for field, one in zip(m, s, strict=True)])],
    "counterfactual_map": [
        lambda A, g: -torch.einsum("bkhw,bk->bhw", A, g.mean((2, 3))).clamp(max=0),
        lambda A, g: torch.relu((A * -g.mean(-1).mean(-1)[..., None, None]).sum(1)),
    ],
    "killing_input": [_killing(1), _killing(5)],
    "equal_heads": letter("c"),
}  # fmt: skip
