"""Lesson 5's tables: what networks take from two formats of files, and what heat maps show of it."""

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_lib.datasets.creatures import FAMILIES, masks, read, write
from course_lib.evaluation import mass_in_mask
from course_lib.methods.registry import explain
from course_lib.methods.steps import upsample
from course_lib.networks.architectures import GapNetwork
from course_lib.networks.recipes import RECIPES, TEST_SEED
from course_lib.networks.training import accuracy, fit

Ways = tuple[str, str]
MIX, TESTED, EXPLAINED, FAR = 0.1, 400, 40, 6
NETWORKS = {
    "as they are": ("none", "none"),
    "re-encoded in the loader": ("re-encoded", "re-encoded"),
    "same history, before training": ("same history", "none"),
    "same history, in the loader": ("same history", "same history"),
}
"""How the files are repaired for training, and for testing (one of `REPAIRS` each)."""
COMPARED = ("as they are", "same history, in the loader")
TESTS: dict[str, Ways] = {
    "i.i.d.": ("png", "jpeg"),
    "formats swapped": ("jpeg", "png"),
    "backgrounds swapped": ("white", "black"),
    "both white": ("white", "white"),
    "both black": ("black", "black"),
    "both grey": ("grey", "grey"),
}
CUES: dict[str, tuple[Ways, float]] = {
    "ringing, mix 0": (("white", "jpeg"), 0.0),
    "ringing, mix 0.1": (("white", "jpeg"), 0.1),
    "ringing, mix 0.2": (("white", "jpeg"), 0.2),
    "hard edges, mix 0.1": (("hard", "white"), 0.1),
}
"""One cue alone, everything on white: how the families are written, and how hard their shapes are."""
OUTSIDE = "normalization outside"
EVIDENCE: dict[str, tuple[str, dict[str, Any]]] = {
    "CAM": ("CAM", {"layer": "features"}),
    "Grad-CAM, last map": ("Grad-CAM", {"layer": "features"}),
    "Grad-CAM, block 2": ("Grad-CAM", {"layer": "features.block2"}),
    "saliency": ("saliency", {}),
    "gradient x input": ("gradient x input", {}),
    f"gradient x input, {OUTSIDE}": ("gradient x input", {}),
    "integrated gradients, black": ("integrated gradients", {"baseline": 0.0}),
    "integrated gradients, white": ("integrated gradients", {"baseline": 1.0}),
    "DeepLIFT, black": ("DeepLIFT", {"baseline": 0.0}),
    "DeepLIFT, white": ("DeepLIFT", {"baseline": 1.0}),
    "LRP epsilon": ("LRP epsilon", {}),
    "occlusion, black": ("occlusion", {"fill": 0.0}),
    "occlusion, grey": ("occlusion", {"fill": 0.5}),
    "occlusion, white": ("occlusion", {"fill": 1.0}),
}
"""How each row of the evidence is made: a registered method and its options."""


@lru_cache(maxsize=16)
def _pictures(n: int, seed: int, mix: float, ways: Ways, repair: str) -> tuple[Tensor, Tensor]:
    with TemporaryDirectory() as folder:
        return read(write(Path(folder), n, seed, mix, ways), repair)


@lru_cache(maxsize=16)
def creature_network(mix: float, ways: Ways, repair: str, seed: int) -> GapNetwork:
    """The course's creature network, trained on creatures drawn from seed + 1 and written and read in this way."""
    torch.manual_seed(seed)
    model = RECIPES["creatures"].build()
    assert isinstance(model, GapNetwork)
    data = _pictures.__wrapped__(RECIPES["creatures"].pictures, seed + 1, mix, ways, repair)
    fit(model, *data, RECIPES["creatures"], seed, tqdm(disable=True))
    return centred(model)


def centred(model: GapNetwork) -> GapNetwork:
    """The model with the mean over the classes taken off its last layer: softmax stays, and logits sum to 0.

    For two classes each logit is then half of the margin, so a map of it explains the decision.
    """
    for values in (model.fc.weight, model.fc.bias):
        values.data -= values.data.mean(0)
    return model.requires_grad_(False)


def swaps_row(network: str, seed: int) -> dict[str, float]:
    """`swaps` of a network that was trained on creatures drawn from seed + 1, and repaired as `NETWORKS` says."""
    trained, loader = NETWORKS[network]
    return swaps(creature_network(MIX, TESTS["i.i.d."], trained, seed), loader)


def swaps(model: nn.Module, loader: str = "none") -> dict[str, float]:
    """Accuracy on the same 400 creatures written in six ways; margins (logit of rounded - pointed) of blank pictures.

    "creature": the mean size of the margin of a test creature, written as in training.
    """
    tests = {name: _pictures(TESTED, TEST_SEED, MIX, ways, loader) for name, ways in TESTS.items()}
    blanks = {f"{name} picture": torch.full((1, 3, 64, 64), v) for name, v in (("black", 0.0), ("white", 1.0))}
    with torch.no_grad():
        measured = {name: accuracy(model, *test) for name, test in tests.items()}
        measured |= {name: float(_margin(model, blank)) for name, blank in blanks.items()}
        return measured | {"creature": float(_margin(model, tests["i.i.d."][0]).abs().mean())}


def _margin(model: nn.Module, pictures: Tensor) -> Tensor:
    logits: Tensor = model(pictures)
    return logits[:, 0] - logits[:, 1]


def cues_row(cue: str, seed: int) -> dict[str, float]:
    """Accuracy with one cue alone: as trained, with the cue swapped, without it (both blended with white, lossless).

    "same history": the same of a network trained and tested through that repair.
    """
    ways, mix = CUES[cue]
    tests = {"i.i.d.": ways, "swapped": ways[::-1], "without": ("white", "white")}
    measured = {}
    for repair, prefix in (("none", ""), ("same history", "same history, ")):
        model = creature_network(mix, ways, repair, seed)
        for name, tested in tests.items():
            measured[prefix + name] = accuracy(model, *_pictures(TESTED, TEST_SEED, mix, tested, repair))
    return measured


def evidence_row(network: str, seed: int, family: str, method: str) -> dict[str, float]:
    """Mean share of a map's positive evidence on the background, and more than 6 pixels from the creature.

    Of 40 test creatures of a family, for the logit of that family; "area" and "far area" are what a flat map gets.
    """
    repair, loader = NETWORKS[network]
    trained = creature_network(MIX, TESTS["i.i.d."], repair, seed)
    target = FAMILIES.index(family)
    pictures = _pictures(TESTED, TEST_SEED, MIX, TESTS["i.i.d."], loader)[0]
    model: nn.Module = trained
    pictures, shapes = pictures[target::2][:EXPLAINED], masks(2 * EXPLAINED, TEST_SEED, MIX)[target::2]
    if method.endswith(OUTSIDE):
        pictures = trained.normalize(pictures)
        model = nn.Sequential(trained.features, trained.pool, nn.Flatten(), trained.fc)
    name, options = EVIDENCE[method]
    maps = upsample(explain(model, pictures, target, name, **options).map, (64, 64))
    return shares(maps, shapes)


def shares(maps: Tensor, shapes: Tensor) -> dict[str, float]:
    """The columns of `evidence_row` from maps and masks of the creatures, (n, H, W); distance along rows or columns."""
    grown = F.max_pool2d(shapes[:, None].float(), 2 * FAR + 1, 1, FAR)[:, 0] > 0
    measured = {"background": mass_in_mask(maps, ~shapes), "far": mass_in_mask(maps, ~grown)}
    measured |= {"area": (~shapes).flatten(1).float().mean(1), "far area": (~grown).flatten(1).float().mean(1)}
    return {name: float(values.mean()) for name, values in measured.items()}
