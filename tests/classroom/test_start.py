"""A learner's copies: whatever happens, a file of theirs is never overwritten."""

import json
from pathlib import Path

import pytest

from course_lib.classroom.start import RECORD, default_folder, start

LESSON, EXERCISE = "notebooks/01_a.ipynb", "exercises/01_a_exercise.ipynb"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (LESSON, EXERCISE, "notebooks/source/01_a.py", "notebooks/notes.txt"):
        path = tmp_path / "course" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("first")
    return tmp_path / "course"


def files(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*.*") if p.name != RECORD}


def test_lessons_and_exercises_are_copied_once(root):
    done = start(root, root / "work")
    assert (done.new, done.same, done.folder) == ([EXERCISE, LESSON], [], root / "work")
    assert files(root / "work") == {LESSON: "first", EXERCISE: "first"}
    again = start(root, root / "work")
    assert (again.new, again.same) == ([], [EXERCISE, LESSON])


def test_a_course_without_exercises_gives_its_lessons(root):
    (root / EXERCISE).unlink()
    (root / "exercises").rmdir()
    assert start(root, root / "work").new == [LESSON]


def test_an_untouched_copy_is_brought_up_to_date(root):
    start(root, root / "work")
    (root / LESSON).write_text("second")
    assert start(root, root / "work").updated == [LESSON]
    assert files(root / "work")[LESSON] == "second"
    (root / LESSON).write_text("third")
    assert start(root, root / "work").updated == [LESSON]


def test_a_changed_copy_stays_and_a_newer_version_is_put_beside_it_once(root):
    start(root, root / "work")
    mine, beside = root / "work" / LESSON, root / "work/notebooks/01_a.new.ipynb"
    mine.write_text("mine")
    done = start(root, root / "work")
    assert (done.theirs, done.beside, done.same) == ([LESSON], [], [EXERCISE])
    (root / LESSON).write_text("second")
    done = start(root, root / "work")
    assert (done.theirs, done.beside) == ([], ["notebooks/01_a.new.ipynb"])
    assert (mine.read_text(), beside.read_text()) == ("mine", "second")
    assert start(root, root / "work").theirs == [LESSON]
    (root / LESSON).write_text("third")
    start(root, root / "work")
    assert (mine.read_text(), beside.read_text()) == ("mine", "third")


def test_what_was_put_beside_may_be_changed_too(root):
    start(root, root / "work")
    mine, beside = root / "work" / LESSON, root / "work/notebooks/01_a.new.ipynb"
    mine.write_text("mine")
    (root / LESSON).write_text("second")
    start(root, root / "work")
    beside.write_text("mine, too")
    (root / LESSON).write_text("third")
    assert start(root, root / "work").beside == ["notebooks/01_a.new-2.ipynb"]
    texts = files(root / "work")
    assert (texts[LESSON], texts["notebooks/01_a.new.ipynb"]) == ("mine", "mine, too")
    assert texts["notebooks/01_a.new-2.ipynb"] == "third"


def test_a_file_that_was_there_before_is_theirs(root):
    (root / "work/notebooks").mkdir(parents=True)
    (root / "work" / LESSON).write_text("mine")
    assert start(root, root / "work").beside == ["notebooks/01_a.new.ipynb"]
    assert (root / "work" / LESSON).read_text() == "mine"


def test_a_deleted_copy_comes_back_fresh(root):
    start(root, root / "work")
    (root / "work" / LESSON).unlink()
    assert start(root, root / "work").new == [LESSON]


@pytest.mark.parametrize("damage", ["", "{", "[]", "\u0000"])
def test_without_its_record_nothing_is_overwritten(root, damage):
    start(root, root / "work")
    (root / "work" / RECORD).write_text(damage)
    (root / LESSON).write_text("second")
    assert start(root, root / "work").beside == ["notebooks/01_a.new.ipynb"]
    assert files(root / "work")[LESSON] == "first"


def test_an_interruption_loses_no_record(root, monkeypatch):
    def interrupted(source: Path, target: Path) -> None:
        if target.name == Path(LESSON).name:
            raise KeyboardInterrupt
        target.parent.mkdir(parents=True)
        target.write_text(source.read_text())

    monkeypatch.setattr("course_lib.classroom.start._copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(root, root / "work")
    assert list(json.loads((root / "work" / RECORD).read_text())) == [EXERCISE]
    monkeypatch.undo()
    done = start(root, root / "work")
    assert (done.new, done.same) == ([LESSON], [EXERCISE])


def test_a_copy_can_be_written_to_though_the_course_is_read_only(root):
    (root / LESSON).chmod(0o444)
    start(root, root / "work")
    assert (root / "work" / LESSON).stat().st_mode & 0o200


def test_without_a_writable_course_the_default_is_in_the_home_folder(root, monkeypatch):
    assert default_folder(root) == root / "work"
    monkeypatch.setattr("os.access", lambda *_: False)
    assert default_folder(root) == Path.home() / "why-does-the-model-think-so"


def test_folders_that_cant_hold_copies_get_a_sentence(root):
    (root / "file").write_text("")
    with pytest.raises(ValueError, match="file is a file: name a folder for your copies.$"):
        start(root, root / "file")
    for folder in (root, root / "notebooks", root / "exercises/mine", root / "course_lib"):
        with pytest.raises(ValueError, match="belongs to the course: name another folder for your copies"):
            start(root, folder)
