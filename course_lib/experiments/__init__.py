"""Experiments that take minutes: each is a table of rows, and any row can be computed again by itself.

`course experiments` writes the tables; those of `course_lib/results` are committed, with the command and the versions.
"""

import csv
import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path

from tqdm.auto import tqdm

from course_lib.experiments.vehicles import classifiers_row, learning_curve_row

RESULTS = Path(__file__).parents[1] / "results"
Row = dict[str, float]


@dataclass(frozen=True)
class Experiment:
    """A table: the values of its settings, and a function from one setting to the measured columns."""

    settings: dict[str, tuple[int, ...]]
    measure: Callable[..., Row]


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
