"""Every registered question: its reference passes, each known mistake is named as itself, and all are told apart."""

import itertools
import timeit
from functools import partial

import pytest
import sympy
import torch

from course_lib.classroom.check import outcomes, verdict
from course_lib.classroom.exercise import exercise_path
from course_lib.classroom.lesson import read_lesson, solution_names
from course_lib.classroom.questions import Question, add, find, questions, same
from tests.classroom.right_answers import RIGHT

NAMES = list(questions())
LARGE = 3
"""Points from which a question must know eight mistakes."""


def judged(question, answer):
    cases = question.cases()
    return verdict(question, cases, outcomes(question, _own(answer), cases))


def _own(answer):
    """The answer as if a learner had written it: the library's own functions are no answers."""
    return lambda *arguments: answer(*arguments)


@pytest.fixture(autouse=True)
def the_references_may_be_called(monkeypatch):
    monkeypatch.setattr("course_lib.classroom.check.BORROWED", ("no such folder",))


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_is_right(name):
    question = find(name)
    got = judged(question, question.reference)
    assert (got.kind, got.points) == (("by hand", 0) if question.by_hand else ("right", question.points))


@pytest.mark.parametrize("name", NAMES)
def test_two_right_answers_of_another_kind_pass(name):
    assert len(RIGHT[name]) >= 2
    for answer in RIGHT[name]:
        kind = "by hand" if find(name).by_hand else "right"
        assert judged(find(name), answer).kind == kind, judged(find(name), answer).sentences


@pytest.mark.parametrize(("name", "number"), [(n, i) for n in NAMES for i in range(len(find(n).mistakes))])
def test_a_mistake_earns_nothing_and_is_named_as_itself(name, number):
    mistake = find(name).mistakes[number]
    got = judged(find(name), mistake.answer)
    assert (got.points, got.mistake) == (0, mistake.name), got
    assert mistake.hint in got.sentences[-1]


@pytest.mark.parametrize("name", NAMES)
def test_every_two_are_told_apart_by_the_inputs_of_any_year(name):
    question = find(name)
    for year in (2026, 2027, 1):
        cases = question.cases(year)
        functions = [question.reference, *(mistake.answer for mistake in question.mistakes)]
        values = [[question.seen(case, question.value(f, case)) for case in cases] for f in functions]
        names = ["right", *(mistake.name for mistake in question.mistakes)]
        alike = [
            pair for pair in itertools.combinations(range(len(names)), 2) if same(values[pair[0]], values[pair[1]])
        ]
        assert [(names[i], names[j]) for i, j in alike] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_question_says_all_that_a_reader_needs(name):
    question = find(name)
    assert question.signature.startswith(f"def {name}(") and question.signature.endswith(":")
    assert "->" in question.shapes and question.picture and question.hints
    assert 1 <= question.difficulty <= 3 <= question.minutes <= 30 and 1 <= question.points <= 8
    assert len({mistake.name for mistake in question.mistakes}) == len(question.mistakes)
    assert len(question.mistakes) >= (0 if question.by_hand else 8 if question.points >= LARGE else 3)


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_judged_in_half_a_second(name):
    question = find(name)
    question.cases()
    for answer in (question.reference, *(mistake.answer for mistake in question.mistakes[-1:])):
        judge = partial(judged, question, answer)
        assert min(timeit.repeat(judge, number=1, repeat=3)) < 0.5  # the least: other work on the computer only adds


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_that_spoils_its_arguments_spoils_nothing_else(name):
    question = find(name)

    def spoil(*arguments):
        for one in arguments:
            if isinstance(one, torch.Tensor):
                one.zero_()
        raise NotImplementedError

    before = question.cases()
    outcomes(question, spoil, before)
    assert judged(question, question.reference).kind in ("right", "by hand")


def test_every_question_stands_in_one_exercise():
    asked = []
    for solution in solution_names():
        lesson = read_lesson(solution)
        assert exercise_path(lesson).exists()
        asked += [cell.metadata.nbgrader.grade_id.rpartition("_")[0] for cell in lesson.notebook.cells
                  if cell.metadata.get("nbgrader", {}).get("grade")]  # fmt: skip
    assert asked == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_of_a_right_answer_is_drawn(name):
    import matplotlib.pyplot as plt

    draw = find(name).draw
    if draw:
        assert draw().axes
        plt.close("all")
    else:
        assert find(name).picture.startswith("no picture"), "words alone, so say that there is none"


def test_an_expression_is_compared_by_its_values_and_nothing_else_is_parsed():
    def said(answer):
        return judged(find("threefold"), answer).sentences[0]

    assert "an expression in x is asked for, such as x**2 + 1, and this is str" in said(lambda x: "2*x**3")
    assert "C1 is left in C1*x**3" in said(lambda x: sympy.Symbol("C1") * x**3)
    assert "x is left in 2*x**3" in said(lambda x: 2 * sympy.Symbol("x") ** 3)  # another x, which may be negative


def test_a_text_waits_for_a_person():
    got = judged(find("to_a_colleague"), lambda: "  Swap the\nbackgrounds. ")
    assert (got.kind, got.points, got.sentences[-1]) == ("by hand", 0, "Swap the\nbackgrounds.")
    assert "Read: 3 words" in got.sentences[0] and "up to 3" in got.sentences[0]
    assert judged(find("to_a_colleague"), lambda: " ").kind == "blank"
    assert judged(find("to_a_colleague"), lambda: 3).kind == "type"


# --------------------------------------------------------------------------------------------- the machinery


def made_up(name="made_up", inputs=None):
    return Question(
        name=name, objective="", minutes=3, difficulty=1, points=1, signature="", shapes="", reference=lambda x: x,
        inputs=inputs or (lambda seed: [(torch.zeros(2),)]), mistakes=(), hints=(), picture="",
    )  # fmt: skip


def test_inputs_that_tell_nothing_apart_are_found():
    from course_lib.classroom.questions import Mistake

    blind = made_up()
    object.__setattr__(blind, "mistakes", (Mistake("double", lambda x: 2 * x, ""),))
    with pytest.raises(ValueError, match="made_up"):
        blind.cases()


def test_two_questions_of_one_name_are_found():
    with pytest.raises(ValueError, match="Two questions are called made_up"):
        add({}, [made_up(), made_up()])


def test_an_unknown_question_is_answered_with_the_nearest():
    with pytest.raises(LookupError, match="'alfa'; there is alpha"):
        find("alfa")


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]), True),
        (torch.tensor([1.0]), torch.tensor([1.001]), False),
        (torch.zeros(2), torch.zeros(3), False),
        (torch.tensor([float("nan")]), torch.tensor([float("nan")]), True),
        (True, 1, False),
        (1, 1.0, True),
        ("a", "a", True),
        ([1, "a"], (1, "a"), True),
        (None, 0, False),
    ],
)
def test_what_counts_as_the_same(one, other, equal):
    assert same(one, other) is equal
