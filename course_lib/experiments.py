"""Experiments that take minutes: each is a table of rows, and any row can be computed again by itself.

`course experiments` writes the tables; those of `course_lib/results` are committed, with the command and the versions.
"""

import csv
import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor
from tqdm.auto import tqdm

from course_lib.datasets.vehicles import Vehicles, vehicles
from course_lib.hand_crafted import metal_score, wheel_score
from course_lib.networks import load
from course_lib.networks.recipes import RECIPES, TEST_SEED
from course_lib.networks.training import accuracy, fit

RESULTS = Path(__file__).parent / "results"
Row = dict[str, float]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Experiment:
    """A table: the values of its settings, and a function from one setting to the measured columns."""

    settings: dict[str, tuple[int, ...]]
    measure: Callable[..., Row]


def hand_crafted_features(drawn: Vehicles) -> Array:
    """Wheel score and metal score of each picture, (n, 2)."""
    arrays = drawn.pictures.permute(0, 2, 3, 1).numpy()
    return np.array([(wheel_score(one), metal_score(one)) for one in arrays])


@cache
def vehicles_test_set() -> tuple[Vehicles, Array]:
    """The 400 pictures on which every row is tested, and their hand-crafted features, (400, 2)."""
    drawn = vehicles(400, TEST_SEED)
    return drawn, hand_crafted_features(drawn)


def learning_curve_row(pictures: int, seed: int) -> Row:
    """Accuracy on the test set of three classifiers trained on so many pictures drawn from seed + 1.

    "features": logistic regression on the two hand-crafted features; "network": a small network from pixels to answer;
    "transfer": logistic regression on the pooled last map of the network that was trained on the scenes.
    """
    train, (test, test_features) = vehicles(pictures, seed + 1), vehicles_test_set()
    recipe = replace(RECIPES["vehicles"], steps=300, batch=32)
    torch.manual_seed(seed)
    network = recipe.build()
    fit(network, train.pictures, train.labels, recipe, seed, tqdm(disable=True))
    linear = LogisticRegression().fit(hand_crafted_features(train), train.labels)
    transfer = make_pipeline(StandardScaler(), LogisticRegression()).fit(_pooled(train.pictures), train.labels)
    return {
        "features": float(linear.score(test_features, test.labels)),
        "network": accuracy(network, test.pictures, test.labels),
        "transfer": float(transfer.score(_pooled(test.pictures), test.labels)),
    }


@torch.no_grad()
def _pooled(pictures: Tensor) -> Array:
    model = load("scenes_gap").model
    trunk = torch.nn.Sequential(*(model.get_submodule(name) for name in ("normalize", "features", "pool")))
    pooled: Array = torch.cat([trunk(part) for part in pictures.split(100)]).flatten(1).double().numpy()
    return pooled


def classifiers_row(seed: int) -> Row:
    """Accuracy on the test set after training on 300 pictures drawn from seed + 1, with one feature and with both."""
    train, (test, tested) = vehicles(300, seed + 1), vehicles_test_set()
    logistic, both, trained = LogisticRegression, [0, 1], hand_crafted_features(train)
    tried = {
        "wheel score alone": (logistic(), [0]),
        "metal score alone": (logistic(), [1]),
        "logistic regression": (logistic(), both),
        "linear SVM": (LinearSVC(), both),
        "tree of depth 2": (DecisionTreeClassifier(max_depth=2, random_state=0), both),
        "tree of depth 3": (DecisionTreeClassifier(max_depth=3, random_state=0), both),
    }
    return {
        name: float(model.fit(trained[:, use], train.labels).score(tested[:, use], test.labels))
        for name, (model, use) in tried.items()
    }


SEEDS = (0, 1, 2, 3, 4)
EXPERIMENTS: dict[str, Experiment] = {
    "vehicles_learning_curve": Experiment({"pictures": (30, 100, 300, 1000), "seed": SEEDS}, learning_curve_row),
    "vehicles_classifiers": Experiment({"seed": SEEDS}, classifiers_row),
}
"""Every experiment by name; one entry here makes it a table that `course experiments` can write."""


def run(names: Iterable[str], out: Path, progress: bool = True) -> Iterator[Path]:
    """Compute the named experiments (without names: all), and write each as `out`/name.csv.

    Raises:
        LookupError: for an experiment that isn't there (with the nearest names)
    """
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "scikit-learn", "scikit-image"))
    for name in [_known(name) for name in names] or EXPERIMENTS:
        experiment = EXPERIMENTS[name]
        settings = [
            dict(zip(experiment.settings, values, strict=True)) for values in product(*experiment.settings.values())
        ]
        rows = [one | experiment.measure(**one) for one in tqdm(settings, desc=name, disable=not progress)]
        out.mkdir(parents=True, exist_ok=True)
        with open(out / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            file.write(f"# course experiments {name} ({packages})\n")
            table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows({column: f"{value:.6g}" for column, value in row.items()} for row in rows)
        yield out / f"{name}.csv"


def read(name: str) -> list[Row]:
    """The committed table of an experiment, a dict of numbers for each row.

    Raises:
        LookupError: as `run`

    >>> list(read("vehicles_learning_curve")[0])
    ['pictures', 'seed', 'features', 'network', 'transfer']
    """
    with open(RESULTS / f"{_known(name)}.csv", encoding="utf-8") as file:
        next(file)
        return [{column: float(value) for column, value in row.items()} for row in csv.DictReader(file)]


def _known(name: str) -> str:
    if name not in EXPERIMENTS:
        near = difflib.get_close_matches(name, EXPERIMENTS, 3, 0.3) or EXPERIMENTS
        raise LookupError(f"There is no experiment {name!r}; there are {', '.join(near)}.")
    return name
