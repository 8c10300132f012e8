"""How each network of the course is made: its data, its training, its seeds, and the accuracy it must reach."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.datasets import creatures, scenes, vehicles
from course_lib.networks import sentences
from course_lib.networks.architectures import GapNetwork, RecurrentNetwork, TwoLayerNetwork
from course_lib.networks.transformer import ClassTokenTransformer

Data = Callable[[int, int], tuple[Tensor, Tensor]]
Judge = Callable[[nn.Module, Tensor, Tensor], Tensor]


def class_loss(model: nn.Module, pictures: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of the labels (B,), averaged."""
    return F.cross_entropy(model(pictures), labels)


def class_right(model: nn.Module, pictures: Tensor, labels: Tensor) -> Tensor:
    """Whether the largest logit is that of the label, (B,)."""
    same: Tensor = model(pictures).argmax(1) == labels
    return same


@dataclass(frozen=True)
class Recipe:
    """What `train` needs to make a network again.

    Attributes:
        build: the architecture, with fresh weights
        data: (number, seed) -> pictures (n, 3, H, W) and labels (n,), or a sentence for each (n, words)
        classes: their names, in the order of the logits
        size: height and width of a picture in pixels
        required: the accuracy on test pictures that shipped weights must reach
        start: another network whose trunk it starts from
        turns: whether a picture turned by 90 degrees is still one (else it is only mirrored)
        loss, right: (model, pictures, labels) -> what training makes small, (), and which pictures it gets right, (B,)
        relabel: (labels, left_right, up_down, corner) -> the labels of pictures that were mirrored so
    """

    build: Callable[[], nn.Module]
    data: Data
    classes: tuple[str, ...]
    size: int
    required: float
    steps: int
    pictures: int = 8000
    batch: int = 64
    rate: float = 4e-3
    seed: int = 0
    start: str | None = None
    turns: bool = True
    loss: Judge = class_loss
    right: Judge = class_right
    relabel: Callable[[Tensor, bool, bool, bool], Tensor] = lambda labels, *flips: labels


TRAIN_SEED, TEST_SEED = 1, 1_000_000
"""Training and test pictures are drawn from different seeds, so no picture is in both."""


def _scenes(n: int, seed: int) -> tuple[Tensor, Tensor]:
    drawn = scenes.scenes(n, seed)
    return drawn.pictures, drawn.labels


def _scene_recipe(head: Callable[[int], nn.Module], required: float, **more: object) -> Recipe:
    build = lambda: head(len(scenes.CLASSES))  # noqa: E731
    return Recipe(build, _scenes, scenes.CLASSES, scenes.SIZE, required, **more)  # type: ignore[arg-type]


def _vehicles(n: int, seed: int) -> tuple[Tensor, Tensor]:
    drawn = vehicles.vehicles(n, seed)
    return drawn.pictures, drawn.labels


def _creatures(n: int, seed: int, repair: str) -> tuple[Tensor, Tensor]:
    with TemporaryDirectory() as folder:
        return creatures.read(creatures.write(Path(folder), n, seed), repair)


def _creature_recipe(repair: str, required: float, steps: int, pictures: int) -> Recipe:
    build = lambda: GapNetwork(2, channels=(16, 32, 48, 64), halvings=3)  # noqa: E731
    data = partial(_creatures, repair=repair)
    return Recipe(build, data, creatures.FAMILIES, creatures.SIZE, required, steps, pictures, turns=False)


RECIPES: dict[str, Recipe] = {
    "scenes_gap": _scene_recipe(GapNetwork, 0.95, steps=1500),
    "scenes_two_fc": _scene_recipe(TwoLayerNetwork, 0.95, steps=500, rate=2e-3, start="scenes_gap"),
    "scenes_vit": _scene_recipe(ClassTokenTransformer, 0.95, steps=1500, rate=1e-3, start="scenes_gap"),
    "scenes_rnn": _scene_recipe(RecurrentNetwork, 0.95, steps=500, rate=2e-3, start="scenes_gap"),
    "vehicles": Recipe(
        lambda: GapNetwork(2, channels=(16, 32, 64), halvings=3),
        _vehicles,
        ("other", "vehicle"),
        vehicles.SIZE,
        0.95,
        steps=600,
        pictures=4000,
        turns=False,
    ),
    "creatures": _creature_recipe("none", 0.99, steps=400, pictures=2000),
    "creatures_repaired": _creature_recipe("same history", 0.93, steps=800, pictures=4000),
    "scenes_captioner": Recipe(
        sentences.Captioner,
        sentences.captions,
        sentences.VOCABULARY,
        scenes.SIZE,
        0.9,
        steps=1500,
        pictures=5000,
        start="scenes_gap",
        loss=sentences.caption_loss,
        right=sentences.exact,
        relabel=sentences.turned,
    ),
    "scenes_questions": Recipe(
        sentences.QuestionNetwork,
        sentences.questions,
        sentences.ANSWERS,
        scenes.SIZE,
        0.9,
        steps=2500,
        rate=3e-3,
        start="scenes_gap",
        loss=sentences.question_loss,
        right=sentences.answered,
    ),
}
"""Every network that the course ships; one entry here makes a network loadable and trainable."""
