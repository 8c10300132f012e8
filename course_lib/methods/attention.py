"""Methods that follow attention through a transformer, from the class token down to the patches."""

from math import isqrt

import torch
from torch import Tensor, nn

from course_lib.methods.registry import register
from course_lib.networks.transformer import Attention
from course_lib.recording import Tape, record


def _attentions(model: nn.Module, pictures: Tensor) -> tuple[Tape, list[str]]:
    names = [name for name, module in model.named_modules() if isinstance(module, Attention)]
    if not names:
        raise ValueError(
            f"This {type(model).__name__} has no attention that can be recorded: rollout and class-specific attention "
            "need each attention matrix as a layer's output (see networks.transformer.Attention). Try Grad-CAM."
        )
    with record(model, names) as tape:
        model(pictures)
    return tape, names


def from_class_token(tokens: Tensor) -> Tensor:
    """The first row of (B, T, T) without the class token's own place, as a grid (B, h, w)."""
    side = isqrt(tokens.shape[-1] - 1)
    if side**2 != tokens.shape[-1] - 1:
        raise ValueError(f"{tokens.shape[-1]} tokens are no class token and a square grid of patches.")
    grid: Tensor = tokens[:, 0, 1:].unflatten(-1, (side, side))
    return grid


@register("rollout", kind="model", signed=False, units="share of attention", source="Abnar & Zuidema, ACL 2020")
def rollout(model: nn.Module, pictures: Tensor, target: int) -> Tensor:
    """How much of each patch reaches the class token, if attention is all that moves: the same map for every class.

    R = Ã_L ... Ã_1 with Ã_b = ½ mean over heads of A_b + ½ I, for the sum that goes around each attention. The rows of
    each Ã add up to 1, so those of R do. The MLPs, the values and the head are left out; no gradient is taken.

    Args:
        model: with `Attention` layers, whose first token is the one that the head reads
        pictures: (B, 3, H, W)
        target: not used

    Returns:
        (B, h, w), a share for each patch; with the class token's own share they add up to 1

    Raises:
        ValueError: for a model without attention matrices that can be recorded

    >>> from course_lib.networks import untrained
    >>> rollout(untrained("scenes_vit").model, torch.rand(1, 3, 64, 64), 0).shape
    torch.Size([1, 8, 8])
    """
    tape, names = _attentions(model, pictures)
    itself = torch.eye(tape.activations[names[0]].shape[-1]).to(pictures)
    reached = itself.expand(len(pictures), -1, -1)
    for name in names:
        reached = (tape.activations[name].mean(1) + itself) / 2 @ reached
    return from_class_token(reached)


@register("class attention", kind="model", signed=False, units="logits", source="Chefer, Gur & Wolf, ICCV 2021")
def class_attention(model: nn.Module, pictures: Tensor, target: int) -> Tensor:
    """How much of each patch reaches the class token along the attention that raises the class's logit.

    R ← R + mean over heads of (A_b ∘ ∂S_c/∂A_b)⁺ R, from R = I, block after block. Where rollout takes an attention as
    it is, this takes what it is worth to the class. Source: equations 5 and 6; the authors' method of CVPR 2021 has
    LRP's relevance in place of A_b.

    Args:
        model: with `Attention` layers, whose first token is the one that the head reads
        pictures: (B, 3, H, W)
        target: the class's place among the logits

    Returns:
        (B, h, w), without negative values

    Raises:
        ValueError: for a model without attention matrices that can be recorded

    >>> from course_lib.networks import untrained
    >>> bool((class_attention(untrained("scenes_vit").model, torch.rand(1, 3, 64, 64), 0) >= 0).all())
    True
    """
    tape, names = _attentions(model, pictures)
    gradients = tape.gradients(target)
    reached = torch.eye(tape.activations[names[0]].shape[-1]).to(pictures).expand(len(pictures), -1, -1)
    for name in names:
        worth = (tape.activations[name] * gradients[name]).clamp(min=0).mean(1)
        reached = reached + worth @ reached
    return from_class_token(reached)
