"""Tables that people and platforms read, and what people give back in them."""

import csv
import io

import pytest

from course_lib.classroom.check import Verdict
from course_lib.classroom.grading import results
from course_lib.classroom.grading.feedback import feedback, file_name
from course_lib.classroom.grading.gradebook import Entry
from course_lib.classroom.grading.judge import exercises
from course_lib.classroom.grading.report import report

EXERCISE = "03_grad_cam"
VERDICTS = {q.name: Verdict("right", q.points, "", ("Right.",)) for q in exercises()[EXERCISE]}
VERDICTS["alpha"] = Verdict("mistake", 0, "sum for mean", ("A known mistake: <b>sum for mean</b>.",))
PLACE = "Ada Lovelace_4711_assignsubmission_file_"
ADA = Entry("Ada Lovelace", EXERCISE, "h", "q", "4711", "ada.ipynb", PLACE, (), VERDICTS)
EVIL = Entry("=cmd|'/c calc'!A0", "", "h", "", "", "x.html", "", ("This is an HTML page.",))


def made(overrides=()):
    return results.grades([ADA, EVIL], dict(overrides))


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_grades():
    ada, evil = rows(results.grades_table(made()))
    assert (ada["student"], ada["points"], ada["of"], ada["alpha"]) == ("Ada Lovelace", "18", "20", "0")
    assert evil["student"].startswith("'=") and evil["notes"] == "This is an HTML page." and evil["points"] == "0"


def test_a_file_that_is_no_notebook_does_not_count_beside_one_that_is():
    other = Entry("Ada Lovelace", "", "h2", "", "4711", "notes.pdf")
    assert [one.entry for one in results.grades([ADA, other], {})] == [ADA]


def test_overrides_go_in_and_out(tmp_path):
    given = {("Ada Lovelace", EXERCISE, "alpha"): (1.5, "half right; see me"), (EVIL.student, "e", "q"): (0.0, "")}
    path = tmp_path / "overrides.csv"
    path.write_text(results.overrides_table([], given), "utf-8")
    assert results.read_overrides(path) == given
    (ada, _) = made(given)
    assert ada.total == 19.5 and "1.5 points (the grader gave 0)" in feedback(ada) and "see me" in feedback(ada)


def test_an_answer_that_only_a_person_grades_counts_too():
    (ada, _) = made({("Ada Lovelace", EXERCISE, "essay"): (4.0, "")})
    assert (ada.total, ada.possible) == (22, 20) and "Given by your teacher: 4 points" in feedback(ada)
    assert rows(results.grades_table([ada]))[0]["essay"] == "4"


def test_a_text_goes_out_to_be_read_and_comes_back_with_points(tmp_path):
    words = ("Read: 2 words. A person gives the points for this one, up to 3.", "Swap backgrounds.")
    text = Entry("Ada", "05_shortcut_learning", "h", verdicts={"to_a_colleague": Verdict("by hand", 0, "", words)})
    (waiting,) = results.grades([text], {})
    assert (waiting.total, waiting.possible) == (0, 18) and "(waits for your teacher)" in feedback(waiting)
    assert rows(results.grades_table([waiting]))[0]["to_a_colleague"] == ""
    (row,) = rows(results.overrides_table([waiting], {}))
    assert (row["question"], row["points"], row["answer"]) == ("to_a_colleague", "", "Swap backgrounds.")
    path = tmp_path / "overrides.csv"
    path.write_text("student,exercise,question,points,comment,answer\n"
                    "Ada,05_shortcut_learning,to_a_colleague,2,Which result says what?,Swap backgrounds.\n", "utf-8")
    given = results.read_overrides(path)
    (read,) = results.grades([text], given)
    assert read.total == 2 and "Given by your teacher: 2 points." in feedback(read) and "Which result" in feedback(read)
    assert rows(results.overrides_table([read], given))[0]["points"] == "2"


def test_overrides_that_belong_to_nobody_are_found():
    keys = [("Ada Lovelace", EXERCISE, "alpha"), ("Ada Lovelac", EXERCISE, "alpha")]
    assert results.unused(made(), keys) == keys[1:]


def test_overrides_as_a_german_spreadsheet_saves_them(tmp_path):
    path = tmp_path / "overrides.csv"
    path.write_text("student;exercise;question;points;comment\nAda;e;q;1,5;ok\nAda;e;r;;\n", "utf-8-sig")
    assert results.read_overrides(path) == {("Ada", "e", "q"): (1.5, "ok")}


def test_overrides_that_cannot_be_read_are_told_where(tmp_path):
    path = tmp_path / "overrides.csv"
    path.write_text("student,exercise,question,points,comment\nAda,e,q,many,\n", "utf-8")
    with pytest.raises(ValueError, match="line 2: the points should be a number, and are 'many'"):
        results.read_overrides(path)
    path.write_text("name,points\n", "utf-8")
    with pytest.raises(ValueError, match="should have the columns student, exercise"):
        results.read_overrides(path)


@pytest.mark.parametrize(
    ("roster", "absent"),
    [("student\nada  LOVELACE\nEuler\n", ["Euler"]), ("Student,ID\n\"Lovelace, Ada\",1\n", []),
     ("First name,Surname\nAda,Lovelace\nEmmy,Noether\n", ["Emmy Noether"]),
     ("Identifier,Full name\nParticipant 4711,A. L.\n", [])],
)  # fmt: skip
def test_who_is_missing(tmp_path, roster, absent):
    path = tmp_path / "roster.csv"
    path.write_text(roster, "utf-8")
    assert results.missing(path, [ADA]) == absent


def test_a_roster_without_names_is_refused(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text("mail\na@b.org\n", "utf-8")
    with pytest.raises(ValueError, match="column with names"):
        results.missing(path, [ADA])
    path.write_text("student\n", "utf-8")
    with pytest.raises(ValueError, match="no rows"):
        results.missing(path, [ADA])


def test_canvas_gets_one_column_filled_and_all_else_untouched(tmp_path):
    path = tmp_path / "canvas.csv"
    path.write_text(
        "Student,ID,SIS User ID,Exercise 2 (11),Exercise 3 (12)\n    Points Possible,,,10,20\n"
        '"Lovelace, Ada",4711,u1,7,\n"Noether, Emmy",4712,u2,9,\n', "utf-8")  # fmt: skip
    filled = rows(results.filled(path, made(), "Exercise 3"))
    assert [row["Exercise 3 (12)"] for row in filled] == ["20", "18", ""]
    assert [row["Exercise 2 (11)"] for row in filled] == ["10", "7", "9"]
    with pytest.raises(ValueError, match="no column 'Exercise 9'"):
        results.filled(path, made(), "Exercise 9")


def test_moodle_gets_its_worksheet_filled(tmp_path):
    path = tmp_path / "moodle.csv"
    path.write_text("Identifier,Full name,Grade,Maximum Grade\nParticipant 4711,Ada Lovelace,,20\n", "utf-8")
    assert rows(results.filled(path, made(), "Grade"))[0]["Grade"] == "18"


def test_a_feedback_page_escapes_what_learners_wrote():
    ada, evil = made()
    assert "&lt;b&gt;sum for mean" in feedback(ada) and "<b>" not in feedback(ada)
    assert "18 of 20 points" in feedback(ada) and 'lang="en"' in feedback(ada)
    assert "HTML page" in feedback(evil)
    assert "/" not in file_name(evil) and file_name(evil) != file_name(ada)


def test_the_class_report_has_figures_with_words_and_the_mistakes():
    page = report(made(), ["Euler"])
    assert page.count("<img alt=") == 2 and "sum for mean" in page and "Handed nothing in: Euler." in page
    assert "No notebook was graded." in report([])
