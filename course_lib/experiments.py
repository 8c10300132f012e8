"""Experiments that take minutes: each is a table of rows, and any row can be computed again by itself.

`course experiments` writes the tables; those of `course_lib/results` are committed, with the command and the versions.
"""

import csv
import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from tqdm.auto import tqdm

from course_lib.datasets.vehicles import Vehicles, vehicles
from course_lib.hand_crafted import metal_score, wheel_score
from course_lib.networks.architectures import GapNetwork
from course_lib.networks.recipes import Recipe
from course_lib.networks.training import accuracy, fit

RESULTS = Path(__file__).parent / "results"
Row = dict[str, float]


@dataclass(frozen=True)
class Experiment:
    """A table: the values of its settings, and a function from one setting to the measured columns."""

    settings: dict[str, tuple[int, ...]]
    measure: Callable[..., Row]


def hand_crafted_features(drawn: Vehicles) -> NDArray[np.float64]:
    """Wheel score and metal score of each picture, (n, 2)."""
    arrays = drawn.pictures.permute(0, 2, 3, 1).numpy()
    return np.array([(wheel_score(one), metal_score(one)) for one in arrays])


@cache
def _test_set() -> tuple[Vehicles, NDArray[np.float64]]:
    drawn = vehicles(400, seed=1_000_000)
    return drawn, hand_crafted_features(drawn)


def learning_curve_row(pictures: int, seed: int) -> Row:
    """Accuracy on 400 test pictures after training on `pictures` vehicles and others drawn from `seed`.

    Once with two hand-crafted features and logistic regression, once with a small network trained end to end.

    >>> sorted(learning_curve_row.__annotations__)
    ['pictures', 'return', 'seed']
    """
    train, (test, test_features) = vehicles(pictures, seed + 1), _test_set()
    linear = LogisticRegression().fit(hand_crafted_features(train), train.labels)
    torch.manual_seed(seed)
    network = GapNetwork(2, channels=(16, 32, 64), halvings=3)
    recipe = Recipe(lambda: network, _no_data, ("other", "vehicle"), 96, 0, steps=200, batch=32, turns=False)
    fit(network, train.pictures, train.labels, recipe, seed, tqdm(disable=True))
    return {
        "features": float(linear.score(test_features, test.labels)),
        "network": accuracy(network, test.pictures, test.labels),
    }


def _no_data(n: int, seed: int) -> Any:
    raise NotImplementedError("This recipe is given its pictures.")


EXPERIMENTS: dict[str, Experiment] = {
    "vehicles_learning_curve": Experiment(
        {"pictures": (30, 100, 300, 1000), "seed": (0, 1, 2, 3, 4)}, learning_curve_row
    ),
}
"""Every experiment by name; one entry here makes it a table that `course experiments` can write."""


def run(names: Iterable[str], out: Path, progress: bool = True) -> Iterator[Path]:
    """Compute the named experiments (without names: all), and write each as `out`/name.csv.

    Raises:
        LookupError: for an experiment that isn't there (with the nearest names)
    """
    for name in [_known(name) for name in names] or EXPERIMENTS:
        experiment = EXPERIMENTS[name]
        settings = list(product(*experiment.settings.values()))
        rows = []
        for values in tqdm(settings, desc=name, disable=not progress):
            setting = dict(zip(experiment.settings, values, strict=True))
            rows.append(setting | {k: round(v, 4) for k, v in experiment.measure(**setting).items()})
        out.mkdir(parents=True, exist_ok=True)
        with open(out / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            file.write(
                f"# course experiments {name} (torch {version('torch')}, scikit-learn {version('scikit-learn')})\n"
            )
            table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        yield out / f"{name}.csv"


def read(name: str) -> list[Row]:
    """The committed table of an experiment, a dict of numbers for each row.

    Raises:
        LookupError: as `run`

    >>> read("vehicles_learning_curve")[0].keys()
    dict_keys(['pictures', 'seed', 'features', 'network'])
    """
    with open(RESULTS / f"{_known(name)}.csv", encoding="utf-8") as file:
        next(file)
        return [{column: float(value) for column, value in row.items()} for row in csv.DictReader(file)]


def _known(name: str) -> str:
    if name not in EXPERIMENTS:
        near = difflib.get_close_matches(name, EXPERIMENTS, 3, 0.3) or EXPERIMENTS
        raise LookupError(f"There is no experiment {name!r}; there are {', '.join(near)}.")
    return name
