"""Why Grad-CAM before an attention points where it does: what the tokens hold there, and what is lost without them."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.datasets.scenes import scenes
from course_lib.evaluation import rank_correlation
from course_lib.experiments.seeds import network
from course_lib.experiments.transformer import FRESH_SEED, PICTURES
from course_lib.layers import layers
from course_lib.methods.cam import grad_cam, hires_cam
from course_lib.recording import record

COLUMNS = ("object area", "background area", "map on object", "map on background", "peak on object",
           "peak on background", "lowest on object", "gradient on object", "attention on object", "truth correlation",
           "norm correlation", "gradient agreement", "HiResCAM correlation")  # fmt: skip


@lru_cache(maxsize=1)
def _truth() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pictures, labels, and of each token how much is the object that decides, and how much any object (n, 8, 8)."""
    drawn = scenes(PICTURES, FRESH_SEED)
    mask = drawn.masks[torch.arange(PICTURES), drawn.decisive].float()
    return drawn.pictures, drawn.labels, F.avg_pool2d(mask, 8), F.avg_pool2d(drawn.masks.any(1).float(), 8)


def token_columns(A: Tensor, g: Tensor, size: Tensor, attention: Tensor, mask: Tensor, objects: Tensor) -> Tensor:
    """`COLUMNS` for each picture, (B, columns).

    A and g are the tokens on their grid (B, K, h, w), `size` is the norm of what comes into the block, `attention` the
    class token's own (B, h, w); `mask` and `objects` are each token's share of the deciding object, and of any.
    """
    raw, each = grad_cam(A, g), hires_cam(A, g)
    background, strength = (objects == 0).float(), g.square().sum(1).sqrt()

    def share(values: Tensor, of: Tensor) -> Tensor:
        return (values * of).sum((1, 2)) / values.sum((1, 2)).clamp(min=1e-12)

    def at_peak(values: Tensor, of: Tensor) -> Tensor:
        return of.flatten(1).gather(1, values.flatten(1).argmax(1, keepdim=True))[:, 0]

    cosine = F.cosine_similarity(g, g.mean((2, 3), keepdim=True), dim=1)
    touched = (mask > 0).float()
    return torch.stack([
        mask.mean((1, 2)), background.mean((1, 2)), share(raw.clamp(min=0), mask), share(raw.clamp(min=0), background),
        at_peak(raw, touched), at_peak(raw, background), at_peak(-raw, touched), share(strength, mask),
        share(attention, mask), rank_correlation(raw, mask), rank_correlation(raw, size),
        (cosine * mask).sum((1, 2)) / mask.sum((1, 2)), rank_correlation(raw, each),
    ], 1)  # fmt: skip


REMOVED = ("nothing", "the object", "all patches", "the class token")


@torch.no_grad()
def logits_without(model: nn.Module, pictures: Tensor, block: int, removed: str, touched: Tensor) -> Tensor:
    """The logits (B, classes) where some of the tokens that come into a block are replaced by an average.

    "the object": tokens that it touches, `touched` (B, 8, 8), by the mean of the picture's other patch tokens; "all
    patches" and "the class token": by their mean over places and pictures, which knows nothing of a picture.
    """

    def change(module: nn.Module, args: tuple[Tensor, ...]) -> Tensor:
        own, patches = args[0][:, :1], args[0][:, 1:]
        if removed == "the object":
            out = touched.flatten(1)[..., None]
            others = (patches * ~out).sum(1, keepdim=True) / (~out).sum(1, keepdim=True)
            patches = torch.where(out, others, patches)
        elif removed == "all patches":
            patches = patches.mean((0, 1), keepdim=True).expand_as(patches)
        elif removed == "the class token":
            own = own.mean(0, keepdim=True).expand_as(own)
        return torch.cat([own, patches], 1)

    handle = model.get_submodule(f"blocks.{block}").register_forward_pre_hook(change)
    try:
        logits: Tensor = model(pictures)
    finally:
        handle.remove()
    return logits


def tokens_row(block: int, seed: int) -> dict[str, float]:
    """The mean of `COLUMNS` over 500 fresh scenes at one block's norm1, and how many are right without some tokens."""
    model, (pictures, labels, *truth) = network("scenes_vit", 1, seed), _truth()
    point, before = f"blocks.{block}.norm1", f"blocks.{block - 1}" if block else "embedding"
    matrix = f"blocks.{block}.self_attention.attention"
    place = next(layer for layer in layers(model, pictures[:1]) if layer.name == point)
    found, right = [], []
    for x, y, mask, objects in zip(*(one.split(100) for one in (pictures, labels, *truth)), strict=True):
        with record(model, [before, point, matrix]) as tape:
            model(x)
        A, size = (place.to_grid(tape.activations[name]) for name in (point, before))
        g = place.to_grid(tape.gradients(y)[point])
        attention = tape.activations[matrix].mean(1)[:, 0, 1:].unflatten(-1, (8, 8))
        found.append(token_columns(A, g, size.norm(dim=1), attention, mask, objects))
        right.append([logits_without(model, x, block, removed, mask > 0).argmax(1) == y for removed in REMOVED])
    shares = [float(torch.cat(parts).float().mean()) for parts in zip(*right, strict=True)]
    without = {f"without {removed}": share for removed, share in zip(REMOVED, shares, strict=True)}
    return dict(zip(COLUMNS, torch.cat(found).mean(0).tolist(), strict=True)) | without
