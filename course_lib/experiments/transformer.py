"""Lesson 6's table of the transformer: where the maps of each of its layers, and of its attention, point."""

from functools import lru_cache

import torch
from torch import Tensor, nn

from course_lib.datasets.scenes import Scenes, scenes
from course_lib.evaluation import centre_map, edge_map, mass_in_mask, pointing, random_map
from course_lib.experiments.seeds import network
from course_lib.layers import layers
from course_lib.methods.attention import from_class_token
from course_lib.methods.cam import grad_cam, hires_cam
from course_lib.methods.registry import explain
from course_lib.methods.steps import upsample
from course_lib.recording import record

FRESH_SEED, PICTURES, LAST = 6_000_000, 500, "blocks.3.self_attention.attention"
POINTS = ("embedding", *(f"blocks.{b}{part}" for b in range(4) for part in (".norm1", ".norm2", "")))
"""Where tokens can be recorded, from the pictures up: before each attention, before each MLP, after each block."""
MAPS = (
    *(f"{method} {point}" for point in POINTS for method in ("Grad-CAM", "HiResCAM")),
    *("rollout", "class attention", "last attention", "gradient x last attention"),
    *("random map", "centre point", "edge detector"),
)


@lru_cache(maxsize=1)
def _fresh() -> Scenes:
    return scenes(PICTURES, FRESH_SEED)


def transformer_maps(model: nn.Module, pictures: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Every map of `MAPS` that needs the model, (B, h, w), for the class of each picture."""
    listed = {layer.name: layer for layer in layers(model, pictures[:1])}
    with record(model, [*POINTS, LAST]) as tape:
        model(pictures)
    gradients, maps = tape.gradients(targets), {}
    for point in POINTS:
        A, g = (listed[point].to_grid(values[point]) for values in (tape.activations, gradients))
        maps[f"Grad-CAM {point}"], maps[f"HiResCAM {point}"] = grad_cam(A, g), hires_cam(A, g)
    maps["last attention"] = from_class_token(tape.activations[LAST].mean(1))
    maps["gradient x last attention"] = from_class_token((tape.activations[LAST] * gradients[LAST]).mean(1))
    for method in ("rollout", "class attention"):
        parts = [explain(model, x[None], int(c), method).map for x, c in zip(pictures, targets, strict=True)]
        maps[method] = torch.cat(parts)
    return maps


@lru_cache(maxsize=2)
def _maps(trained: int, seed: int) -> dict[str, Tensor]:
    drawn, model = _fresh(), network("scenes_vit", trained, seed)
    parts = zip(drawn.pictures.split(100), drawn.labels.split(100), strict=True)
    done = [transformer_maps(model, *part) for part in parts]
    maps = {name: torch.cat([one[name] for one in done]) for name in done[0]}
    shape = drawn.pictures[:, 0].shape
    generator = torch.Generator().manual_seed(seed)
    maps |= {"random map": random_map(shape, generator), "centre point": centre_map(shape)}
    return maps | {"edge detector": edge_map(drawn.pictures)}


def transformer_row(map: str, trained: int, seed: int) -> dict[str, float]:
    """Of 500 fresh scenes: labels right; peaks in the object that decides, in another; mass in mask; largest value."""
    drawn, model, raw = _fresh(), network("scenes_vit", trained, seed), _maps(trained, seed)[map]
    with torch.no_grad():
        right = torch.cat([model(x).argmax(1) for x in drawn.pictures.split(100)]) == drawn.labels
    n, large = torch.arange(PICTURES), upsample(raw, (64, 64))
    mask = drawn.masks[n, drawn.decisive]
    other = drawn.masks.any(1) & ~mask
    return {
        "right": float(right.float().mean()),
        "pointing": float(pointing(large, mask).float().mean()),
        "other": float(pointing(large, other).float().mean()),
        "mass": float(mass_in_mask(large, mask).mean()),
        "largest": float(raw.abs().max()),
    }
