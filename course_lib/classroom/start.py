"""A learner's own copies of lessons and exercises: new ones are added, and a file of theirs is never overwritten."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDERS = ("notebooks", "exercises")
RECORD = ".course.json"
"""In the learner's folder: the hash of each file as it was handed out, so that a changed one is known."""
WORDS = {
    "file": "{folder} is a file: name a folder for your copies.",
    "own": "{folder} belongs to the course: name another folder for your copies, such as work.",
}


@dataclass
class Started:
    """What `start` did, by file: made new, brought up to date, left as it was, left as theirs, put beside theirs."""

    folder: Path
    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    theirs: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


def default_folder(root: Path) -> Path:
    """`work` in the course's folder, or a folder in the home folder where the course's can't be written to."""
    return root / "work" if os.access(root, os.W_OK) else Path.home() / "why-does-the-model-think-so"


def start(root: Path, folder: Path) -> Started:
    """Copy lessons and exercises from the course's folder into the learner's, as notebooks/ and exercises/.

    A file that the learner hasn't changed since it was copied is brought up to date. One that they changed stays as it
    is, and a version that is newer than the one they began with is put beside it, as NAME.new.ipynb.

    Raises:
        ValueError: if `folder` is a file, or one of the course's own folders
        OSError: if it can't be written to
    """
    folder, root = folder.expanduser().resolve(), root.resolve()
    if folder.exists() and not folder.is_dir():
        raise ValueError(WORDS["file"].format(folder=folder))
    if folder == root or any(folder.is_relative_to(root / name) for name in (*FOLDERS, "course_lib")):
        raise ValueError(WORDS["own"].format(folder=folder))
    folder.mkdir(parents=True, exist_ok=True)
    record = _read(folder / RECORD)
    done = Started(folder)
    for source in sorted(path for name in FOLDERS for path in (root / name).glob("*.ipynb")):
        name, ours = source.relative_to(root).as_posix(), _hash(source) or ""
        theirs, given = _hash(folder / name), record.get(name)
        if theirs == ours:
            done.same.append(name)
        elif theirs in (None, given):
            (done.updated if theirs else done.new).append(name)
            _copy(source, folder / name)
        elif given == ours:
            done.theirs.append(name)
        else:
            beside = next(free for free in _beside(name) if _hash(folder / free) in (None, record.get(free)))
            done.beside.append(beside)
            _copy(source, folder / beside)
            record[beside] = ours
        record[name] = ours
        _write(folder / RECORD, json.dumps(record, indent=1))  # after each file, so that an interruption loses nothing
    return done


def _beside(name: str) -> Iterator[str]:
    stem, number = name.removesuffix(".ipynb"), 1
    while True:
        yield f"{stem}.new{'' if number == 1 else f'-{number}'}.ipynb"
        number += 1


def _read(record: Path) -> dict[str, str]:
    try:
        found = json.loads(record.read_text("utf-8"))
    except (FileNotFoundError, ValueError):  # damaged: every file counts as changed, so nothing can be lost
        return {}
    return found if isinstance(found, dict) else {}


def _hash(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all: an interruption leaves no half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(target.name + ".part")
    shutil.copyfile(source, half)
    os.replace(half, target)


def _write(path: Path, text: str) -> None:
    half = path.with_name(path.name + ".part")
    half.write_text(text, "utf-8")
    os.replace(half, path)
