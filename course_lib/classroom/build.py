"""Building a lesson: run its cells, clean the outputs, count its claims, and compare with what is committed."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from tqdm import tqdm

from course_lib.classroom.lesson import Lesson, LessonError

MOST_IMAGE, MOST_NOTEBOOK = 60_000, 400_000
WEIGHTS_FILE = "squeezenet1_0-b66bff10.pth"
"""What torch calls the weights of the real network that cells tagged "pretrained" use."""
WORDS = {
    "cell": "Lesson {name}: cell {id!r} stops with {error}.",
    "stderr": 'Lesson {name}: cell {id!r} writes to stderr: {text!r}. Mend it, or tag the cell "warns".',
    "leak": "Lesson {name}: an output of cell {id!r} holds {what}: {text!r}.",
    "image": "Lesson {name}: a picture of cell {id!r} has {bytes:,} bytes, and {most:,} is the most.",
    "large": "Lesson {name}: the notebook has {bytes:,} bytes, and {most:,} is the most.",
    "claims": "Lesson {name}: these claims were never checked: {ids}.",
    "missing": "{name}: there is no notebook yet; `course build` makes it.",
    "stale": "{name}: source, library or weights have changed since the notebook was built; `course build` mends it.",
    "cells": "{name}: the cells aren't those of the source ({what}); `course build` mends it.",
    "kinds": "{name}: cell {id!r} gives {now}, and the committed notebook has {then}; `course build` mends it.",
    "summary": "{name}: claims checked: {held} of {claims}, {seconds:.0f} s, {megabytes:.0f} MB",
    "kept": "{name}: no pretrained weights here, so these cells keep their committed output: {ids}",
}
PROBE = """
import sys as _s
try:
    import resource as _r
    _m = _r.getrusage(_r.RUSAGE_SELF).ru_maxrss / (1e6 if _s.platform == "darwin" else 1e3)
except ImportError:
    import psutil as _p
    _m = _p.Process().memory_info().peak_wset / 1e6
print(_m)
"""


@dataclass(frozen=True)
class Run:
    """A lesson that has been run: its notebook with clean outputs, what it took, which claims held."""

    lesson: Lesson
    notebook: NotebookNode
    seconds: float
    megabytes: float
    claims: list[str]
    kept: list[str]

    def summary(self) -> str:
        values = {"held": len(self.claims), "claims": len(self.claims)}
        text = WORDS["summary"].format(name=self.lesson.name, seconds=self.seconds, megabytes=self.megabytes, **values)
        return text + (
            "\n" + WORDS["kept"].format(name=self.lesson.name, ids=", ".join(self.kept)) if self.kept else ""
        )


def run(lesson: Lesson, progress: bool = False, folder: Path | None = None) -> Run:
    """Run a lesson from its source in a fresh kernel; nothing is written.

    Args:
        lesson: which
        progress: whether a bar shows the cells
        folder: the kernel's working folder; without it, the notebook's own

    Raises:
        LessonError: for a cell that fails, an output that doesn't belong into a notebook, a claim that isn't reached
    """
    notebook = lesson.cells()
    with pretrained_environment() as environment:
        old = {cell.id: cell for cell in _committed(lesson).cells} if environment is None else {}
        kept = [c.id for c in notebook.cells if c.id in old and "pretrained" in c.metadata.get("tags", [])]
        for cell in notebook.cells:
            if cell.id in kept:
                cell.outputs = old[cell.id].get("outputs", [])
        seconds, megabytes = _execute(lesson, notebook, kept, progress, folder, environment or {})
    _clean(lesson, notebook)
    claims = lesson.claims(notebook)
    printed = "".join(o.text for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "stream")
    unchecked = [id for id in claims if f"claim {id} holds" not in printed]
    if unchecked:
        raise _fault("claims", lesson, ids=", ".join(unchecked))
    return Run(lesson, notebook, seconds, megabytes, claims, kept)


def build(lesson: Lesson, progress: bool = True) -> Run:
    """Run a lesson and write its notebook. Raises LessonError as `run`; then nothing is written."""
    done = run(lesson, progress)
    text = nbformat.writes(done.notebook) + "\n"
    if len(text.encode()) > MOST_NOTEBOOK:
        raise _fault("large", lesson, bytes=len(text.encode()), most=MOST_NOTEBOOK)
    lesson.notebook.write_text(text, "utf-8")
    return done


def check(lesson: Lesson, done: Run | None = None, progress: bool = False) -> list[str]:
    """How the committed notebook differs from what its source gives now: a sentence a fault, none if in step.

    Compares cells, ids, tags, metadata and the stored hash; then the lesson is run (or `done` is taken), and each cell
    must give the same kinds of outputs. Numbers and pictures aren't compared.

    Raises:
        LessonError: as `run`
    """
    if not lesson.notebook.exists():
        return [WORDS["missing"].format(name=lesson.name)]
    wanted, found = lesson.cells(), _committed(lesson)
    faults = []
    if found.metadata.get("course", {}).get("hash") != wanted.metadata["course"]["hash"]:
        faults.append(WORDS["stale"].format(name=lesson.name))
    else:
        if dict(found.metadata) != dict(wanted.metadata):
            faults.append(WORDS["cells"].format(name=lesson.name, what="metadata"))
    for what in ("id", "cell_type", "source", "metadata"):
        if [cell[what] for cell in found.cells] != [cell[what] for cell in wanted.cells]:
            faults.append(WORDS["cells"].format(name=lesson.name, what=what))
    if faults:
        return faults
    done = done or run(lesson, progress)
    for now, then in zip(done.notebook.cells, found.cells, strict=True):
        if _kinds(now) != _kinds(then):
            kinds = {"now": " + ".join(_kinds(now)) or "nothing", "then": " + ".join(_kinds(then)) or "nothing"}
            faults.append(WORDS["kinds"].format(name=lesson.name, id=now.id, **kinds))
    return faults


def _fault(word: str, lesson: Lesson, **values: Any) -> LessonError:
    return LessonError(WORDS[word].format(name=lesson.name, **values))


def _committed(lesson: Lesson) -> NotebookNode:
    there = lesson.notebook.exists()
    notebook: NotebookNode = nbformat.read(lesson.notebook, as_version=4) if there else nbformat.v4.new_notebook()
    return notebook


@contextmanager
def pretrained_environment() -> Iterator[dict[str, str] | None]:
    """What to set so that torchvision finds its real weights: None where there are none on this machine.

    `COURSE_REAL_DIR` names a folder with `weights/squeezenet1_0.pth`; else torch's own folder is looked in.
    """
    folder = os.environ.get("COURSE_REAL_DIR")
    torch_home = Path(os.environ.get("TORCH_HOME", "~/.cache/torch")).expanduser()
    if (torch_home / "hub" / "checkpoints" / WEIGHTS_FILE).exists():
        yield {}
    elif folder and (weights := Path(folder) / "weights" / "squeezenet1_0.pth").exists():
        with tempfile.TemporaryDirectory() as home:
            checkpoints = Path(home) / "hub" / "checkpoints"
            checkpoints.mkdir(parents=True)
            shutil.copy(weights, checkpoints / WEIGHTS_FILE)
            yield {"TORCH_HOME": home}
    else:
        yield None


def _execute(
    lesson: Lesson, notebook: NotebookNode, kept: list[str], progress: bool, folder: Path | None, more: dict[str, str]
) -> tuple[float, float]:
    notebook.cells.append(nbformat.v4.new_code_cell(PROBE, id="memory"))
    resources = {"metadata": {"path": str(folder or lesson.notebook.parent)}}
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources, store_history=True)
    environment = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}
    started = time.perf_counter()
    with client.setup_kernel(env=environment, stderr=subprocess.DEVNULL):
        bar = tqdm(notebook.cells, desc=lesson.name, disable=not progress, unit="cell")
        for place, cell in enumerate(bar):
            if cell.cell_type != "code" or cell.id in kept:
                continue
            try:
                client.execute_cell(cell, place)
            except CellExecutionError as error:
                what = f"{error.ename}: {error.evalue}"
                raise _fault("cell", lesson, id=cell.id, error=what) from None
    seconds = time.perf_counter() - started
    return seconds, float(notebook.cells.pop().outputs[0].text)


def _clean(lesson: Lesson, notebook: NotebookNode) -> None:
    """Leave in the outputs only what is the same on every machine, as far as can be told."""
    number = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        number += 1
        cell.execution_count = number
        cell.metadata.pop("execution", None)
        cell.outputs = _joined(cell.outputs)
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
            if output.get("name") == "stderr" and "warns" not in cell.metadata.get("tags", []):
                raise _fault("stderr", lesson, id=cell.id, text=output.text[:200])
            data = output.get("data", {})
            data.pop("application/vnd.jupyter.widget-view+json", None)
            if "text/html" in data:
                data.pop("text/plain", None)
            _check_output(lesson, cell.id, output)


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    joined: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and joined and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _check_output(lesson: Lesson, id: str, output: NotebookNode) -> None:
    texts = [output.get("text", ""), *(v for v in output.get("data", {}).values() if isinstance(v, str))]
    for text in texts:
        for image in re.findall(r"data:image/[\w+]+;base64,([\w+/=]+)", text):
            if len(image) * 3 // 4 > MOST_IMAGE:
                raise _fault("image", lesson, id=id, bytes=len(image) * 3 // 4, most=MOST_IMAGE)
        plain = re.sub(r"base64,[\w+/=]+", "", text)
        for what, pattern in {
            "a path": "|".join(
                re.escape(str(p)) for p in (lesson.root, Path.home(), tempfile.gettempdir()) if len(str(p)) > 1
            ),
            "an address": r"\b0x[0-9a-f]{8,}",
        }.items():
            if found := re.search(rf"(?:{pattern})[^\n]{{0,40}}", plain):
                raise _fault("leak", lesson, id=id, what=what, text=found[0])
    image = output.get("data", {}).get("image/png", "")
    if len(image) * 3 // 4 > MOST_IMAGE:
        raise _fault("image", lesson, id=id, bytes=len(image) * 3 // 4, most=MOST_IMAGE)


def _kinds(cell: NotebookNode) -> list[str]:
    return [
        output.name
        if output.output_type == "stream"
        else "/".join(sorted(output.get("data", {}))) or output.output_type
        for output in cell.get("outputs", [])
    ]
