"""Lesson 9's table: each method of the registry, and controls, against every score on every network."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from scipy.ndimage import binary_fill_holes
from torch import Tensor, nn

from course_lib import evaluation, faithfulness, networks
from course_lib.datasets import creatures
from course_lib.datasets.scenes import scenes
from course_lib.datasets.vehicles import vehicles
from course_lib.evaluation import interval95, pointing, rank_correlation
from course_lib.faithfulness import FILLS, cell_means
from course_lib.methods.registry import METHODS, explain
from course_lib.methods.steps import upsample

SEED = 9_000_000
"""Of the pictures: no network was trained, tested or chosen on them."""
MOST, FEWEST, FEW, WORK, CURVES = 200, 8, 6, 4000, 40
"""Pictures for a score: as many as WORK passes of the method allow, within FEWEST and MOST; at most CURVES where the
score has passes of its own; and a quarter of them (at least FEW) where it needs more maps of each picture."""
CONTROLS = ("random map", "centre point", "edge detector", "re-initialized model")
CURVE_SCORES = tuple(f"{kind}, {fill}" for kind in ("deletion", "insertion") for fill in FILLS)
SCORES = (
    "pointing", "mass in mask", "occlusion", *CURVE_SCORES, "other class", "last layer random", "all random",
    "all random, absolute", "pointing, all random", "completeness gap",
)  # fmt: skip
"""The columns, each with its interval ("pointing low", "pointing high") and the number of pictures ("pointing n").

"occlusion" to "all random, absolute" (without the curves) are rank correlations; a curve's score is the area under it;
the gap is in logits, for methods in logits only.
"""
Draw = Callable[[int], tuple[Tensor, Tensor, Tensor]]
Explainer = Callable[[nn.Module, Tensor, int], Tensor]


def _scenes(n: int) -> tuple[Tensor, Tensor, Tensor]:
    drawn = scenes(n, SEED)
    return drawn.pictures, drawn.labels, drawn.masks[torch.arange(n), drawn.decisive]


def _vehicles(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """About n vehicles: in the pictures of other things nothing is the reason, so they have no mask."""
    parts = [_few_vehicles(SEED + place) for place in range(n // 20)]
    pictures, masks = (torch.cat(part) for part in zip(*parts, strict=True))
    return pictures, torch.ones(len(pictures), dtype=torch.long), masks


def _few_vehicles(seed: int) -> tuple[Tensor, Tensor]:
    """The vehicles of 40 pictures (drawing takes much memory), with their masks: body, wheels and windows."""
    drawn = vehicles(40, seed)
    rows, columns = torch.meshgrid(*[torch.arange(side) + 0.5 for side in drawn.bodies.shape[1:]], indexing="ij")
    masks = drawn.bodies.clone()
    for mask, wheels in zip(masks, drawn.wheels, strict=True):
        for x, y, across, down in wheels:
            mask |= ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1
    kept = drawn.labels == 1
    whole = [torch.from_numpy(binary_fill_holes(mask)) for mask in masks[kept].numpy()]
    return drawn.pictures[kept], torch.stack(whole)


@dataclass(frozen=True)
class Case:
    """Where pictures with masks come from, (n) -> pictures, labels, masks, and the layer that CAMs explain."""

    draw: Draw
    layer: str | None = "features"


def _creatures(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Creatures as the repaired loader gives them, their families and their shapes."""
    with TemporaryDirectory() as folder:
        pictures, families = creatures.read(creatures.write(Path(folder), n, SEED), "same history")
    return pictures, families, creatures.masks(n, SEED)


CASES = {
    "scenes_gap": Case(_scenes),
    "scenes_two_fc": Case(_scenes),
    "scenes_vit": Case(_scenes, "blocks.3.norm1"),
    "vehicles": Case(_vehicles),
    "creatures_repaired": Case(_creatures),
}
"""Every network of the table with its data; one entry here adds it."""


@cache
def pictures_of(network: str, most: int = MOST) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures (n, 3, H, W) that the network gets right, their labels (n,) and the masks of what decides (n, H, W)."""
    pictures, labels, masks = CASES[network].draw(round(1.2 * most))
    model = networks.load(network).model
    with torch.no_grad():
        right = torch.cat([model(part).argmax(1) for part in pictures.split(100)]) == labels
    return pictures[right][:most], labels[right][:most], masks[right][:most]


@cache
def _untrained(network: str) -> nn.Module:
    return networks.untrained(network).model.requires_grad_(False)


def explainer(method: str, network: str) -> Explainer:
    """A row of the table as a function: (model, pictures, target class) -> raw map, for methods and controls alike."""
    random, layer = torch.Generator().manual_seed(0), CASES[network].layer

    def by(name: str, model: nn.Module, pictures: Tensor, target: int) -> Tensor:
        place = layer if METHODS[name].kind in ("layer", "head") else None
        return explain(model, pictures, target, name, place).map

    controls: dict[str, Explainer] = {
        "random map": lambda model, pictures, target: evaluation.random_map(pictures[:, 0].shape, random),
        "centre point": lambda model, pictures, target: evaluation.centre_map(pictures[:, 0].shape),
        "edge detector": lambda model, pictures, target: evaluation.edge_map(pictures),
        "re-initialized model": lambda model, pictures, target: by("Grad-CAM", _untrained(network), pictures, target),
    }
    return controls.get(method, partial(by, method))


def maps_of(explained: Explainer, model: nn.Module, pictures: Tensor, target: Tensor) -> Tensor:
    """The raw map of each picture for its own class (n,), class by class: a method takes one class at a time."""
    parts = {int(c): explained(model, pictures[target == c], int(c)) for c in target.unique()}
    together = torch.empty(len(pictures), *next(iter(parts.values())).shape[1:])
    for c, part in parts.items():
        together[target == c] = part.detach()
    return together


def scoreboard_row(network: str, method: str) -> dict[str, Any]:
    """Every score of one method on one network, or "why not": the method's own sentence where it can't be used."""
    row: dict[str, Any] = {"passes": float("nan")}
    row |= {f"{score}{part}": float("nan") for score in SCORES for part in ("", " low", " high", " n")}
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        try:
            measured = _measure(network, method, row)
        except (ValueError, TypeError, LookupError) as sentence:
            return row | {"why not": str(sentence)}
    for score, values in measured.items():
        low, high = interval95(values)
        row |= {score: float(values.float().mean()), f"{score} low": low, f"{score} high": high}
        row[f"{score} n"] = len(values)
    return row | {"why not": ""}


def _measure(network: str, method: str, row: dict[str, Any]) -> dict[str, Tensor]:
    model, explained = networks.load(network).model.requires_grad_(False), explainer(method, network)
    pictures, labels, masks = pictures_of(network)
    own_model, judged = (_untrained(network), "Grad-CAM") if method == "re-initialized model" else (model, method)
    kind = METHODS[judged].kind if judged in METHODS else ""
    with faithfulness.count_passes(own_model) as passes:
        explained(model, pictures[:2], int(labels[0]))
    own = {"layer": 1, "head": 1, "model": 2}.get(kind, 0)  # what `explain` runs to list layers and to check the target
    row["passes"] = each = (passes.forward - own + passes.backward) / 2
    n = int(max(FEWEST, min(MOST, WORK // max(each, 1), len(pictures))))
    few, curves = max(FEW, n // 4), min(CURVES, n)

    def enlarged(raw: Tensor) -> Tensor:
        return upsample(raw, (pictures.shape[-2], pictures.shape[-1]))

    raw = maps_of(explained, model, pictures[:n], labels[:n])
    large, given = enlarged(raw), (model, pictures[:curves], labels[:curves])
    drops = faithfulness.occlusion_drops(*given)
    found = {"pointing": pointing(large, masks[:n]), "mass in mask": evaluation.mass_in_mask(large, masks[:n])}
    found["occlusion"] = rank_correlation(cell_means(large[:curves]), drops)
    for score in CURVE_SCORES:
        curve = faithfulness.deletion_curve(*given, large[:curves], score.split(", ")[1], score.startswith("insertion"))
        found[score] = torch.trapezoid(curve, dx=1 / (curve.shape[1] - 1), dim=1)
    few_given, first = (pictures[:few], labels[:few]), raw[:few]
    with torch.no_grad():
        runner_up = model(pictures[:few]).scatter(1, labels[:few, None], -torch.inf).argmax(1)
    found["other class"] = rank_correlation(first, maps_of(explained, model, pictures[:few], runner_up))
    stages = faithfulness.cascade(model)
    found["last layer random"] = rank_correlation(first, maps_of(explained, next(stages)[1], *few_given))
    *_, (_, changed) = stages
    after = maps_of(explained, changed, *few_given)
    found |= {"all random": rank_correlation(first, after)}
    found |= {"all random, absolute": rank_correlation(first.abs(), after.abs())}
    found |= {"pointing, all random": pointing(enlarged(after), masks[:few])}
    if kind and METHODS[judged].units == "logits":
        nothing = _without(model, pictures[:n], CASES[network].layer if kind in ("layer", "head") else None)
        with torch.no_grad():
            to_explain = (model(pictures[:n]) - nothing).gather(1, labels[:n, None])[:, 0]
        cells = raw[0].numel() if kind == "head" else 1  # CAM's mean, not its sum, is the logit less the bias
        found["completeness gap"] = evaluation.completeness_gap(raw / cells, to_explain)
    return found


def _without(model: nn.Module, pictures: Tensor, layer: str | None) -> Tensor:
    """The logits of black pictures, or with a layer's activations set to 0."""
    if layer is None:
        pictures = torch.zeros_like(pictures)
    place = model.get_submodule(layer or "")
    handle = place.register_forward_hook(lambda module, args, output: 0 * output if layer else None)
    try:
        with torch.no_grad():
            return torch.as_tensor(model(pictures))
    finally:
        handle.remove()
