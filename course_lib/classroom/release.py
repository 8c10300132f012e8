"""What is handed to a class: lessons, exercises, and the library with its checks; no solutions, no tests, no decks."""

import re
import shutil
from pathlib import Path

HANDED = ("LICENSE", "CITATION.cff", "pyproject.toml", "environment.yml", ".gitignore", "notebooks/*.ipynb",
          "notebooks/source/*.png", "exercises/*.ipynb", "course_lib/**/*")  # fmt: skip
FOR_TEACHERS = ("Working with it", "Teach with it", "Grading a class")
"""Sections of the README that a class doesn't get."""
WORDS = {
    "full": "{folder} isn't empty: name a new folder for what is handed out.",
    "inside": "{folder} lies in a folder of the course: name one outside {part}.",
}


def release(root: Path, folder: Path) -> list[str]:
    """Copy what a class gets from the course's folder into a new one; the names of the files, sorted.

    Raises:
        ValueError: if the folder has something in it, or lies in what is copied
        OSError: if it can't be written to
    """
    folder, root = folder.expanduser().resolve(), root.resolve()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ValueError(WORDS["full"].format(folder=folder))
    for part in ("course_lib", "notebooks", "exercises"):
        if folder.is_relative_to(root / part):
            raise ValueError(WORDS["inside"].format(folder=folder, part=part))
    found = [path for pattern in HANDED for path in root.glob(pattern) if path.is_file()]
    names = sorted(path.relative_to(root).as_posix() for path in found if "__pycache__" not in path.parts)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, folder / name)
    text = for_a_class((root / "README.md").read_text("utf-8"), {*names, *(name.split("/")[0] + "/" for name in names)})
    (folder / "README.md").write_text(text, "utf-8")
    return sorted([*names, "README.md"])


def for_a_class(readme: str, names: set[str]) -> str:
    """A README without the sections for teachers, and without links to what isn't handed out.

    >>> for_a_class("# A\\n\\nAnd [answers](solutions/).\\n\\n## Teach with it\\n\\nx\\n\\n## Credit\\n", {"LICENSE"})
    '# A\\n\\nAnd answers.\\n\\n## Credit\\n'
    """
    head, *sections = re.split(r"^(?=## )", readme, flags=re.M)
    kept = [head, *(part for part in sections if part[3:].splitlines()[0] not in FOR_TEACHERS)]
    link = re.compile(r"\[([^\]]+)\]\(([^):]+)\)")
    return link.sub(lambda found: found[0] if found[2] in names else found[1], "".join(kept))
