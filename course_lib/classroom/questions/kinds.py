"""What questions have in common: drawn numbers, choices, and conditions that an answer of one's own must meet."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from course_lib.classroom.questions import Mistake, Question


def drawn(seed: int, *shape: int) -> Tensor:
    """Normal numbers of both signs, in double precision."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def conditions(met: Mapping[str, Any]) -> tuple[str, ...]:
    """Each condition in words, with yes or no: what is compared where many answers are right."""
    return tuple(f"{condition}: {'yes' if bool(holds) else 'no'}" for condition, holds in met.items())


def choice(
    name: str, objective: str, right: str, wrong: Mapping[str, tuple[str, str]], hints: tuple[str, ...]
) -> Question:
    """A question that a letter answers; `wrong` is letter -> (its name, why it is wrong)."""
    letters = ", ".join(f'"{letter}"' for letter in sorted([right, *wrong]))
    return Question(
        name=name,
        objective=objective,
        minutes=3,
        difficulty=1,
        points=1,
        signature=f"def {name}() -> str:",
        shapes=f"-> one of {letters}",
        reference=lambda: right,
        inputs=lambda seed: [()],
        mistakes=tuple(
            Mistake(title, lambda letter=letter: letter, why)
            for letter, (title, why) in wrong.items()
        ),
        hints=hints,
        picture="no picture: one letter",
    )


def text(name: str, objective: str, minutes: int, points: int, example: str, hints: tuple[str, ...]) -> Question:
    """A question that a text answers, which a person reads; `example` is one that deserves all points."""
    return Question(
        name=name,
        objective=objective,
        minutes=minutes,
        difficulty=2,
        points=points,
        signature=f"def {name}() -> str:",
        shapes="-> a few sentences, which a person reads",
        reference=lambda: example,
        inputs=lambda seed: [()],
        mistakes=(),
        hints=hints,
        picture="no picture: a text",
        by_hand=True,
    )
