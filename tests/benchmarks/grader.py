"""`course grade` beside `nbgrader autograde` on the same notebooks: `python -m tests.benchmarks.grader`.

The notebooks are exercise 3 with each of its six answers right, wrong or missing, as the made-up class has them. Both
graders run as they are started by a teacher, one after the other, a process each. Processor time is that of the whole
machine in the meantime, since a process that nobody waits for hands its time to nobody: let nothing else run. Memory is
the largest sum over the grader's processes of what each has alone and its part of what is shared (proportional set
size), looked at every fifth of a second.
"""

import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import nbformat
import psutil
import typer

from course_lib.classroom.grading.demo import BLANK, RIGHT, SEED, WRONG

ROOT = Path(__file__).parents[2]
EXERCISE = "03_grad_cam_exercise"
GRADE = "from course_lib.classroom.cli import main; main()"


@dataclass(frozen=True)
class Cost:
    """What one run of a grader took: seconds on the clock, seconds of processor, MiB, at so many notebooks."""

    grader: str
    notebooks: int
    seconds: float
    processor: float
    memory: float

    def row(self) -> str:
        each, rate = self.processor / self.notebooks, 60 * self.notebooks / self.seconds
        return f"| {self.grader} | {self.notebooks} | {rate:.0f} | {each:.2f} | {self.memory:.0f} |"


def handed_in(folder: Path, students: int) -> None:
    """Write so many submissions, a folder for each student."""
    source = random.Random(SEED)
    exercise = (ROOT / "exercises" / f"{EXERCISE}.ipynb").read_text("utf-8")
    for number in range(students):
        notebook = nbformat.reads(exercise, 4)
        for cell in notebook.cells:
            marked = cell.metadata.get("nbgrader", {})
            question = re.sub("[_-]answer$", "", marked.get("grade_id", ""))
            if marked.get("solution") and question in RIGHT:
                draw, wrong = source.random(), source.choice(WRONG[question])
                cell.source = RIGHT[question] if draw < 0.65 else wrong if draw < 0.9 else BLANK.format(name=question)
        place = folder / f"student{number:04d}" / EXERCISE
        place.mkdir(parents=True)
        nbformat.write(notebook, place / f"{EXERCISE}.ipynb")


def measured(name: str, command: list[str], folder: Path, notebooks: int) -> Cost:
    """Run a command to its end in this folder, and measure it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    before, start = busy(), time.perf_counter()
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        most, done = [0.0], threading.Event()

        def watch() -> None:
            while not done.wait(0.2):
                most[0] = max(most[0], shared_out(process.pid) / 2**20)

        watcher = threading.Thread(target=watch)
        watcher.start()
        process.wait()
        seconds = time.perf_counter() - start
        done.set()
        watcher.join()
    if process.returncode:
        raise RuntimeError(f"{name} failed:\n{(folder / 'log.txt').read_text()[-2000:]}")
    return Cost(name, notebooks, seconds, busy() - before, most[0])


def busy() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def shared_out(pid: int) -> float:
    total = 0.0
    with suppress(psutil.Error):
        tree = psutil.Process(pid)
        for process in [tree, *tree.children(recursive=True)]:
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total


def ours(folder: Path, students: int) -> Cost:
    """Grade a class of so many with `course grade`."""
    handed_in(folder / "submitted", students)
    command = [sys.executable, "-c", GRADE, "grade", "submitted", "--out", "out", "--quiet"]
    return measured("course grade", command, folder, students)


def nbgrader(folder: Path, students: int) -> Cost:
    """Grade the same class with `nbgrader autograde`, which is handed the exercise first."""
    (folder / "source" / EXERCISE).mkdir(parents=True)
    (folder / "source" / EXERCISE / f"{EXERCISE}.ipynb").write_bytes(
        (ROOT / "exercises" / f"{EXERCISE}.ipynb").read_bytes()
    )
    run = [sys.executable, "-m", "nbgrader"]
    measured("nbgrader", [*run, "generate_assignment", EXERCISE], folder, 1)
    handed_in(folder / "submitted", students)
    return measured("nbgrader autograde", [*run, "autograde", EXERCISE], folder, students)


def main(
    students: Annotated[list[int] | None, typer.Option(help="Sizes of the class for `course grade`.")] = None,
    peer: Annotated[int, typer.Option(help="How many of them nbgrader grades too.")] = 12,
) -> None:
    """Measure both graders, and print a table."""
    rows: list[Cost] = []
    with tempfile.TemporaryDirectory() as folder:
        for count in [peer, *(students or [100, 500, 2000])]:
            (Path(folder) / f"ours{count}").mkdir()
            rows.append(ours(Path(folder) / f"ours{count}", count))
            print(rows[-1].row(), flush=True)
        (Path(folder) / "nbgrader").mkdir()
        rows.append(nbgrader(Path(folder) / "nbgrader", peer))
    print("| grader | notebooks | a minute | processor seconds each | MiB |\n|---|---|---|---|---|")
    print("\n".join(row.row() for row in rows))
    best, other = rows[-2], rows[-1]
    rate = (other.seconds / other.notebooks) / (best.seconds / best.notebooks)
    processor = (best.processor / best.notebooks) / (other.processor / other.notebooks)
    print(f"course grade: {rate:.0f} times as many a minute, at {processor:.3f} of the processor time each.")


if __name__ == "__main__":
    typer.run(main)
