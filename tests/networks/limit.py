"""What every explanation is held against: Grad-CAM written by hand, and all that an explanation must leave as it was.

Nothing here calls `course_lib.recording`: the layer's `forward` is replaced, where `record` uses hooks.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.layers import Layer


def limit(model: nn.Module, x: Any, name: str, score: Callable[[Any], Tensor]) -> tuple[Tensor, Tensor]:
    """Activation and gradient at one call of a layer: forward, detached there, `autograd.grad` of the score."""
    name, _, number = name.partition(":")
    module, kept, calls = model.get_submodule(name), [], 0
    forward = module.forward

    def cut(*args: Any, **given: Any) -> Any:
        nonlocal calls
        value, calls = forward(*args, **given), calls + 1
        if calls != int(number or 1):
            return value
        kept.append(value.detach().clone().requires_grad_())
        torch.set_grad_enabled(True)
        return kept[0].clone()

    module.forward = cut
    try:
        with torch.no_grad():
            output = model(x)
            torch.set_grad_enabled(True)
            return kept[0].detach(), torch.autograd.grad(score(output), kept[0])[0]
    finally:
        del module.forward


def grad_cam_by_hand(activation: Tensor, gradient: Tensor, layer: Layer) -> Tensor:
    """Σ_k (mean of the gradient over the places) A^k, whatever axis the channels stand on."""
    if layer.layout == "BTK":
        assert layer.grid is not None
        activation, gradient = activation[:, layer.prefix :], gradient[:, layer.prefix :]
        return (activation * gradient.mean(1, keepdim=True)).sum(2).view(-1, *layer.grid)
    if layer.layout == "BHWK":
        return (activation * gradient.mean((1, 2), keepdim=True)).sum(3)
    return (activation * gradient.mean((2, 3), keepdim=True)).sum(1)


def difference(ours: Tensor, theirs: Tensor) -> float:
    """max |a - b| / max |b|; infinite where that says nothing (another shape, NaN, a map that is 0 everywhere)."""
    if ours.shape != theirs.shape or not theirs.any() or not theirs.isfinite().all():
        return float("inf")
    return float((ours.double() - theirs.double()).abs().max() / theirs.double().abs().max())


HOOKS = [name for name in vars(nn.Module()) if "hooks" in name]


def fingerprint(model: nn.Module) -> dict[str, Any]:
    """All that must be the same bit for bit: numbers, memory, flags, gradients, hooks, attributes and modes."""

    def bits(value: Tensor | None) -> Any:
        if value is None:
            return None
        raw = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        return hashlib.blake2b(raw, digest_size=16).digest()

    tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    return {
        "numbers": {name: (bits(value), value.dtype, value.stride(), value.data_ptr()) for name, value in tensors},
        "requires_grad": {name: value.requires_grad for name, value in tensors},
        "grads": {name: bits(value.grad) for name, value in tensors if value.is_leaf},
        "training": [module.training for module in model.modules()],
        "hooks": [[len(getattr(module, name) or ()) for name in HOOKS] for module in model.modules()],
        "attributes": [sorted(vars(module)) for module in model.modules()],
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.backends.cudnn.enabled),
        "random": bits(torch.random.get_rng_state()),
    }
