"""Running a lesson: every cell in a kernel of this very Python, its time and memory measured, its claims counted."""

import ast
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from course_lib.classroom.lesson import Lesson, LessonError, calls
from course_lib.classroom.outputs import code_cells, normalize

PRETRAINED = "pretrained"
"""The tag of a cell that needs weights which aren't shipped."""
PEAK = """
import pathlib, sys, time
print(time.process_time())
status = pathlib.Path("/proc/self/status")
if status.exists():
    print(int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024)
elif sys.platform == "win32":
    import psutil
    print(psutil.Process().memory_info().peak_wset)
else:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
WORDS = {
    "fails": "cell {cell} fails with {error}",
    "died": "the kernel died in cell {cell}, mostly a sign that memory ran out",
    "slow": "cell {cell} took more than {limit} s",
    "litter": "the lesson leaves files in the folder where it is started: {files}",
    "claims": "claims checked: {held} of {total}",
    "measured": "{seconds:.0f} s, {megabytes:.0f} MB",
    "kept": "without {weights}, so the stored outputs stay in {cells}",
}


@dataclass(frozen=True)
class Run:
    """A lesson with its outputs.

    Attributes:
        seconds, processor: by the clock, and what the kernel computed in them (on several threads it may be more)
        held: names of the claims that were checked and hold
        total: how many claims the source makes
        kept: cells that kept their committed outputs, as the weights in `missing` aren't here
    """

    lesson: Lesson
    notebook: NotebookNode
    seconds: float
    processor: float
    megabytes: float
    held: tuple[str, ...]
    total: int
    kept: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line: what held, what it took, and what wasn't run."""
        parts = [WORDS["claims"].format(held=len(self.held), total=self.total), WORDS["measured"].format(**vars(self))]
        if self.kept:
            weights = ", ".join(self.missing) or "COURSE_REAL_DIR"
            parts.append(WORDS["kept"].format(weights=weights, cells=", ".join(self.kept)))
        return ", ".join(parts)


def run_lesson(
    lesson: Lesson, committed: NotebookNode | None = None, progress: bool = True, limit: int = 600,
    vectors: bool = False,
) -> Run:  # fmt: skip
    """Execute a lesson in an empty folder, and normalize what it gives.

    Cells tagged "pretrained" take their outputs from `committed` where their weights are missing. `limit` is the most
    seconds that a cell may take. `vectors`: its figures are SVG, for slides and paper, in place of PNG.

    Raises:
        LessonError: if a cell raises, if the kernel dies, if the lesson leaves files
    """
    notebook = deepcopy(lesson.notebook)
    tagged = [cell for cell in code_cells(notebook) if PRETRAINED in cell.metadata.get("tags", [])]
    names, cached = networks_of(tagged), os.environ.get("COURSE_REAL_DIR")
    missing = tuple(name for name in names if find_weights(name) is None)
    skipped = tagged if missing or not (names or cached) else []
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lesson") as folder, _environment(lesson, Path(folder), names, missing):
        os.environ["COURSE_FIGURES"] = "svg" if vectors else "png"
        apart = {cell.id for cell in skipped}
        processor, megabytes = _execute(lesson, notebook, Path(folder) / "empty", apart, progress, limit)
    seconds = time.monotonic() - start
    old = {cell.id: cell for cell in code_cells(committed)} if committed else {}
    for cell in skipped:
        cell.outputs = deepcopy(old[cell.id].outputs) if cell.id in old else []
    normalize(notebook)
    printed = "".join(o.text for cell in code_cells(notebook) for o in cell.outputs if o.get("name") == "stdout")
    said = re.findall(r"^claim (.+?) holds: ", printed, re.M)
    held = tuple(claim.name for claim in lesson.claims if any(re.fullmatch(claim.pattern, name) for name in said))
    kept = tuple(cell.id for cell in skipped)
    return Run(lesson, notebook, seconds, processor, megabytes, held, len(lesson.claims), kept, missing)


def _execute(
    lesson: Lesson, notebook: NotebookNode, folder: Path, skipped: set[str], progress: bool, limit: int
) -> tuple[float, float]:
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=[*command, "--log-level=ERROR"])

    folder.mkdir()
    peak = nbformat.v4.new_code_cell(PEAK)
    cells = [cell for cell in code_cells(notebook) if cell.id not in skipped]
    working = nbformat.v4.new_notebook(cells=[*cells, peak])
    client = NotebookClient(
        working, AsyncKernelManager(kernel_spec_manager=ThisPython()), resources={"metadata": {"path": str(folder)}},
        timeout=limit, record_timing=False, store_widget_state=False, coalesce_streams=True,
        shutdown_kernel="immediate",
    )  # fmt: skip
    cell = cells[0] if cells else peak
    try:
        with (
            client.setup_kernel(cleanup_kc=True),  # ends the kernel, which may hold 1.5 GB, also if it was given
            tqdm(cells, lesson.name, unit="cell", disable=not progress, leave=False) as bar,
        ):
            for number, cell in enumerate(bar):
                client.execute_cell(cell, number)
            client.execute_cell(peak, len(cells))
    except CellExecutionError as error:
        first = (error.evalue.strip().splitlines() or [""])[0]
        raise LessonError(WORDS["fails"].format(cell=cell.id, error=f"{error.ename}: {first}")) from None
    except DeadKernelError:
        raise LessonError(WORDS["died"].format(cell=cell.id)) from None
    except CellTimeoutError:
        raise LessonError(WORDS["slow"].format(cell=cell.id, limit=limit)) from None
    if left := sorted(path.name for path in folder.iterdir()):
        raise LessonError(WORDS["litter"].format(files=", ".join(left)))
    processor, peak_bytes = map(float, peak.outputs[0].text.split())
    return processor, peak_bytes / 1e6


@contextmanager
def _environment(lesson: Lesson, folder: Path, names: set[str], missing: tuple[str, ...]) -> Iterator[None]:
    """What the kernel inherits: this library, nobody's own start-up files, weights where torch looks."""
    before = dict(os.environ)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), before.get("PYTHONPATH")]))
    os.environ["IPYTHONDIR"] = str(folder / "ipython")
    if names and not missing:
        checkpoints = folder / "torch" / "hub" / "checkpoints"
        checkpoints.mkdir(parents=True)
        os.environ["TORCH_HOME"] = str(folder / "torch")
        for name in names:
            shutil.copy(find_weights(name) or "", checkpoints / _file_name(name))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def networks_of(cells: list[NotebookNode]) -> set[str]:
    """The names with which cells call `pretrained`."""
    arguments = [call.args[0] for cell in cells for call in calls(cell, "pretrained") if call.args]
    return {one.value for one in arguments if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def find_weights(name: str) -> Path | None:
    """The weights of one of torchvision's networks: what COURSE_REAL_DIR or torch's own cache holds, or None."""
    import torch

    real = os.environ.get("COURSE_REAL_DIR")
    places = [Path(real) / "weights" / f"{name}.pth"] if real else []
    places.append(Path(torch.hub.get_dir()) / "checkpoints" / _file_name(name))
    return next((place for place in places if place.is_file()), None)


def _file_name(name: str) -> str:
    import torchvision

    return str(torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].url.rsplit("/", 1)[1])
