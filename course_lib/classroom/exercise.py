"""From a solution's source to the exercise: answers cut, facts of each question put in, nbgrader's metadata added."""

import re
from collections.abc import Iterable
from copy import deepcopy
from functools import cache
from pathlib import Path

from nbformat import NotebookNode

from course_lib.classroom.lesson import SOLUTION, Lesson, LessonError, nearest
from course_lib.classroom.questions import Question, questions

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
"""nbgrader's own markers: what stands between them is the answer."""
ANSWER = re.compile(rf"^([ \t]*){BEGIN}\n.*?^[ \t]*{END}$", re.M | re.S)
CHECKED = re.compile(r"^check\((\w+)\)\.points\s*\Z", re.M)
FACTS = re.compile(r"^{{question:(\w+)}}$", re.M)
COUNTS = "{{counts}}"
"""Where a source has the number of its questions, with their minutes and points."""
ONLY = "solution-only"
"""The tag of a cell that explains an answer, and isn't in the exercise."""
WORDS = {
    "facts": "*About {minutes} minutes · difficulty {difficulty} of 3 · {points} points · objective {objective}*\n\n"
    "```python\n{signature}\n# {shapes}\n```\n\nA right answer makes {shown}",
    "counts": "{count} questions, about {minutes} minutes, {points} points",
    "no-question": "{where}: cell {cell}: there is no question {name!r}; {nearest}.",
    "no-check": "{where}: the answer {names} has no cell that ends in check(NAME).points, or the other way round.",
}


def mark(cells: Iterable[NotebookNode], where: str) -> None:
    """Put each question's facts where `{{question:NAME}}` stands, and add what nbgrader 0.9 needs, in place.

    Raises:
        LessonError: for an unknown question, an answer without its check, or a check without an answer
    """
    cells, answered, checked = list(cells), set(), set()
    asked = [name for cell in cells for name in FACTS.findall(cell.source)]
    for cell in cells:
        if cell.cell_type == "markdown":
            for name in FACTS.findall(cell.source):
                cell.source = cell.source.replace(f"{{{{question:{name}}}}}", _facts(name, cell, where))
            if COUNTS in cell.source:
                cell.source = cell.source.replace(COUNTS, _counts(asked))
        elif ANSWER.search(cell.source):
            name = _last_function(cell.source)
            answered.add(name)
            cell.metadata["nbgrader"] = _metadata(f"{name}_answer", solution=True)
            if name in questions() and questions()[name].by_hand:  # nbgrader then asks a person for the points
                cell.metadata["nbgrader"] |= {"grade": True, "points": questions()[name].points}
        elif found := CHECKED.search(cell.source):
            checked.add(found[1])
            question = questions()[_known(found[1], cell, where)]
            counts = {"points": question.points, "grade": True} if not question.by_hand else {}
            cell.metadata["nbgrader"] = {**_metadata(f"{question.name}_check", locked=True), **counts}
    if answered != checked:
        raise LessonError(WORDS["no-check"].format(where=where, names=", ".join(sorted(answered ^ checked))))


def _last_function(source: str) -> str:
    return str((re.findall(r"^def (\w+)", source, re.M) or ["?"])[-1])


def _metadata(id: str, grade: bool = False, locked: bool = False, solution: bool = False) -> dict[str, object]:
    flags = {"grade": grade, "grade_id": id, "locked": locked, "schema_version": 3, "solution": solution}
    return {**flags, "task": False}


def _known(name: str, cell: NotebookNode, where: str) -> str:
    if name not in questions():
        words = {"where": where, "cell": cell.metadata["id"], "name": name}
        raise LessonError(WORDS["no-question"].format(**words, nearest=nearest(name, questions())))
    return name


def _facts(name: str, cell: NotebookNode, where: str) -> str:
    question = questions()[_known(name, cell, where)]
    shown = f"{question.picture}."
    if question.draw:
        cell.attachments = {f"{name}.png": {"image/png": _png(question)}}
        shown = f"this picture: {shown}\n\n![{shown[0].upper()}{shown[1:]}](attachment:{name}.png)"
    return WORDS["facts"].format(shown=shown, **vars(question))


def _counts(names: Iterable[str]) -> str:
    asked = [questions()[name] for name in names]
    minutes, points = sum(one.minutes for one in asked), sum(one.points for one in asked)
    return WORDS["counts"].format(count=len(asked), minutes=minutes, points=points)


@cache
def _png(question: Question) -> str:
    """The picture of a right answer as a PNG in base64, at most 25 KB."""
    from course_lib.figures import embedded

    assert question.draw
    found = re.search(r"base64,([A-Za-z0-9+/=]+)", embedded(question.draw(), question.picture, most=25_000))
    return found[1] if found else ""


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
