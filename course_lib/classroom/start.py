"""A learner's own copies of the lessons: new ones are added, and a file of theirs is never overwritten."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

FOLDERS = ("notebooks", "exercises")
RECORD = ".course.json"
"""In the learner's folder: the hash of each file as it was handed out, so that a changed one is known."""


@dataclass
class Started:
    """What `start` did, by file name."""

    folder: Path
    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)


def default_folder(root: Path) -> Path:
    """`work` in the course's folder, or in the home folder where that one can't be written to."""
    return root / "work" if os.access(root, os.W_OK) else Path.home() / "why-does-the-model-think-so"


def start(root: Path, folder: Path) -> Started:
    """Copy lessons and exercises from the course's folder into the learner's.

    A file that the learner hasn't touched since it was copied is brought up to date. One that they changed stays as it
    is, and the new version is put beside it as NAME.new.ipynb.

    Raises:
        ValueError: if `folder` is a file, or one of the course's own folders
        OSError: if it can't be written to
    """
    folder = folder.expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: name a folder for your copies.")
    if folder == root or any(folder.is_relative_to(root / name) for name in (*FOLDERS, "course_lib")):
        raise ValueError(f"{folder} belongs to the course: name another folder for your copies, such as work.")
    folder.mkdir(parents=True, exist_ok=True)
    record_file = folder / RECORD
    record: dict[str, str] = json.loads(record_file.read_text("utf-8")) if record_file.exists() else {}
    done = Started(folder)
    for source in sorted(path for name in FOLDERS for path in (root / name).glob("*.ipynb")):
        target, ours = folder / source.name, _hash(source)
        theirs = _hash(target) if target.exists() else None
        if theirs is None:
            done.new.append(target.name)
        elif theirs == ours:
            done.same.append(target.name)
        elif theirs == record.get(target.name):
            done.updated.append(target.name)
        else:
            target = target.with_suffix(".new.ipynb")
            done.beside.append(target.name)
        if target.name in done.beside or theirs != ours:
            _copy(source, target)
        if target.name == source.name:
            record[source.name] = ours
    _write(record_file, json.dumps(record, indent=1))
    return done


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all: an interruption leaves no half a file."""
    half = target.with_name(target.name + ".part")
    shutil.copyfile(source, half)
    os.replace(half, target)


def _write(path: Path, text: str) -> None:
    half = path.with_name(path.name + ".part")
    half.write_text(text, "utf-8")
    os.replace(half, path)
