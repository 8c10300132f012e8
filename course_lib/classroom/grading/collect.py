"""What a class handed in: from a folder or a zip, named as the platforms name it, to student, file and content."""

import io
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MOODLE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_\w+?_(?P<file>.*)$")
CANVAS = re.compile(r"^(?P<name>[^_\W]+)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<file>.+)$")
NOTEBOOK = re.compile(r"\.(?:ipynb|ipynb\.(?:txt|json|html?)|json|html?|pdf|zip)$", re.I)
"""What may be meant as a submission; pictures, data and hidden files beside it are not."""
COPY = re.compile(r"(?:-(\d+)| ?\((\d+)\))(?=\.[^/]*$)")
EXERCISE = re.compile(r"[ _-]*\d\d_\w+?_(?:exercise|solution)")
WORDS = {
    "none": "There is nothing to grade in {path}: no notebook (.ipynb), no folder or zip with notebooks.",
    "missing": "There is no file or folder {path}.",
}


@dataclass(frozen=True)
class Handed:
    """One file that a student handed in.

    Attributes:
        student: the name, as far as folder or file tell it
        id: the platform's number of the student, or ""
        file: where it lies, in words
        place: the platform's name of the student's folder, for the way back, or ""
        order: which of several is the newest: number of the copy, then time
    """

    student: str
    id: str
    file: str
    place: str
    order: tuple[int, float]
    read: Callable[[], bytes]

    @property
    def name(self) -> str:
        """The file's own name."""
        return PurePosixPath(self.file).name


def collect(path: Path) -> list[Handed]:
    """Every file of a class that may be a submission, by student, the newest last.

    Raises:
        ValueError: if there is none
    """
    if not path.exists():
        raise ValueError(WORDS["missing"].format(path=path))
    if path.is_dir():
        found = list(_folder(path))
    elif zipfile.is_zipfile(path):
        found = list(_zip(path))
    else:
        found = [_handed(path.name, path.stat().st_mtime, path.read_bytes)]
    if not found:
        raise ValueError(WORDS["none"].format(path=path))
    return sorted(found, key=lambda one: (one.student.casefold(), one.order, one.file))


def _folder(path: Path) -> Iterator[Handed]:
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path).as_posix()
        # a link may lead anywhere
        if file.is_file() and not file.is_symlink() and _meant(inside):
            if len(Path(inside).parts) == 1 and path.suffix != ".ipynb" and zipfile.is_zipfile(file):
                yield from _zip(file)
            else:
                yield _handed(inside, file.stat().st_mtime, file.read_bytes)


def _zip(path: Path) -> Iterator[Handed]:
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    for entry in entries:
        inside = _decoded(entry)
        if _meant(inside):
            year, month, day, hour, minute, second = entry.date_time
            when = float(((((year * 13 + month) * 32 + day) * 24 + hour) * 60 + minute) * 60 + second)
            yield _handed(inside, when, _reader(path, entry))


def _reader(path: Path, entry: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        from course_lib.classroom.grading.notebook import LARGEST

        with zipfile.ZipFile(path) as archive, archive.open(entry) as file:
            return file.read(LARGEST + 1)  # whatever size the entry claims

    return read


def _decoded(entry: zipfile.ZipInfo) -> str:
    """An entry's name; those that don't say that they are UTF-8 often are."""
    name = entry.filename
    if not entry.flag_bits & 0x800:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return name.replace("\\", "/")


def _meant(inside: str) -> bool:
    parts = PurePosixPath(inside).parts
    hidden = any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts)
    return not hidden and NOTEBOOK.search(parts[-1]) is not None


def _handed(inside: str, when: float, read: Callable[[], bytes]) -> Handed:
    """Who handed a file in: the folder says it, else the file's name."""
    inside = unicodedata.normalize("NFC", inside)
    parts = tuple(part for part in PurePosixPath(inside).parts if part not in ("..", "/"))
    copy = COPY.search(parts[-1])
    order = (int(next(filter(None, copy.groups()))) if copy else 0, when)
    known = next((found for part in parts if (found := MOODLE.match(part))), None) or CANVAS.match(parts[-1])
    if known:
        place = next((part for part in parts[:-1] if MOODLE.match(part)), "")
        return Handed(known["name"].strip(), known["id"], inside, place, order, read)
    folders = [part for part in parts[:-1] if part.casefold() not in ("submitted", "submissions")]
    return Handed(folders[0] if folders else _student(parts[-1]), "", inside, "", order, read)


def _student(name: str) -> str:
    """A flat file's student: its name without the exercise, the copy's number and the endings."""
    stem = re.sub(NOTEBOOK, "", COPY.sub("", name))
    return EXERCISE.sub("", stem).strip(" _-") or stem


def make_zip(files: dict[str, str]) -> bytes:
    """A zip of texts."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return made.getvalue()
