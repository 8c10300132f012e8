"""The gradebook: one SQLite file, a transaction for each submission, so that nothing is lost or graded twice."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from course_lib.classroom.check import Verdict
from course_lib.classroom.grading.judge import Judged

WORDS = {"locked": "Another grader is at work on {path}. Wait until it has ended, or name another folder with --out."}
TABLES = """
CREATE TABLE IF NOT EXISTS graded(
    student TEXT, exercise TEXT, hash TEXT, questions TEXT, id TEXT, file TEXT, place TEXT, notes TEXT,
    at TEXT DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (student, exercise, hash));
CREATE TABLE IF NOT EXISTS verdicts(
    student TEXT, exercise TEXT, hash TEXT, question TEXT, points INT, kind TEXT, mistake TEXT, sentences TEXT,
    PRIMARY KEY (student, exercise, hash, question));
CREATE TABLE IF NOT EXISTS changes(
    student TEXT, exercise TEXT, question TEXT, before INT, after INT, at TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS overrides(
    student TEXT, exercise TEXT, question TEXT, points REAL, comment TEXT, PRIMARY KEY (student, exercise, question));
"""


@dataclass(frozen=True)
class Entry:
    """A graded notebook as the gradebook knows it; `exercise` is "" for a file that is no notebook of the course."""

    student: str
    exercise: str
    hash: str
    questions: str = ""
    id: str = ""
    file: str = ""
    place: str = ""
    notes: tuple[str, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)


class Gradebook:
    """Opens a gradebook for one grader alone.

    Raises:
        ValueError: if another one has it
    """

    def __init__(self, path: Path) -> None:
        self._base = sqlite3.connect(path, timeout=0.5, isolation_level=None)
        try:
            self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._base.execute("BEGIN EXCLUSIVE")
            for table in TABLES.split(";"):
                self._base.execute(table)
            # the lock is kept after the transaction, until this process ends, however it ends
            self._base.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._base.close()
            if "locked" in str(error):
                raise ValueError(WORDS["locked"].format(path=path)) from None
            raise

    def close(self) -> None:
        """Let another grader in."""
        self._base.close()

    def known(self, student: str, exercise: str, hash: str, questions: str) -> bool:
        """Whether this notebook was graded with these questions."""
        key = (student, exercise, hash, questions)
        sql = "SELECT 1 FROM graded WHERE student = ? AND exercise = ? AND hash = ? AND questions = ?"
        return self._base.execute(sql, key).fetchone() is not None

    def write(self, entry: Entry, judged: Judged) -> None:
        """Write a graded notebook, and what its points were where it was graded before: all of it or nothing."""
        key = (entry.student, entry.exercise, entry.hash)
        where = "WHERE student = ? AND exercise = ? AND hash = ?"
        with self._transaction():
            before = dict(self._base.execute(f"SELECT question, points FROM verdicts {where}", key))
            for table in ("graded", "verdicts"):
                self._base.execute(f"DELETE FROM {table} {where}", key)
            row = (*key, entry.questions, entry.id, entry.file, entry.place, json.dumps(judged.notes))
            columns = "student, exercise, hash, questions, id, file, place, notes"
            self._base.execute(f"INSERT INTO graded({columns}) VALUES (?,?,?,?,?,?,?,?)", row)
            for name, v in judged.verdicts.items():
                values = (*key, name, v.points, v.kind, v.mistake, json.dumps(v.sentences))
                self._base.execute("INSERT INTO verdicts VALUES (?,?,?,?,?,?,?,?)", values)
                if name in before and before[name] != v.points:
                    change = (entry.student, entry.exercise, name, before[name], v.points)
                    columns = "student, exercise, question, before, after"
                    self._base.execute(f"INSERT INTO changes({columns}) VALUES (?,?,?,?,?)", change)

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._base)

    def entries(self) -> Iterator[Entry]:
        """Every graded notebook."""
        columns = "student, exercise, hash, questions, id, file, place, notes"
        for *plain, notes in self._base.execute(f"SELECT {columns} FROM graded ORDER BY student, exercise").fetchall():
            sql = "SELECT question, kind, points, mistake, sentences FROM verdicts"
            rows = self._base.execute(f"{sql} WHERE student = ? AND exercise = ? AND hash = ?", plain[:3])
            verdicts = {name: Verdict(kind, n, mistake, tuple(json.loads(s))) for name, kind, n, mistake, s in rows}
            yield replace(Entry(*plain), notes=tuple(json.loads(notes)), verdicts=verdicts)

    def changes(self) -> list[tuple[str, str, str, int, int, str]]:
        """Whose points a regrade changed: student, exercise, question, from, to, when."""
        return self._base.execute("SELECT * FROM changes ORDER BY rowid").fetchall()

    def overrides(self) -> dict[tuple[str, str, str], tuple[float, str]]:
        """(student, exercise, question) -> points and comment that a person gave."""
        return {(s, e, q): (points, text) for s, e, q, points, text in self._base.execute("SELECT * FROM overrides")}

    def override(self, rows: Mapping[tuple[str, str, str], tuple[float, str]]) -> None:
        """Put these overrides in the place of all that were."""
        with self._transaction():
            self._base.execute("DELETE FROM overrides")
            values = [(*key, *value) for key, value in rows.items()]
            self._base.executemany("INSERT INTO overrides VALUES (?,?,?,?,?)", values)


class _Transaction:
    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base

    def __enter__(self) -> None:
        self._base.execute("BEGIN")

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._base.execute("ROLLBACK" if kind else "COMMIT")
