"""What a notebook may keep of its outputs: the same on every machine, and small."""

import base64
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

MOST_FIGURE, MOST_NOTEBOOK = 60_000, 400_000
"""Bytes of one picture, and of a notebook."""
YOURS = "yours"
"""The tag of a cell that describes the reader's own computer: its outputs are not stored."""
WIDGET = "application/vnd.jupyter.widget-view+json"
WORDS = {
    "stderr": 'writes to stderr ("{text}"); mend the cause, or tag the cell "warns" where the warning is its point',
    "widget": "shows a widget that leaves nothing in a page without a kernel: give it a text/html fallback",
    "path": "shows a path of this machine: {text}",
    "timing": 'shows a time ("{text}"), which no other run gives again',
    "figure": "has a picture of {size:.0f} kB, and {most:.0f} are allowed: make it smaller, or use fewer colours",
    "notebook": "the notebook has {size:.0f} kB, and {most:.0f} are allowed; most of them are in cell {cell}",
}


def normalize(notebook: NotebookNode) -> None:
    """Take out of a notebook's outputs what isn't the same in the next run or needs a kernel, in place."""
    notebook.metadata.pop("widgets", None)
    for number, cell in enumerate(code_cells(notebook), 1):
        cell.execution_count = number
        cell.metadata.pop("execution", None)
        if YOURS in cell.metadata.get("tags", []):
            cell.outputs = []
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = number
            if "text" in output:
                output.text = _without_addresses(output.text)
            data = output.get("data", {})
            for mime in [mime for mime in data if mime.startswith("text/")]:
                data[mime] = _without_addresses(data[mime])
            if "text/html" in data:  # what every page shows, with or without a kernel
                data.pop(WIDGET, None)
                data.pop("text/plain", None)


def _without_addresses(text: str) -> str:
    return re.sub(r" at 0x[0-9a-fA-F]{6,}", "", text)


def faults(notebook: NotebookNode, root: Path, sizes: bool = True) -> Iterator[str]:
    """What is wrong with a notebook's outputs, a sentence each; `sizes` are limited in what is committed."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            for key, facts in _output_faults(cell, output, [root, Path.home(), Path(tempfile.gettempdir())]):
                if sizes or key != "figure":
                    yield f"cell {cell.id} {WORDS[key].format(**facts)}"
    size = len(nbformat.writes(notebook).encode())
    if sizes and size > MOST_NOTEBOOK:
        largest = max(notebook.cells, key=lambda cell: len(str(cell)))
        yield WORDS["notebook"].format(size=size / 1000, most=MOST_NOTEBOOK / 1000, cell=largest.id)


def _output_faults(
    cell: NotebookNode, output: NotebookNode, folders: Iterable[Path]
) -> Iterator[tuple[str, dict[str, Any]]]:
    if output.get("name") == "stderr" and "warns" not in cell.metadata.get("tags", []):
        yield "stderr", {"text": output.text.strip().splitlines()[-1][:100] if output.text.strip() else ""}
    if WIDGET in output.get("data", {}):
        yield "widget", {}
    for mime, content in output.get("data", {"text/plain": output.get("text", "")}).items():
        sizes = []
        if mime.startswith("image/"):
            sizes = [len(content.encode() if mime == "image/svg+xml" else base64.b64decode(content))]
        elif isinstance(content, str):
            urls = re.findall(r"data:image/[\w.+-]+;base64,([A-Za-z0-9+/=]+)", content)
            sizes = [len(base64.b64decode(url)) for url in urls]
            text = re.sub(r"[A-Za-z0-9+/=]{200,}", "", content)  # what is encoded may hold any word by chance
            if path := _leaked_path(text, folders):
                yield "path", {"text": path}
            if time := re.search(r"(?:Wall time|CPU times): .*|\d+(?:\.\d+)? ?it/s", text):
                yield "timing", {"text": time[0][:60]}
        for size in sizes:
            if size > MOST_FIGURE:
                yield "figure", {"size": size / 1000, "most": MOST_FIGURE / 1000}


def _leaked_path(text: str, folders: Iterable[Path]) -> str | None:
    names = {str(folder) for folder in (*folders, Path(sys.prefix)) if len(folder.parts) > 1}
    names |= {name.replace("\\", "/") for name in names} | {name.replace("\\", "\\\\") for name in names}
    found = re.search(rf"(?<![\w.])(?:{'|'.join(map(re.escape, names))})(?!\w)[^\s\"'<>]*", text)
    return found[0] if found else None


def kinds(cell: NotebookNode) -> list[str]:
    """What a cell gives: the name of a stream or the mime types, output by output."""
    return [output.get("name") or " + ".join(sorted(output.get("data", {"error": 0}))) for output in cell.outputs]


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that are executed."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]
