"""Grades a class: what is new goes to the workers, every verdict to the gradebook, and the results to files."""

import hashlib
import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tqdm import tqdm

from course_lib.classroom.grading import results
from course_lib.classroom.grading.collect import Handed, collect, make_zip
from course_lib.classroom.grading.feedback import feedback, file_name
from course_lib.classroom.grading.gradebook import Entry, Gradebook
from course_lib.classroom.grading.judge import Judge, Judged, exercise_of, exercises, fingerprint
from course_lib.classroom.grading.notebook import NotANotebook, read
from course_lib.classroom.grading.report import report
from course_lib.classroom.grading.sandbox import Worker

WORDS = {
    "unknown": "This notebook answers no exercise of the course: it defines none of the functions asked for.",
    "wrong": "This is exercise {have}, and {want} was asked for.",
    "earlier": "Handed in more than once; the newest counts, and these don't: {files}.",
    "unreadable": "The file can't be read ({error}).",
    "exercise": "There is no exercise {name!r}; there are {names}.",
    "bar": "grading",
    "unused": "overrides.csv: {student}, {exercise}, {question} belongs to no grade; is a name spelt otherwise?",
    "failed": "{file}: the grader itself failed on it ({error}); it is graded again at the next start.",
}


@dataclass(frozen=True)
class Settings:
    """How a class is graded.

    Attributes:
        boxed: whether the learners' code runs in a sandbox
        workers: how many at once; 0 for one a core
        exercise: the only one that counts, or "" for whichever a notebook answers
        canvas, column: Canvas's gradebook export, and its column to fill
        moodle: Moodle's grading worksheet
    """

    boxed: bool = True
    workers: int = 0
    exercise: str = ""
    roster: Path | None = None
    canvas: Path | None = None
    column: str = ""
    moodle: Path | None = None
    progress: bool = True


@dataclass(frozen=True)
class Done:
    """What a run did."""

    grades: list[results.Grade]
    graded: int
    known: int
    changed: int
    missing: list[str]
    failed: list[str]
    waiting: int


def grade(submissions: Path, out: Path, settings: Settings | None = None) -> Done:
    """Grade what isn't graded yet, and write all results.

    Raises:
        ValueError: if there is nothing to grade, no sandbox, another grader at work, or a table that can't be read
    """
    settings = settings or Settings()
    known = exercises()
    if settings.exercise and settings.exercise not in known:
        raise ValueError(WORDS["exercise"].format(name=settings.exercise, names=", ".join(known)))
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    book = Gradebook(out / "gradebook.sqlite")
    try:
        if (out / "overrides.csv").exists():
            book.override(results.read_overrides(out / "overrides.csv"))
        before = len(book.changes())
        files = {(one.student, one.file): one for one in collect(submissions)}
        picked = list(_picked(list(files.values()), settings.exercise))
        new = [e for e in picked if not book.known(e.student, e.exercise, e.hash, e.questions)]
        failed = list(_grade_all(new, files, book, settings))
        graded = len(new) - len(failed)
        counted = {(entry.student, entry.exercise): entry.hash for entry in picked}
        entries = [e for e in book.entries() if counted.get((e.student, e.exercise)) == e.hash]
        made = results.grades(entries, book.overrides())
        for key in results.unused(made, book.overrides()):
            failed.append(WORDS["unused"].format(**dict(zip(results.OVERRIDES, key, strict=False))))
        absent = results.missing(settings.roster, entries) if settings.roster else []
        _write(out, made, book, absent, settings)
        counts = graded, len(picked) - len(new), len(book.changes()) - before
        waiting = sum(len(one.waiting) for one in made)
        return Done(made, *counts, absent, failed, waiting)
    finally:
        book.close()


def _picked(handed: list[Handed], wanted: str) -> Iterator[Entry]:
    """The file that counts for each student and exercise, the newest; the others are named in its notes."""
    chosen: dict[tuple[str, str], list[Entry]] = {}
    for one in handed:
        entry = _looked_at(one, wanted)
        chosen.setdefault((entry.student, entry.exercise), []).append(entry)
    for entries in chosen.values():
        *earlier, newest = entries
        names = ", ".join(entry.file for entry in earlier)
        notes = (WORDS["earlier"].format(files=names),) if names and newest.exercise else ()
        yield replace(newest, notes=(*newest.notes, *notes))


def _looked_at(one: Handed, wanted: str) -> Entry:
    content, note, exercise = b"", "", ""
    try:
        content = one.read()
        exercise = exercise_of(read(content), one.name)
        if not exercise:
            note = WORDS["unknown"]
        elif wanted and exercise != wanted:
            note, exercise = WORDS["wrong"].format(have=exercise, want=wanted), ""
    except NotANotebook as error:
        note = str(error)
    except (OSError, ValueError, RuntimeError, NotImplementedError) as error:  # a zip's entry, damaged or encrypted
        note = WORDS["unreadable"].format(error=type(error).__name__)
    digest = hashlib.sha256(content).hexdigest()
    print_of = fingerprint(exercise) if exercise else ""
    return Entry(one.student, exercise, digest, print_of, one.id, one.file, one.place, (note,) if note else ())


Result = tuple[Entry, Judged | None, str]


def _grade_all(
    waiting: list[Entry], files: dict[tuple[str, str], Handed], book: Gradebook, settings: Settings
) -> Iterator[str]:
    """Grade with one thread for each worker, and write as results come; gives a sentence for each that failed."""
    work: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[Result | BaseException] = queue.SimpleQueue()
    notebooks = [entry for entry in waiting if entry.exercise]
    for entry in waiting:
        if not entry.exercise:
            book.write(entry, Judged({}, entry.notes))
    count = min(settings.workers or os.cpu_count() or 1, len(notebooks))
    for order in [*notebooks, *[None] * count]:
        work.put(order)
    for _ in range(count):
        # the thread that starts a worker must outlive it: bubblewrap dies with that thread
        threading.Thread(target=_drive, args=(work, done, files, settings.boxed), daemon=True).start()
    for _ in tqdm(range(len(notebooks)), WORDS["bar"], disable=not settings.progress or not notebooks):
        result = done.get()
        if isinstance(result, BaseException):
            raise result
        entry, judged, failure = result
        if judged:
            book.write(entry, replace(judged, notes=(*entry.notes, *judged.notes)))
        else:
            yield WORDS["failed"].format(file=entry.file, error=failure)


def _drive(
    work: "queue.SimpleQueue[Entry | None]",
    done: "queue.SimpleQueue[Result | BaseException]",
    files: dict[tuple[str, str], Handed],
    boxed: bool,
) -> None:
    try:
        with Worker(boxed) as worker:
            judge = Judge(worker)
            while entry := work.get():
                done.put(_graded(judge, entry, files[entry.student, entry.file]))
    except BaseException as error:
        done.put(error)


def _graded(judge: Judge, entry: Entry, one: Handed) -> Result:
    try:
        return entry, judge.judge(read(one.read()), exercises()[entry.exercise]), ""
    except (OSError, ValueError) as error:
        return entry, None, f"{type(error).__name__}: {error}"


# ------------------------------------------------------------------------------------------------ what comes out


def _write(out: Path, made: list[results.Grade], book: Gradebook, absent: list[str], settings: Settings) -> None:
    pages = {file_name(one): feedback(one) for one in made}
    folder = out / "feedback"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.html"):
        if old.name not in pages:
            old.unlink()
    changes = [("student", "exercise", "question", "from", "to", "when"), *book.changes()]
    texts = {f"feedback/{name}": text for name, text in pages.items()} | {
        "grades.csv": results.grades_table(made),
        "overrides.csv": results.overrides_table(made, book.overrides()),
        "changes.csv": results.table(changes),
        "report.html": report(made, absent),
    }
    if settings.roster:
        texts["missing.csv"] = results.table([("student",), *((name,) for name in absent)])
    if settings.canvas:
        texts["canvas.csv"] = results.filled(settings.canvas, made, settings.column)
    if settings.moodle:
        texts["moodle.csv"] = results.filled(settings.moodle, made, settings.column or "Grade")
    for name, text in texts.items():
        _replace(out / name, text.encode())
    if settings.moodle:
        back = make_zip({f"{_place(one.entry)}/{file_name(one)}": pages[file_name(one)] for one in made})
        _replace(out / "moodle_feedback.zip", back)


def _place(entry: Entry) -> str:
    """Moodle's folder for a student's files."""
    return entry.place or f"{entry.student}_{entry.id}_assignsubmission_file_"


def _replace(path: Path, content: bytes) -> None:
    """Write beside and move over, so that no file is ever half."""
    aside = path.with_name(f"{path.name}.part")
    aside.write_bytes(content)
    os.replace(aside, path)
