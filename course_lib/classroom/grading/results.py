"""What comes out as tables: grades, whose points changed, overrides, and the platforms' own files filled in."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from course_lib.classroom.check import Verdict
from course_lib.classroom.grading.gradebook import Entry
from course_lib.classroom.grading.judge import exercises

OVERRIDES = ("student", "exercise", "question", "points", "comment")
Key = tuple[str, str, str]
WORDS = {
    "columns": "{file} should have the columns {want}, and has {have}.",
    "points": "{file}, line {line}: the points should be a number, and are {points!r}.",
    "empty": "{file} has no rows.",
    "column": "{file} has no column {column!r}: name the one to fill, such as {near}.",
    "no-student": "{file} should have a column with names, such as student, Student, or Full name; it has {have}.",
}


@dataclass(frozen=True)
class Grade:
    """One student's exercise as it counts, with what a person put in the place of the grader's points."""

    entry: Entry
    overrides: Mapping[str, tuple[float, str]]

    @property
    def by_hand(self) -> dict[str, str]:
        """Texts that a person reads, by question."""
        return {name: v.sentences[-1] for name, v in self.entry.verdicts.items() if v.kind == "by hand"}

    @property
    def waiting(self) -> set[str]:
        """The questions whose text nobody has read yet."""
        return {*self.by_hand} - {*self.overrides}

    @property
    def questions(self) -> dict[str, int]:
        """Every question with the points it can bring; 0 for one that only a person grades."""
        own = {question.name: question.points for question in exercises().get(self.entry.exercise, ())}
        return {**dict.fromkeys(self.overrides, 0), **own}

    def points(self, question: str) -> float:
        """What counts for a question."""
        verdict = self.entry.verdicts.get(question, Verdict("missing"))
        return self.overrides[question][0] if question in self.overrides else verdict.points

    @property
    def total(self) -> float:
        """The sum of what counts."""
        return sum(self.points(name) for name in self.questions)

    @property
    def possible(self) -> int:
        """The points that can be earned."""
        return sum(self.questions.values())


def grades(entries: Iterable[Entry], overrides: Mapping[Key, tuple[float, str]]) -> list[Grade]:
    """The grades of the notebooks that count. Files that are none don't appear where the student has one."""
    entries = list(entries)
    have = {entry.student for entry in entries if entry.exercise}
    made = []
    for entry in entries:
        if entry.exercise or entry.student not in have:
            own = {q: value for (s, e, q), value in overrides.items() if (s, e) == (entry.student, entry.exercise)}
            made.append(Grade(entry, own))
    return made


def unused(made: Iterable[Grade], overrides: Iterable[Key]) -> list[Key]:
    """Overrides that belong to no grade: a name or an exercise is written otherwise there."""
    have = {(grade.entry.student, grade.entry.exercise) for grade in made}
    return [key for key in overrides if key[:2] not in have]


def number(value: float) -> str:
    """Points without a needless .0."""
    return f"{value:g}"


def table(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV. A text that a spreadsheet would take for a formula gets an apostrophe in front."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    formula = tuple("=+-@\t\r")
    for row in rows:
        writer.writerow([f"'{cell}" if isinstance(cell, str) and cell.startswith(formula) else cell for cell in row])
    return made.getvalue()


def grades_table(made: Iterable[Grade]) -> str:
    """grades.csv: a row for each student and exercise, a column for each question."""
    made = list(made)
    ordered = sorted(made, key=lambda grade: grade.entry.exercise)
    names = list(dict.fromkeys(name for own in (True, False) for grade in ordered for name in grade.questions
                               if (name in grade.entry.verdicts) is own))  # fmt: skip
    rows: list[Sequence[object]] = [("student", "id", "exercise", "points", "of", *names, "notes", "file")]
    for grade in made:
        entry = grade.entry
        known = {*grade.questions} - grade.waiting
        each = [number(grade.points(name)) if name in known else "" for name in names]
        total = number(grade.total), grade.possible or ""
        rows.append((entry.student, entry.id, entry.exercise, *total, *each, " ".join(entry.notes), entry.file))
    return table(rows)


# ------------------------------------------------------------------------------------------------ what a person gives


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    text = path.read_text("utf-8-sig")
    first = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",")
    rows = [{key: value or "" for key, value in row.items() if key is not None} for row in reader]
    return list(reader.fieldnames or []), rows


def read_overrides(path: Path) -> dict[Key, tuple[float, str]]:
    """(student, exercise, question) -> points and comment, from the CSV that a person edits.

    Raises:
        ValueError: for other columns, or points that are no number; names file and line
    """
    columns, rows = _read(path)
    if not set(OVERRIDES) <= {*columns}:
        words = {"want": ", ".join(OVERRIDES), "have": ", ".join(columns) or "none"}
        raise ValueError(WORDS["columns"].format(file=path.name, **words))
    found = {}
    for line, row in enumerate(rows, 2):
        student, exercise, question, points, comment = (row[column].removeprefix("'").strip() for column in OVERRIDES)
        if points:
            try:
                found[student, exercise, question] = float(points.replace(",", ".")), comment
            except ValueError:
                raise ValueError(WORDS["points"].format(file=path.name, line=line, points=points)) from None
    return found


def overrides_table(made: Iterable[Grade], overrides: Mapping[Key, tuple[float, str]]) -> str:
    """The same back as CSV, with a row for each text that a person reads: its points are empty until they are given."""
    texts = {(g.entry.student, g.entry.exercise, name): text for g in made for name, text in g.by_hand.items()}
    rows: list[Sequence[object]] = [(*OVERRIDES, "answer")]
    for key in sorted({*texts, *overrides}):
        points, comment = overrides.get(key, (None, ""))
        rows.append((*key, "" if points is None else number(points), comment, texts.get(key, "")))
    return table(rows)


def plain(name: str) -> str:
    """A name as it is compared: "Lovelace, Ada" and "ada  lovelace" are the same."""
    name = unicodedata.normalize("NFKC", name).casefold()
    last, comma, first = name.partition(",")
    return " ".join((f"{first} {last}" if comma else name).split())


def _squashed(name: str) -> str:
    """As Canvas writes it in file names: lovelaceada."""
    words = plain(name).split()
    return re.sub(r"\W", "", "".join([words[-1], *words[:-1]])) if words else ""


NAMES = ("student", "name", "full name")
NUMBERS = ("id", "identifier", "id number", "sis user id")


def _people(columns: Sequence[str], row: Mapping[str, str], file: str) -> tuple[str, set[str]]:
    """A row's student, and every word by which a submission may know them."""
    by = {column.strip().casefold(): row[column].strip() for column in columns}
    name = next((by[key] for key in NAMES if by.get(key)), "")
    name = name or f"{by.get('first name', '')} {by.get('surname', by.get('last name', ''))}".strip()
    if not {*NAMES, "first name"} & {*by}:
        raise ValueError(WORDS["no-student"].format(file=file, have=", ".join(columns)))
    numbers = {re.sub(r"\D", "", by[key]) for key in NUMBERS if by.get(key)} - {""}
    return name, {plain(name), _squashed(name), *numbers} - {""}


def _known(entry: Entry) -> set[str]:
    return {plain(entry.student), entry.id} - {""}


def missing(roster: Path, entries: Iterable[Entry]) -> list[str]:
    """Who is on the roster and handed nothing in.

    Raises:
        ValueError: if the roster is empty, or has no column with names
    """
    columns, rows = _read(roster)
    if not rows:
        raise ValueError(WORDS["empty"].format(file=roster.name))
    handed = set().union(*(_known(entry) for entry in entries))
    people = [_people(columns, row, roster.name) for row in rows]
    return [name for name, words in people if name and not words & handed]


def filled(path: Path, made: Iterable[Grade], column: str) -> str:
    """A platform's own table with one column filled, row by row and all else untouched, as CSV.

    Raises:
        ValueError: if there is no such column
    """
    columns, rows = _read(path)
    full = next((name for name in columns if name == column or name.startswith(f"{column} (")), "")
    if not full:
        raise ValueError(WORDS["column"].format(file=path.name, column=column, near=", ".join(columns[-3:])))
    totals: dict[str, float] = {}
    for grade in made:
        for word in _known(grade.entry):
            totals[word] = totals.get(word, 0.0) + grade.total
    for row in rows:
        words = _people(columns, row, path.name)[1]
        if hits := words & {*totals}:
            row[full] = number(totals[min(hits, key=lambda word: not word.isdigit())])
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
