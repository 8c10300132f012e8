"""`course build`: from a lesson's source to its notebook with outputs, and the check that the two are in step."""

import hashlib
import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

import course_lib.networks
from course_lib.classroom import outputs
from course_lib.classroom.exercise import exercise_of, exercise_path
from course_lib.classroom.lesson import ROOT, SOLUTION, Lesson, LessonError, read_lesson, source_of
from course_lib.classroom.run import Run, run_lesson

LIBRARY = Path(course_lib.networks.__file__).parents[1]
HASHED = {".py", ".js", ".css", ".safetensors", ".csv"}
WORDS = {
    "no-notebook": "there is no notebook yet",
    "not-a-notebook": "the notebook can't be read",
    "cells": "the notebook's cells are not those of the source (first difference: {have} where the source has {want})",
    "cell": "cell {cell}: its {what} isn't that of the source",
    "metadata": "the notebook's metadata is not what a build writes",
    "hash": "the library, its weights or its results have changed since the notebook was built",
    "kinds": "cell {cell} gives {have}, and the notebook holds {want}",
    "nothing": "nothing",
    "exercise": "the exercise {name} isn't what the solution gives without its answers",
    "claim": "the claim {claim} in cell {cell} was not checked",
    "outputs": "there are no stored outputs for {cells}, whose pretrained weights are missing: build it where torch "
    "has cached them, or COURSE_REAL_DIR names a folder with them in its folder weights",
    "mends": "`course build {lesson}` mends it",
}


def fingerprint(lesson: str, root: Path = ROOT) -> str:
    """A hash of what a lesson's outputs follow from: its source, the library, its weights and results."""
    if lesson.endswith(SOLUTION):  # its outputs are cards: what else the library holds doesn't show in them
        asked = LIBRARY / "classroom" / "questions"
        files = [asked / "material.py", asked / "seed.txt", asked.parent / "check.py"]
        files += asked.glob(f"q{lesson[:2]}_*.py")
    else:
        files = [path for path in LIBRARY.rglob("*") if path.suffix in HASHED and "classroom" not in path.parts]
    parts = {path.relative_to(LIBRARY).as_posix(): path for path in files} | {"source": source_of(lesson, root)}
    digest = hashlib.sha256()
    for name, path in sorted(parts.items()):
        content = path.read_bytes()
        if path.suffix != ".safetensors":
            content = content.replace(b"\r\n", b"\n")
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def committed(lesson: Lesson) -> NotebookNode | None:
    """The notebook as it is, or None.

    Raises:
        LessonError: if it can't be read
    """
    if not lesson.target.exists():
        return None
    try:
        notebook: NotebookNode = nbformat.read(lesson.target, as_version=4)
        return notebook
    except Exception as error:  # nbformat raises whatever its parser does
        raise LessonError(f"{WORDS['not-a-notebook']} ({type(error).__name__})") from None


def build(name: str, root: Path = ROOT, progress: bool = True) -> Run:
    """Execute a lesson and write its notebook; nothing is written if anything is wrong.

    Raises:
        LessonError: with a sentence for each fault
    """
    lesson = read_lesson(name, root)
    lesson.notebook.metadata.course["hash"] = fingerprint(name, root)
    try:
        old = committed(lesson)
    except LessonError:
        old = None
    run = run_lesson(lesson, old, progress)
    wrong = [*outputs.faults(run.notebook, root), *unchecked(run)]
    if wrong:
        raise LessonError("\n".join(wrong))
    write(run.notebook, lesson.target)
    if name.endswith(SOLUTION):
        write(exercise_of(lesson), exercise_path(lesson))
    return run


def write(notebook: NotebookNode, target: Path) -> None:
    """Write a notebook whole or not at all."""
    target.parent.mkdir(exist_ok=True)
    aside = target.with_suffix(".ipynb.part")
    aside.write_text(nbformat.writes(notebook) + "\n", "utf-8", newline="\n")
    os.replace(aside, target)


def drawn_path(name: str, root: Path) -> Path:
    """Where a run with figures as vectors is kept, for as long as neither lesson nor library changes."""
    return root / "build" / "vectors" / f"{name}-{fingerprint(name, root)}.ipynb"


def keep_drawn(run: Run) -> None:
    """Keep a run with vectors for slides, in place of older ones."""
    kept = drawn_path(run.lesson.name, run.lesson.root)
    kept.parent.mkdir(parents=True, exist_ok=True)
    for old in kept.parent.glob(f"{run.lesson.name}-*"):
        old.unlink()
    write(run.notebook, kept)


def check(name: str, root: Path = ROOT, progress: bool = True) -> tuple[list[str], Run | None]:
    """What differs between a lesson and its notebook, a sentence each; runs the lesson, and returns that as well.

    The run draws vectors, and is kept for slides where nothing is wrong.
    """
    try:
        lesson = read_lesson(name, root)
        notebook = committed(lesson)
        if notebook is None:
            raise LessonError(WORDS["no-notebook"])
        found = [*differences(lesson, notebook), *outputs.faults(notebook, root), *_exercise_faults(lesson)]
        run = run_lesson(lesson, notebook, progress, vectors=True)
    except LessonError as error:
        return [str(error)], None
    found += run_faults(run, notebook)
    if not found and not name.endswith(SOLUTION):
        keep_drawn(run)
    return found, run


def differences(lesson: Lesson, notebook: NotebookNode) -> Iterator[str]:
    """What differs without running anything: cells, ids, tags, metadata, texts, hash."""
    want, have = lesson.notebook.cells, notebook.cells
    ids = [cell.id for cell in want], [cell.get("id") for cell in have]
    if ids[0] != ids[1]:
        longest = max(map(len, ids))
        pairs = zip(*([*one, *[WORDS["nothing"]] * (longest - len(one))] for one in ids), strict=True)
        first = next(pair for pair in pairs if pair[0] != pair[1])
        yield WORDS["cells"].format(want=first[0], have=first[1])
    stored = {cell.get("id"): cell for cell in have}
    for cell in want:
        if cell.id in stored:
            for key, what in {"cell_type": "kind", "metadata": "tags", "source": "text"}.items():
                if cell[key] != stored[cell.id][key]:
                    yield WORDS["cell"].format(cell=cell.id, what=what)
    metadata = dict(notebook.metadata)
    course = dict(metadata.pop("course", {}))
    written = course.pop("hash", "")
    if {**metadata, "course": course} != lesson.notebook.metadata:
        yield WORDS["metadata"]
    if written != fingerprint(lesson.name, lesson.root):
        yield WORDS["hash"]


def _exercise_faults(lesson: Lesson) -> Iterator[str]:
    if lesson.name.endswith(SOLUTION):
        path = exercise_path(lesson)
        have = nbformat.read(path, as_version=4) if path.exists() else None
        if have is None or _without_pictures(have) != _without_pictures(exercise_of(lesson)):
            yield WORDS["exercise"].format(name=path.stem)


def _without_pictures(notebook: NotebookNode) -> str:
    """The pictures of the questions are drawn anew on each machine, and never compared byte for byte."""
    bare = deepcopy(notebook)
    for cell in bare.cells:
        if "attachments" in cell:
            cell.attachments = {name: {} for name in cell.attachments}
    text: str = nbformat.writes(bare)
    return text


def run_faults(run: Run, notebook: NotebookNode) -> Iterator[str]:
    """What a run shows: claims that weren't checked, outputs of another kind than the notebook's."""
    yield from unchecked(run)
    stored = {cell.get("id"): cell for cell in outputs.code_cells(notebook)}
    for cell in outputs.code_cells(run.notebook):
        have, want = outputs.kinds(cell), outputs.kinds(stored[cell.id]) if cell.id in stored else None
        if want is not None and have != want:
            texts = {"have": ", ".join(have) or WORDS["nothing"], "want": ", ".join(want) or WORDS["nothing"]}
            yield WORDS["kinds"].format(cell=cell.id, **texts)
    yield from outputs.faults(run.notebook, run.lesson.root, sizes=False)


def unchecked(run: Run) -> Iterator[str]:
    """Claims that a run didn't check, and outputs that it lacks, a sentence each."""
    empty = [cell.id for cell in outputs.code_cells(run.notebook) if cell.id in run.kept and not cell.outputs]
    if empty:
        yield WORDS["outputs"].format(cells=", ".join(empty))
    for claim in run.lesson.claims:
        if claim.name not in run.held and claim.cell not in empty:
            yield WORDS["claim"].format(claim=claim.name, cell=claim.cell)
