"""A notebook as data: its code cells, whichever format it is in and whatever was done to it. Nothing is run."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LARGEST = 200 << 20
WORDS = {
    "large": "The file is larger than {megabytes} MB.",
    "empty": "The file is empty.",
    "html": "This is an HTML page, not a notebook: hand in the file that ends in .ipynb.",
    "pdf": "This is a PDF, not a notebook: hand in the file that ends in .ipynb.",
    "zip": "This is an archive, not a notebook: hand in the file that ends in .ipynb by itself.",
    "json": "The file is damaged and can't be read as a notebook: download it from Jupyter again.",
    "no-cells": "The file is not a notebook: it has no cells.",
}


class NotANotebook(ValueError):
    """What came isn't a notebook; says what it is."""


@dataclass(frozen=True)
class Notebook:
    """The code cells of a notebook, from top to bottom, and the exercise that its metadata names, if any."""

    cells: tuple[str, ...]
    exercise: str = ""

    def functions(self) -> set[str]:
        """Names that are defined or assigned, by their looks."""
        return set(re.findall(r"^(?:def\s+)?([A-Za-z_]\w*)\s*(?:\(|=[^=])", "\n".join(self.cells), re.M))


def read(content: bytes) -> Notebook:
    """The code of a notebook.

    Raises:
        NotANotebook: with the sentence for the learner
    """
    if len(content) > LARGEST:
        raise NotANotebook(WORDS["large"].format(megabytes=LARGEST >> 20))
    start = content[:2000].lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    for key, found in {
        "empty": not start, "html": start.startswith((b"<!doctype", b"<html")), "pdf": start.startswith(b"%pdf"),
        "zip": start.startswith(b"pk\x03\x04")}.items():  # fmt: skip
        if found:
            raise NotANotebook(WORDS[key])
    try:
        data = json.loads(content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"))
    except (ValueError, RecursionError):
        raise NotANotebook(WORDS["json"]) from None
    cells = tuple(_code(data))
    if not cells and not _lists(data):
        raise NotANotebook(WORDS["no-cells"])
    course = _inside(_inside(data, "metadata"), "course")
    exercise = _inside(course, "exercise")
    return Notebook(cells, exercise if isinstance(exercise, str) else "")


def _inside(data: Any, key: str) -> Any:
    return data.get(key) if isinstance(data, dict) else None


def _lists(data: Any) -> list[list[Any]]:
    """Lists of cells: one in format 4, one for each worksheet in format 3."""
    sheets = _inside(data, "worksheets")
    holders = [data, *(sheets if isinstance(sheets, list) else [])]
    return [cells for holder in holders if isinstance(cells := _inside(holder, "cells"), list)]


def _code(data: Any) -> Iterator[str]:
    for cells in _lists(data):
        for cell in cells:
            if _inside(cell, "cell_type") == "code":
                source = cell.get("source", cell.get("input", ""))
                lines = source if isinstance(source, list) else [source]
                # an unpaired surrogate can't be sent on
                text = "".join(line for line in lines if isinstance(line, str))
                yield text.encode("utf-8", "replace").decode("utf-8")
