"""The gradebook keeps what was graded, and lets one grader in at a time."""

import sqlite3

import pytest

from course_lib.classroom.check import Verdict
from course_lib.classroom.grading.gradebook import Entry, Gradebook
from course_lib.classroom.grading.judge import Judged

ENTRY = Entry("Ada", "03_grad_cam", "h1", "q1", "7", "ada/a.ipynb", "Ada_7", ())


def judged(points):
    return Judged({"alpha": Verdict("right" if points else "wrong", points, "", ("Words.",))}, ("A note.",))


@pytest.fixture
def book(tmp_path):
    book = Gradebook(tmp_path / "book.sqlite")
    yield book
    book.close()


def test_what_is_written_comes_back(book, tmp_path):
    assert not book.known("Ada", "03_grad_cam", "h1", "q1")
    book.write(ENTRY, judged(2))
    assert book.known("Ada", "03_grad_cam", "h1", "q1")
    assert not book.known("Ada", "03_grad_cam", "h1", "q2") and not book.known("Ada", "03_grad_cam", "h2", "q1")
    (entry,) = book.entries()
    assert (entry.student, entry.id, entry.file, entry.notes) == ("Ada", "7", "ada/a.ipynb", ("A note.",))
    assert entry.verdicts == judged(2).verdicts


def test_a_regrade_lists_whose_points_changed(book):
    book.write(ENTRY, judged(2))
    book.write(ENTRY, judged(2))
    assert book.changes() == []
    book.write(ENTRY, judged(0))
    assert [change[:5] for change in book.changes()] == [("Ada", "03_grad_cam", "alpha", 2, 0)]
    assert len(list(book.entries())) == 1


def test_overrides_survive_a_regrade(book):
    rows = {("Ada", "03_grad_cam", "alpha"): (1.5, "half")}
    book.override(rows)
    book.write(ENTRY, judged(0))
    assert book.overrides() == rows


def test_a_second_grader_says_so_and_stops(book, tmp_path):
    with pytest.raises(ValueError, match="Another grader is at work"):
        Gradebook(tmp_path / "book.sqlite")
    book.close()
    Gradebook(tmp_path / "book.sqlite").close()


def test_a_submission_is_written_whole_or_not_at_all(book):
    class Bad:
        verdicts = {"alpha": Verdict("right", 2), "grad_cam": Verdict(object(), 2)}  # type: ignore[arg-type]
        notes = ()

    with pytest.raises(sqlite3.Error):
        book.write(ENTRY, Bad())
    assert list(book.entries()) == []
