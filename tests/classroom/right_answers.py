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


# --------------------------------------------------------------------------------------------- lesson 1


def _another_suppressor():
    generator = torch.Generator().manual_seed(0)
    y, d = torch.randn(2, 300, generator=generator)
    d = d - d.mean()
    y = y - y.mean()
    d = d - y * (y @ d) / (y @ y)
    return torch.stack([2 * y - 3 * d, d], 1), y


RIGHT |= {
    "shares": [lambda w, x: torch.einsum("bi,ji->bji", x, w),
               lambda w, x: torch.stack([torch.diag(one) @ w.T for one in x]).transpose(1, 2)],
    "chance": [lambda p, b: 1 / (1 + torch.exp(-(p.sum(1) + b))),
               lambda p, b: torch.stack([p.sum(1) + b, torch.zeros(len(p))], 1).softmax(1)[:, 0]],
    "rather_than": [lambda w, b, x, u: (w * x - w * u, (w * u).sum() + b),
                    lambda w, b, x, u: [torch.stack([w[i] * (x[i] - u[i]) for i in range(len(w))]), b + u @ w]],
    "same_model": [lambda w, b, r, s: (w * (1 / r), b - sum(w * s / r)),
                   lambda w, b, r, s: (w / r, w @ (-s / r) + b)],
    "suppressor": [_another_suppressor,
                   lambda: (torch.tensor([[3.0, 2.0], [-1.0, -2.0], [1.0, 2.0], [-3.0, -2.0]]),
                            torch.tensor([1.0, 1.0, -1.0, -1.0]))],
    "in_centimetres": letter("b"),
}  # fmt: skip


# --------------------------------------------------------------------------------------------- lesson 2


def _centred_by_maps(A, w, c):
    every = torch.einsum("bkhw,ck->bchw", A, w)
    return every[torch.arange(len(A)), c] - every.mean(1)


def _box_by_rows(m, share):
    inside = m > share * m.max()
    rows = [y for y in range(m.shape[0]) if inside[y].any()]
    columns = [x for x in range(m.shape[1]) if inside[:, x].any()]
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


RIGHT |= {
    "class_map": [lambda A, w, c: torch.einsum("bkhw,bk->bhw", A, w[c]),
                  lambda A, w, c: torch.stack([torch.tensordot(w[i], a, 1) for a, i in zip(A, c, strict=True)])],
    "logit_from_map": [lambda m, b: m.sum((1, 2)) / m[0].numel() + b,
                       lambda m, b: torch.nn.functional.adaptive_avg_pool2d(m[:, None], 1).flatten() + b],
    "box_around": [_box_by_rows, lambda m, s: tuple(_box_by_rows(m / m.max(), s))],
    "centred_map": [_centred_by_maps, lambda A, w, c: torch.einsum("bkhw,bk->bhw", A, w[c] - w.sum(0) / len(w))],
    "bent_head": [lambda: torch.tensor([[[6.0, 1.0]], [[0.0, 9.0]]]), lambda: torch.tensor([[[4, 0]], [[1, 7]]]) * 1.0],
    "where_cam_can_go": letter("b"),
}  # fmt: skip
