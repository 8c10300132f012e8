"""No wrong answer of somebody who hadn't seen the registered mistakes is accepted: a file an exercise.

Such answers, in fresh_answers, are never changed and never removed: what one of them shows is mended in its question.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from course_lib.classroom.check import Verdict, outcomes, verdict
from course_lib.classroom.questions import SEED, find

FILES = sorted(path.stem for path in (Path(__file__).parent / "fresh_answers").glob("e*.py"))
ANSWERS: dict[tuple[str, str], Any] = {
    (question, wrong): answer
    for file in FILES
    for question, answers in importlib.import_module(f"tests.classroom.fresh_answers.{file}").ANSWERS.items()
    for wrong, answer in answers.items()
}
ALLOWED = {("same_model", "changes the model it was given, so that a second call is wrong")}
"""What was meant as wrong, and is right by the course's rule that an answer may change its arguments as it likes."""
UNREAD = ("blank", "unknown", "library", "uncalled")
"""Verdicts that were not reached by looking at what the answer gives."""


def judged(name: str, wrong: str, year: int = SEED) -> Verdict:
    given = ANSWERS[name, wrong]
    answer: Callable[..., Any] = given if callable(given) else lambda: given  # a letter answers a choice
    question = find(name)
    cases = question.cases(year)
    values = outcomes(question, answer, cases)
    return verdict(question, cases[: len(values)], values)


@pytest.mark.parametrize("year", [SEED, SEED + 1])
@pytest.mark.parametrize(("name", "wrong"), list(ANSWERS))
def test_a_fresh_wrong_answer_earns_nothing_and_is_told_why(name: str, wrong: str, year: int) -> None:
    got = judged(name, wrong, year)
    if (name, wrong) in ALLOWED:
        assert got.kind == "right", "it is refused now: take it off the list"
        return
    assert got.kind != "right" and got.points == 0, f"{name} accepts an answer that is wrong: it {wrong}"
    assert got.kind not in UNREAD, got
    assert all(sentence.strip() for sentence in got.sentences) and got.sentences


@pytest.mark.parametrize("name", sorted({name for name, _ in ANSWERS}))
def test_a_question_has_enough_fresh_answers(name: str) -> None:
    enough = 2 if find(name).minutes == 3 else 5  # a choice has three wrong letters at most
    assert sum(question == name for question, _ in ANSWERS) >= enough
