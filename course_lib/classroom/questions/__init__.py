"""Questions: what each asks, its reference, its designed inputs, and the mistakes that are known by name."""

import difflib
import importlib
import itertools
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

SEED = int((Path(__file__).parent / "seed.txt").read_text("utf-8"))
"""The year's variant: another number in seed.txt, another set of numbers, classes and pictures in every question."""
RTOL = 1e-5
"""What two right ways of writing may differ by, of the largest value: float64 loses 1e-13, a detour by float32 1e-6."""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that is known: its name, the function that makes it, and what helps."""

    name: str
    answer: Callable[..., Any]
    hint: str


@dataclass(frozen=True)
class Question:
    """A function to write, and all that is needed to judge one.

    Attributes:
        signature: the line `def ...` that the reader gets, with the shapes behind it in `shapes`
        inputs: seed -> designed cases, the smallest first; a case is a tuple of plain data (tensors, numbers, texts)
        mistakes: the most specific first
        hints: in layers, each giving away more than the one before
        prepare: turns a case into the arguments of the answer (a network from its weights); it lives in `material`,
            which knows no answers, so that it can be built on the far side of a sandbox as well
        back: turns what the answer gave into plain data, where it isn't (an expression into its values); `prepare`'s
            counterpart, and in `material` like it: (given, *case) -> plain data
        by_hand: whether a person reads the answer, a text, and gives the points
        observe: (case, what the answer gave) -> what is compared; where many answers are right, it says what they
            have in common
        picture: in words, the picture that a right answer makes
        draw: makes that picture, a matplotlib figure, for the statement of the question
    """

    name: str
    objective: str
    minutes: int
    difficulty: int
    points: int
    signature: str
    shapes: str
    reference: Callable[..., Any]
    inputs: Callable[[int], list[tuple[Any, ...]]]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]
    picture: str
    prepare: Callable[..., tuple[Any, ...]] | None = None
    back: Callable[..., Any] | None = None
    by_hand: bool = False
    observe: Callable[[tuple[Any, ...], Any], Any] | None = None
    draw: Callable[[], Any] | None = None

    def arguments(self, case: tuple[Any, ...]) -> tuple[Any, ...]:
        """A case's arguments, fresh ones: an answer may change them as it likes."""
        plain = tuple(part.clone() if isinstance(part, Tensor) else part for part in case)
        return self.prepare(*plain) if self.prepare else plain

    def value(self, answer: Callable[..., Any], case: tuple[Any, ...]) -> Any:
        """What an answer gives for a case, as plain data."""
        given = answer(*self.arguments(case))
        return self.back(given, *case) if self.back else given

    def seen(self, case: tuple[Any, ...], given: Any) -> Any:
        """What is compared of an answer's value; what can't be looked at is compared as nothing."""
        try:
            return self.observe(case, given) if self.observe else given
        except Exception:
            return ()

    def separates(self, seed: int) -> bool:
        """Whether the inputs of this seed reject every mistake and tell every two apart."""
        cases = self.inputs(seed)
        functions = [self.reference, *(mistake.answer for mistake in self.mistakes)]
        values = [[self.seen(case, self.value(f, case)) for case in cases] for f in functions]
        return not any(same(one, other) for one, other in itertools.combinations(values, 2))

    def cases(self, year: int = SEED) -> list[tuple[Any, ...]]:
        """The inputs of a year's variant, from the first seed of that year that separates."""
        return self.inputs(_separating_seed(self, year))


@cache
def _separating_seed(question: Question, year: int) -> int:
    for seed in range(1000 * year, 1000 * year + 100):
        if question.separates(seed):
            return seed
    raise ValueError(f"No inputs of {question.name} tell its mistakes apart: design them so that they do.")


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same up to rounding: tensors, numbers, texts, and tuples and lists of them.

    >>> same(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1e-9])), same((1, "a"), (1, "b"))
    (True, False)
    """
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.shape != other.shape:
            return False
        one, other = one.detach().double(), other.detach().double()
        scale = float(other.nan_to_num(posinf=0, neginf=0).abs().max()) if other.numel() else 0.0
        return torch.allclose(one, other, rtol=RTOL, atol=RTOL * scale, equal_nan=True)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, bool | str) or isinstance(other, bool | str):
        return type(one) is type(other) and bool(one == other)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return same(torch.tensor([float(one)]), torch.tensor([float(other)]))
    return False


@cache
def questions() -> dict[str, Question]:
    """Every question by the name of its function, from the modules q01_name, q02_name ... of this folder."""
    found: dict[str, Question] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        if module.startswith("q"):
            add(found, importlib.import_module(f"{__name__}.{module}").QUESTIONS)
    return found


def add(found: dict[str, Question], more: Iterable[Question]) -> None:
    """Add questions to a table.

    Raises:
        ValueError: for a name that is there already
    """
    for question in more:
        if question.name in found:
            raise ValueError(f"Two questions are called {question.name}; a question is found by its function's name.")
        found[question.name] = question


def find(name: str) -> Question:
    """The question of this name.

    Raises:
        LookupError: if there is none, with the nearest ones
    """
    if name not in questions():
        near = ", ".join(difflib.get_close_matches(name, questions(), 3, 0.5) or questions())
        raise LookupError(f"There is no question {name!r}; there is {near}.")
    return questions()[name]
