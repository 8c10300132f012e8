"""Each exercise is its solution without the answers: in step, runnable blank and solved, in nbgrader's own terms."""

import io
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy

import nbformat
import pytest

from course_lib.classroom import build as building
from course_lib.classroom.build import build, check, committed, differences
from course_lib.classroom.exercise import BEGIN, END, exercise_of, exercise_path
from course_lib.classroom.lesson import LessonError, read_lesson, select, solution_names
from course_lib.classroom.questions import find
from tests.test_lessons import inaccessible, prose

SOLUTIONS = solution_names()
GRADE, LOCKED, SOLUTION = "grade", "locked", "solution"


def exercise(name):
    return nbformat.read(exercise_path(read_lesson(name)), as_version=4)


def graded(cell):
    return cell.metadata.get("nbgrader", {}).get(GRADE)


def by_hand(cell):
    """A text that a person reads: nbgrader asks for its points in the cell of the answer itself."""
    return graded(cell) and cell.metadata.nbgrader.solution


def points(notebook):
    """What each check of a notebook earns, run as a learner does, from top to bottom; and what went to stderr."""
    space, earned, errors = {"__name__": "__main__"}, {}, io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(errors):
        for cell in notebook.cells:
            if cell.cell_type == "code" and graded(cell) and not by_hand(cell):
                earned[cell.id] = eval(cell.source, space)
            elif cell.cell_type == "code":
                exec(cell.source, space)
    return earned, errors.getvalue()




@pytest.mark.parametrize("name", SOLUTIONS)
def test_in_step_with_its_source_without_running_it(name):
    lesson = read_lesson(name)
    assert list(differences(lesson, committed(lesson))) == []
    assert list(building._exercise_faults(lesson)) == []


@pytest.mark.full
@pytest.mark.parametrize("name", SOLUTIONS)
def test_in_step_when_it_is_run_in_a_kernel(name):
    faults, run = check(name, progress=False)
    assert faults == [] and run.seconds < 60 and run.megabytes < 1500


@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_solution_earns_all_its_points_and_its_stored_cards_say_so(name):
    notebook = committed(read_lesson(name))
    earned, errors = points(notebook)
    assert earned == {c.id: c.metadata.nbgrader.points for c in notebook.cells if graded(c) and not by_hand(c)}
    assert errors == ""
    for cell in notebook.cells:
        if cell.id in earned:
            shown = "".join(str(output.get("data", "")) for output in cell.outputs)
            assert "right" in shown and 'role="status"' in shown
            assert not any(output.get("name") == "stderr" for output in cell.outputs)


@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_blank_exercise_runs_and_earns_nothing(name):
    earned, errors = points(exercise(name))
    assert set(earned.values()) == {0} and errors == ""


@pytest.mark.parametrize("name", SOLUTIONS)
def test_an_exercise_holds_no_answer_and_no_output(name):
    notebook = exercise(name)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert text.count("raise NotImplementedError") == text.count(BEGIN) == text.count(END)
    assert "(solution)" not in text and "solution-only" not in str(notebook.cells)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "code" and BEGIN in cell.source:
            between = cell.source.split(BEGIN)[1].split(END)[0]
            assert between.strip() == "raise NotImplementedError"


@pytest.mark.parametrize("name", SOLUTIONS)
def test_four_to_seven_questions_and_a_readable_page(name):
    for notebook in (exercise(name), committed(read_lesson(name))):
        assert 4 <= sum(bool(graded(cell)) for cell in notebook.cells) <= 7
        assert list(inaccessible(notebook)) == []
        assert "{{" not in prose(notebook)
        assert len(nbformat.writes(notebook)) < 200_000


@pytest.mark.parametrize("name", SOLUTIONS)
def test_the_opening_counts_minutes_points_and_questions_rightly(name):
    notebook = exercise(name)
    asked = [find(c.metadata.nbgrader.grade_id.rpartition("_")[0]) for c in notebook.cells if graded(c)]
    minutes, total = sum(one.minutes for one in asked), sum(one.points for one in asked)
    assert f"{len(asked)} questions, about {minutes} minutes, {total} points" in notebook.cells[0].source


@pytest.mark.parametrize("name", SOLUTIONS)
def test_nbgraders_metadata_is_valid(name):
    """The rules of nbgrader 0.9's schema 3, written out, so that they are held without nbgrader."""
    for notebook in (exercise(name), committed(read_lesson(name))):
        nbformat.validate(notebook)
        ids = []
        for cell in notebook.cells:
            data = cell.metadata.get("nbgrader")
            if data is None:
                continue
            ids.append(data.grade_id)
            assert data.schema_version == 3 and data.task is False and cell.cell_type == "code"
            assert set(data) == {GRADE, "grade_id", LOCKED, "schema_version", SOLUTION, "task"} | (
                {"points"} if data.grade else set()
            )
            assert data.locked != data.solution, "an answer that is written, or a cell that stays as it is"
            assert data.grade_id.replace("_", "").replace("-", "").isalnum()
            assert not data.grade or data.points > 0
            if data.solution:
                assert BEGIN in cell.source and END in cell.source
                assert data.grade == find(data.grade_id.removesuffix("_answer")).by_hand
            else:
                assert cell.source.splitlines()[-1].endswith(").points")
                assert data.grade != find(data.grade_id.removesuffix("_check")).by_hand
        assert len(ids) == len(set(ids))


# --------------------------------------------------------------------------------------------- faults of an author

SOURCE = """# %% [markdown] id="opening"
# # An exercise
# {{question:alpha}}
# (solution)

# %% id="setup"
from course_lib.classroom.check import check

# %% id="alpha-answer"
def alpha(gradients):
    ### BEGIN SOLUTION
    return gradients.mean(dim=(2, 3))
    ### END SOLUTION


# %% id="alpha-check"
check(alpha).points

# %% [markdown] id="why" tags=["solution-only"]
# Because.
"""


def write(root, text):
    source = root / "solutions" / "source" / "03_fake_solution.py"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text, "utf-8")
    return root


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("{{question:alpha}}", "{{question:alfa}}", "cell opening: there is no question 'alfa'; the nearest"),
        ("check(alpha)", "check(beta)", "there is no question 'beta'"),
        ("check(alpha).points", "pass", "the answer alpha has no cell that ends in check"),
    ],
)
def test_a_fault_of_a_source_is_a_sentence(tmp_path, old, new, fault):
    with pytest.raises(LessonError, match="03_fake_solution") as raised:
        read_lesson("03_fake_solution", write(tmp_path, SOURCE.replace(old, new)))
    assert fault in str(raised.value)


def test_an_exercise_is_built_and_a_changed_one_is_found(tmp_path):
    root = write(tmp_path, SOURCE)
    build("03_fake_solution", root, progress=False)
    lesson = read_lesson("03_fake_solution", root)
    path = exercise_path(lesson)
    made = nbformat.read(path, as_version=4)
    assert [cell.id for cell in made.cells] == ["opening", "setup", "alpha-answer", "alpha-check"]
    assert "(solution)" not in made.cells[0].source and "gradients.mean" not in made.cells[2].source
    assert made.metadata.course == {"exercise": "03_fake"}
    assert list(building._exercise_faults(lesson)) == []
    redrawn = deepcopy(made)
    redrawn.cells[0].attachments["alpha.png"]["image/png"] = "AAAA"  # another machine draws other bytes
    nbformat.write(redrawn, path)
    assert list(building._exercise_faults(lesson)) == []
    made.cells[2].source += "\n# changed"
    nbformat.write(made, path)
    assert "the exercise 03_fake_exercise isn't" in next(building._exercise_faults(lesson))
    path.unlink()
    assert "the exercise 03_fake_exercise isn't" in next(building._exercise_faults(lesson))


def test_solutions_are_chosen_by_name_and_with_all():
    assert set(SOLUTIONS) < set(select([]))
    assert select(SOLUTIONS[:1]) == SOLUTIONS[:1]
    assert exercise_of(read_lesson(SOLUTIONS[0])).cells[0].cell_type == "markdown"
