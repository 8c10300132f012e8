"""nbgrader takes the exercises as they are, and gives the points that the course's own check gives.

A few notebooks stand for all, since each takes seconds; `test_questions` holds every mistake against the same check.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbgrader.apps.api import NbGraderAPI
from nbgrader.validator import Validator
from traitlets.config import Config

from course_lib.classroom.grading.judge import exercises
from tests.classroom.grading.test_sandbox import as_cell

pytestmark = pytest.mark.full
ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "exercises").glob("*.ipynb"))
GRAD_CAM, TEXT = "03_grad_cam_exercise", "05_shortcut_learning_exercise"
MISTAKES = (0, 10)
"""A notebook for each of these, with that mistake in every answer that has so many, and the reference in the others."""


def exercise(name: str) -> NotebookNode:
    return nbformat.read(ROOT / "exercises" / f"{name}.ipynb", 4)


def solved(name: str) -> NotebookNode:
    """The exercise as a learner leaves it whose answers are the solution's; all else is the exercise's."""
    solution = nbformat.read(ROOT / "solutions" / f"{name.replace('_exercise', '_solution')}.ipynb", 4)
    answers = {cell.metadata.nbgrader.grade_id: cell.source for cell in solution.cells if "nbgrader" in cell.metadata}
    return answered(name, answers)


def mistaken(name: str, number: int) -> NotebookNode:
    """The exercise with the mistake of this number in each answer."""
    key = name.removesuffix("_exercise")
    answers = {
        f"{question.name}_answer": f"space = {{}}\nexec({as_cell(key)!r}, space)\n"
        f"q = next(q for q in space['QUESTIONS'] if q.name == {question.name!r})\n"
        f"{question.name} = ([m.answer for m in q.mistakes] + [q.reference] * 99)[{number}]\n"
        f"{question.name}.__name__ = {question.name!r}"
        for question in exercises()[key]
    }
    return answered(name, answers)


def answered(name: str, answers: dict[str, str]) -> NotebookNode:
    notebook = exercise(name)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = answers[cell.metadata.nbgrader.grade_id]
    return notebook


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> NbGraderAPI:
    """A teacher's folder with every exercise handed out, each an assignment of its own."""
    folder = tmp_path_factory.mktemp("course")
    config = Config()
    config.CourseDirectory.root = str(folder)
    config.CourseDirectory.db_url = f"sqlite:///{folder / 'gradebook.db'}"
    config.Exchange.root = str(tmp_path_factory.mktemp("exchange"))
    api = NbGraderAPI(config=config)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it runs alembic
    for name in NAMES:
        (folder / "source" / name).mkdir(parents=True)
        nbformat.write(exercise(name), folder / "source" / name / f"{name}.ipynb")
        made = api.generate_assignment(name)
        assert made["success"], made["log"][-3000:]
    return api


@pytest.mark.parametrize("name", NAMES)
def test_what_is_handed_out_says_the_same_as_the_exercise(course, name):
    out = nbformat.read(Path(course.coursedir.root) / "release" / name / f"{name}.ipynb", 4)
    ours = exercise(name)
    assert [cell.cell_type for cell in out.cells] == [cell.cell_type for cell in ours.cells]
    for cell, own in zip(out.cells, ours.cells, strict=True):
        assert cell.source == own.source or "# YOUR CODE HERE\n    raise NotImplementedError()" in cell.source
        assert cell.get("attachments") == own.get("attachments")


def graded(course: NbGraderAPI, name: str, student: str, notebook: NotebookNode) -> dict[str, float | None]:
    """Hand a notebook in, let nbgrader grade it, and read its points by question; None is for a person to give."""
    place = Path(course.coursedir.root) / "submitted" / student / name
    place.mkdir(parents=True)
    out = nbformat.read(Path(course.coursedir.root) / "release" / name / f"{name}.ipynb", 4)
    for cell, own in zip(out.cells, notebook.cells, strict=True):  # a learner fills in what was handed out
        if cell.metadata.get("nbgrader", {}).get("solution") and "raise NotImplementedError" not in own.source:
            cell.source = own.source
    nbformat.write(out, place / f"{name}.ipynb")
    done = course.autograde(name, student)
    assert done["success"], done["log"][-3000:]
    with course.gradebook as book:
        (submitted,) = book.find_submission(name, student).notebooks
        return {grade.name.rpartition("_")[0]: None if grade.needs_manual_grade else grade.auto_score
                for grade in submitted.grades}  # fmt: skip


def test_blank_earns_nothing_and_the_solution_everything(course):
    asked = exercises()["03_grad_cam"]
    assert graded(course, GRAD_CAM, "blank", exercise(GRAD_CAM)) == {question.name: 0 for question in asked}
    assert graded(course, GRAD_CAM, "right", solved(GRAD_CAM)) == {q.name: q.points for q in asked}


def test_a_text_waits_for_a_person(course):
    points = graded(course, TEXT, "right", solved(TEXT))
    assert points == {q.name: None if q.by_hand else q.points for q in exercises()["05_shortcut_learning"]}


@pytest.mark.parametrize("number", MISTAKES)
def test_a_mistake_earns_what_our_own_grader_gives(course, number):
    points = graded(course, GRAD_CAM, f"mistake {number}", mistaken(GRAD_CAM, number))
    asked = exercises()["03_grad_cam"]
    assert points == {q.name: 0 if number < len(q.mistakes) else q.points for q in asked}


def test_validate_passes_the_solution_and_fails_on_the_blank(tmp_path):
    asked = exercises()["03_grad_cam"]
    shutil.copy(ROOT / "solutions" / "03_grad_cam_solution.ipynb", tmp_path / "right.ipynb")
    shutil.copy(ROOT / "exercises" / f"{GRAD_CAM}.ipynb", tmp_path / "blank.ipynb")
    validator = Validator(ignore_checksums=True)
    assert validator.validate(str(tmp_path / "right.ipynb")) == {}
    failed = validator.validate(str(tmp_path / "blank.ipynb"))["failed"]
    assert [re.findall(r"check\((\w+)\)", one["source"])[-1] for one in failed] == [q.name for q in asked]
