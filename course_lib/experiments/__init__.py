"""Experiments that take minutes: each is a table of rows, and any row can be computed again by itself.

`course experiments` writes the tables; those of `course_lib/results` are committed, with the command and the versions.
A table grows row by row, and one that was stopped goes on where it was; delete it to compute all of it anew.
"""

import csv
import difflib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from course_lib.datasets.creatures import FAMILIES
from course_lib.experiments.creatures import (
    COMPARED,
    CUES,
    EVIDENCE,
    NETWORKS,
    cues_row,
    evidence_row,
    swaps_row,
)
from course_lib.experiments.scoreboard import CASES, CONTROLS, scoreboard_row
from course_lib.experiments.sentences import questions_row, words_row
from course_lib.experiments.tokens import tokens_row
from course_lib.experiments.transformer import MAPS, transformer_row
from course_lib.experiments.vehicles import classifiers_row, learning_curve_row
from course_lib.methods.registry import METHODS
from course_lib.networks.sentences import KINDS

RESULTS = Path(__file__).parents[1] / "results"
Row = dict[str, Any]
"""Column -> a number (NaN: not measured, an empty cell) or a text."""


@dataclass(frozen=True)
class Experiment:
    """A table: the values of its settings, numbers or texts, and a function from one setting to the measured columns.

    `texts` are the measured columns that hold text.
    """

    settings: dict[str, tuple[Any, ...]]
    measure: Callable[..., Row]
    texts: tuple[str, ...] = ()


SEEDS = (0, 1, 2, 3, 4)
EXPERIMENTS: dict[str, Experiment] = {
    "vehicles_learning_curve": Experiment({"pictures": (30, 100, 300, 1000), "seed": SEEDS}, learning_curve_row),
    "vehicles_classifiers": Experiment({"seed": SEEDS}, classifiers_row),
    "creatures_swaps": Experiment({"network": tuple(NETWORKS), "seed": SEEDS}, swaps_row),
    "creatures_evidence": Experiment(
        {"network": COMPARED, "seed": SEEDS, "family": FAMILIES, "method": tuple(EVIDENCE)}, evidence_row
    ),
    "creatures_cues": Experiment({"cue": tuple(CUES), "seed": SEEDS}, cues_row),
    "scoreboard": Experiment(
        {"network": tuple(CASES), "method": (*METHODS, *CONTROLS)}, scoreboard_row, texts=("why not",)
    ),
    "words_pointing": Experiment({"trained": (1, 0), "seed": SEEDS, "kind": tuple(KINDS)}, words_row),
    "questions_pointing": Experiment(
        {"trained": (1, 0), "seed": SEEDS, "asked_for": ("colour", "shape")}, questions_row
    ),
    "transformer_pointing": Experiment({"trained": (1, 0), "seed": SEEDS, "map": MAPS}, transformer_row),
    "transformer_tokens": Experiment({"seed": SEEDS, "block": (0, 1, 2, 3)}, tokens_row),
}
"""Every experiment by name; one entry here makes it a table that `course experiments` can write."""


def run(names: Iterable[str], out: Path, progress: bool = True) -> Iterator[Path]:
    """Compute the named experiments (without names: all), and write each as `out`/name.csv, row by row.

    Rows that are there already, for the same settings and under the same versions, are kept.

    Raises:
        LookupError: for an experiment that isn't there (with the nearest names)
    """
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "scikit-learn", "scikit-image"))
    for name in [_known(name) for name in names] or EXPERIMENTS:
        path, experiment = out / f"{name}.csv", EXPERIMENTS[name]
        head = f"# course experiments {name} ({packages})\n"
        before: dict[tuple[Any, ...], Row] = {}
        if path.exists() and path.read_text("utf-8").startswith(head):
            before = {tuple(row[s] for s in experiment.settings): row for row in _read(path, experiment)}
        out.mkdir(parents=True, exist_ok=True)
        rows: list[Row] = []
        for values in tqdm(list(product(*experiment.settings.values())), desc=name, disable=not progress):
            one = dict(zip(experiment.settings, values, strict=True))
            rows.append(before.pop(values, {}) or one | experiment.measure(**one))
            _write(path, head, [*rows, *before.values()])
        _write(path, head, rows)  # without rows of settings that are no longer asked for
        yield path


def _write(path: Path, head: str, rows: list[Row]) -> None:
    """All or nothing: a run that is killed while it writes leaves the table as it was."""
    part = path.with_suffix(".part")
    with open(part, "w", newline="", encoding="utf-8") as file:
        file.write(head)
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows({column: _text(value) for column, value in row.items()} for row in rows)
    os.replace(part, path)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value != value else f"{value:.6g}"


def read(name: str) -> list[Row]:
    """The committed table of an experiment, for each row a dict of numbers (NaN for an empty cell) and texts.

    Raises:
        LookupError: as `run`

    >>> list(read("vehicles_learning_curve")[0])
    ['pictures', 'seed', 'features', 'network', 'transfer']
    """
    return _read(RESULTS / f"{_known(name)}.csv", EXPERIMENTS[name])


def _read(path: Path, experiment: Experiment) -> list[Row]:
    texts = {*experiment.texts, *(s for s, values in experiment.settings.items() if isinstance(values[0], str))}
    with open(path, encoding="utf-8", newline="") as file:
        next(file)
        rows = [*csv.DictReader(file)]
    return [{c: value if c in texts else float(value or "nan") for c, value in row.items()} for row in rows]


def _known(name: str) -> str:
    if name not in EXPERIMENTS:
        near = difflib.get_close_matches(name, EXPERIMENTS, 3, 0.3) or EXPERIMENTS
        raise LookupError(f"There is no experiment {name!r}; there are {', '.join(near)}.")
    return name
