"""A whole run, with answers that are called here in place of the sandbox: these are our own."""

import csv
import zipfile

import pytest

from course_lib.classroom import cli
from course_lib.classroom.check import Raised, Verdict
from course_lib.classroom.grading import grade as module
from course_lib.classroom.grading.demo import ANSWERED, notebook
from course_lib.classroom.grading.grade import Settings, grade
from course_lib.classroom.grading.judge import Judged, exercises, judged
from course_lib.classroom.questions import questions

RIGHT = notebook(ANSWERED)
QUIET = Settings(progress=False, workers=2)


class NoWorker:
    def __init__(self, boxed):
        assert boxed

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        pass


class Here:
    """Judges in this process; counts how often."""

    count = 0

    def __init__(self, worker):
        pass

    def judge(self, notebook, asked):
        Here.count += 1
        space = {}
        for cell in notebook.cells:
            exec(cell, space)
        verdicts = {}
        for question in asked:
            cases = question.cases()
            try:
                given = [space[question.name](*question.arguments(case)) for case in cases]
            except Exception as error:
                given = [Raised(type(error).__name__, str(error))]
            verdicts[question.name] = judged(question, cases, given)
        return Judged(verdicts)


@pytest.fixture
def handed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "Worker", NoWorker)
    monkeypatch.setattr(module, "Judge", Here)
    Here.count = 0
    folder = tmp_path / "in"

    def write(name, text=RIGHT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
        return folder

    return write


def table(path):
    return list(csv.DictReader(path.open(encoding="utf-8")))


def test_what_was_graded_is_not_graded_again(handed, tmp_path):
    folder, out = handed("Ada/a.ipynb"), tmp_path / "out"
    assert (grade(folder, out, QUIET).graded, Here.count) == (1, 1)
    handed("Emmy/a.ipynb", notebook(ANSWERED[:3]))
    done = grade(folder, out, QUIET)
    assert (done.graded, done.known, Here.count) == (1, 1, 2)
    assert [row["points"] for row in table(out / "grades.csv")] == ["20", "8"]
    assert len(list((out / "feedback").iterdir())) == 2


def test_the_newest_of_a_students_notebooks_counts_and_the_others_are_named(handed, tmp_path):
    handed("Ada/03_grad_cam_exercise.ipynb", notebook(ANSWERED[:2]))
    folder = handed("Ada/03_grad_cam_exercise-2.ipynb")
    handed("Ada/notes.ipynb", notebook(["x = 1"]))
    grade(folder, tmp_path / "out", QUIET)
    (row,) = table(tmp_path / "out" / "grades.csv")
    assert row["points"] == "20" and "these don't: Ada/03_grad_cam_exercise.ipynb" in row["notes"]


def test_what_can_not_be_graded_gets_a_sentence(handed, tmp_path):
    handed("a/x.ipynb", "{")
    handed("b/x.html", "<html>")
    folder = handed("c/x.ipynb", notebook(["x = 1"]))
    handed("d/x.ipynb.txt")
    grade(folder, tmp_path / "out", QUIET)
    rows = {row["student"]: row for row in table(tmp_path / "out" / "grades.csv")}
    assert "damaged" in rows["a"]["notes"] and "HTML" in rows["b"]["notes"] and "no exercise" in rows["c"]["notes"]
    assert [row["points"] for row in rows.values()] == ["0", "0", "0", "20"]


def test_another_exercise_than_the_one_asked_for_is_told(handed, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "exercises", lambda: {"05_other": (), **exercises()})
    grade(handed("Ada/a.ipynb"), tmp_path / "out", Settings(progress=False, exercise="05_other"))
    (row,) = table(tmp_path / "out" / "grades.csv")
    assert "This is exercise 03_grad_cam, and 05_other was asked for" in row["notes"] and Here.count == 0
    with pytest.raises(ValueError, match="no exercise '77'"):
        grade(tmp_path / "in", tmp_path / "out", Settings(exercise="77"))


def test_a_mended_question_is_regraded_and_the_changes_listed(handed, tmp_path, monkeypatch):
    folder, out = handed("Ada/a.ipynb"), tmp_path / "out"
    grade(folder, out, QUIET)
    monkeypatch.setattr(module, "fingerprint", lambda exercise: "mended")
    wrong = {name: Verdict("wrong" if name == "alpha" else "right", 0 if name == "alpha" else q.points)
             for name, q in questions().items() if q in exercises()["03_grad_cam"]}  # fmt: skip
    monkeypatch.setattr(Here, "judge", lambda self, notebook, asked: Judged(wrong))
    assert grade(folder, out, QUIET).changed == 1
    (row,) = table(out / "changes.csv")
    assert (row["student"], row["question"], row["from"], row["to"]) == ("Ada", "alpha", "2", "0")


def test_overrides_survive_a_regrade_and_strange_ones_are_told(handed, tmp_path, monkeypatch):
    folder, out = handed("Ada/a.ipynb"), tmp_path / "out"
    grade(folder, out, QUIET)
    head = "student,exercise,question,points,comment\n"
    (out / "overrides.csv").write_text(f"{head}Ada,03_grad_cam,alpha,1,see me\nAdda,03_grad_cam,alpha,1,\n", "utf-8")
    monkeypatch.setattr(module, "fingerprint", lambda exercise: "mended")
    done = grade(folder, out, QUIET)
    assert len(done.failed) == 1 and "Adda, 03_grad_cam, alpha belongs to no grade" in done.failed[0]
    assert table(out / "grades.csv")[0]["points"] == "19" and len(table(out / "overrides.csv")) == 2


def test_a_fault_of_the_grader_is_told_and_graded_again_at_the_next_start(handed, tmp_path, monkeypatch):
    folder, out = handed("Ada/a.ipynb"), tmp_path / "out"
    right = Here.judge

    def fail(self, notebook, asked):
        raise ValueError("no inputs")

    monkeypatch.setattr(Here, "judge", fail)
    done = grade(folder, out, QUIET)
    assert (done.graded, done.grades) == (0, []) and "a.ipynb: the grader itself failed" in done.failed[0]
    monkeypatch.setattr(Here, "judge", right)
    assert grade(folder, out, QUIET).graded == 1


def test_moodle_gets_its_feedback_by_folder(handed, tmp_path):
    folder = handed("Ada Lovelace_4711_assignsubmission_file_/a.ipynb")
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("Identifier,Full name,Grade\nParticipant 4711,Ada Lovelace,\n", "utf-8")
    grade(folder, tmp_path / "out", Settings(progress=False, moodle=sheet, roster=sheet))
    assert table(tmp_path / "out" / "moodle.csv")[0]["Grade"] == "20"
    (name,) = zipfile.ZipFile(tmp_path / "out" / "moodle_feedback.zip").namelist()
    assert name.startswith("Ada Lovelace_4711_assignsubmission_file_/Ada_Lovelace")
    assert table(tmp_path / "out" / "missing.csv") == []


def test_the_command_line(handed, tmp_path, capsys):
    def said(*arguments):
        with pytest.raises(SystemExit) as end:
            cli.main(["grade", *map(str, arguments), "--quiet", "--out", str(tmp_path / "out")])
        shown = capsys.readouterr()
        return end.value.code, shown.out + shown.err

    folder = handed("Ada/a.ipynb")
    code, words = said(folder)
    assert code == 0 and "1 graded, 0 known already, 0 missing" in words
    assert said()[0] == 2 and "--demo" in said()[1]
    assert "--column" in said(folder, "--canvas", folder)[1]
    assert said(tmp_path / "nowhere") == (2, f"There is no file or folder {tmp_path / 'nowhere'}.\n")
