"""From a solution's source to the exercise: answers cut, facts of each question put in, nbgrader's metadata added."""

import re
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

from nbformat import NotebookNode

from course_lib.classroom.lesson import SOLUTION, Lesson, LessonError, nearest
from course_lib.classroom.questions import questions

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
"""nbgrader's own markers: what stands between them is the answer."""
ANSWER = re.compile(rf"^([ \t]*){BEGIN}\n.*?^[ \t]*{END}$", re.M | re.S)
CHECKED = re.compile(r"^check\((\w+)\)\.points\s*\Z", re.M)
ONLY = "solution-only"
"""The tag of a cell that explains an answer, and isn't in the exercise."""
WORDS = {
    "facts": "*About {minutes} minutes · difficulty {difficulty} of 3 · {points} points · objective {objective}*\n\n"
    "```python\n{signature}\n# {shapes}\n```\n\nA right answer makes this picture: {picture}.",
    "no-question": "{where}: cell {cell}: there is no question {name!r}; {nearest}.",
    "no-check": "{where}: the answer {names} has no cell that ends in check(NAME).points, or the other way round.",
}


def mark(cells: Iterable[NotebookNode], where: str) -> None:
    """Put each question's facts where `{{question:NAME}}` stands, and add what nbgrader 0.9 needs, in place.

    Raises:
        LessonError: for an unknown question, an answer without its check, or a check without an answer
    """
    answered, checked = set(), set()
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(
                r"^{{question:(\w+)}}$", lambda m, c=cell: _facts(m[1], c, where), cell.source, flags=re.M
            )
        elif ANSWER.search(cell.source):
            name = _last_function(cell.source)
            answered.add(name)
            cell.metadata["nbgrader"] = _metadata(f"{name}_answer", solution=True)
        elif found := CHECKED.search(cell.source):
            checked.add(found[1])
            points = questions()[_known(found[1], cell, where)].points
            cell.metadata["nbgrader"] = {**_metadata(f"{found[1]}_check", grade=True, locked=True), "points": points}
    if answered != checked:
        raise LessonError(WORDS["no-check"].format(where=where, names=", ".join(sorted(answered ^ checked))))


def _last_function(source: str) -> str:
    return (re.findall(r"^def (\w+)", source, re.M) or ["?"])[-1]


def _metadata(id: str, grade: bool = False, locked: bool = False, solution: bool = False) -> dict[str, object]:
    flags = {"grade": grade, "grade_id": id, "locked": locked, "schema_version": 3, "solution": solution}
    return {**flags, "task": False}


def _known(name: str, cell: NotebookNode, where: str) -> str:
    if name not in questions():
        words = {"where": where, "cell": cell.id, "name": name, "nearest": nearest(name, questions())}
        raise LessonError(WORDS["no-question"].format(**words))
    return name


def _facts(name: str, cell: NotebookNode, where: str) -> str:
    return WORDS["facts"].format(**vars(questions()[_known(name, cell, where)]))


def exercise_path(lesson: Lesson) -> Path:
    """The exercise that belongs to a solution."""
    return lesson.root / "exercises" / f"{lesson.name.removesuffix(SOLUTION)}_exercise.ipynb"


def exercise_of(lesson: Lesson) -> NotebookNode:
    """A solution without its answers, explanations and outputs.

    The markers stay around each stub: they show a learner where to write, and nbgrader where to put its own stub.
    """
    notebook: NotebookNode = deepcopy(lesson.notebook)
    notebook.metadata["course"] = {"exercise": lesson.name.removesuffix(SOLUTION)}
    notebook.cells = [cell for cell in notebook.cells if ONLY not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = ANSWER.sub(rf"\1{BEGIN}\n\1raise NotImplementedError\n\1{END}", cell.source)
            cell.outputs, cell.execution_count = [], None
        else:
            cell.source = cell.source.replace("(solution)", "").rstrip()
    return notebook
