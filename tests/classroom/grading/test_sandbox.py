"""Faults and attacks: no point that isn't earned, no earned one lost, nobody else touched, and a sentence for each.

Each is a made-up student's notebook; all are graded in one run, as the user of the tests and as an unprivileged one.
"""

import csv
import importlib
import inspect
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from course_lib.classroom.grading.demo import ANSWERED, BLANK, HEAD, NAMES, RIGHT, make_class, notebook
from course_lib.classroom.grading.judge import exercises
from course_lib.classroom.grading.sandbox import LIBRARY, _python_folders

pytestmark = pytest.mark.full
NOBODY = 65534
AS_NOBODY = """
import ctypes, os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
from course_lib.classroom.cli import main
main(sys.argv[1:])
"""
GRADE = "import sys; from course_lib.classroom.cli import main; main(sys.argv[1:])"


def need_sandbox() -> None:
    """In CI a missing sandbox fails; elsewhere the test is skipped, and says so."""
    if not shutil.which("bwrap") and os.environ.get("CI") != "true":
        pytest.skip("bubblewrap isn't installed: apt-get install bubblewrap")


def command(user: str, folder: Path, *arguments: str) -> list[str]:
    """The grader's command line, as this user or, in a view of the system that it can read, as nobody."""
    if user == "this user":
        return [sys.executable, "-c", GRADE, "grade", *arguments]
    root = LIBRARY.parent
    view = ["--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc", "--bind", "/proc", "/proc", "--dev-bind", "/dev"]
    view += ["/dev", "--perms", "1777", "--tmpfs", "/tmp"]
    for name in ("lib", "lib64", "bin"):
        view += ["--symlink", f"usr/{name}", f"/{name}"] if Path("/", name).is_symlink() else []
    folders = [root, *(path.resolve() for path in _python_folders() if not path.resolve().is_relative_to(root))]
    parents = {parent for path in [*folders, folder] for parent in path.parents}
    for parent in sorted(parents - {Path("/"), Path("/tmp")}):
        view += ["--perms", "0755", "--dir", str(parent)]
    for path in folders:
        view += ["--ro-bind", str(path), str(path)]
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
    caps = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    bubble = ["bwrap", *caps, *view, "--bind", str(folder), str(folder), "--die-with-parent"]
    return [*bubble, sys.executable, "-c", AS_NOBODY, "grade", *arguments]


def run(user: str, folder: Path, *arguments: str, seconds: float = 400) -> "subprocess.CompletedProcess[str]":
    """Run the grader to its end."""
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY.parent)}
    return subprocess.run(
        command(user, folder, *arguments), env=environment, capture_output=True, text=True, timeout=seconds
    )


ANSWERS = [*ANSWERED]
STUBBORN = """
while True:
    try:
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
    except BaseException:  # a signal that comes just after the one before
        pass
"""


def indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


def function(body: str) -> str:
    return f"def alpha(gradients):\n{indented(body)}"


def with_alpha(body: str) -> str:
    """A right notebook but for alpha, which is worth 2 of the 20 points."""
    return notebook([*ANSWERS[:1], function(body), *ANSWERS[2:]])


def after(cell: str) -> str:
    """A right notebook with a cell before and after its answers."""
    return notebook([HEAD, cell, *ANSWERS[1:], cell])


def older_format() -> str:
    cells = [{"cell_type": "code", "input": source.splitlines(True), "language": "python"} for source in ANSWERS]
    return json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]})


def huge_outputs() -> str:
    made = json.loads(notebook(ANSWERS))
    made["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 30_000_000}]
    return json.dumps(made)


def another_kernel() -> str:
    made = json.loads(notebook(ANSWERS))
    made["metadata"] = {"kernelspec": {"name": "julia-1.9", "display_name": "Julia"}}
    return json.dumps(made)


LOOK = """
import os
for folder, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if name not in ("usr", "site-packages")]  # large, and the same for all
    for name in names:
        if name.startswith(("q03", "gradebook")) or name.endswith((".ipynb", "_solution.py", "grades.csv")):
            raise RuntimeError("found " + name)
return gradients
"""
FORGE = """
import os, struct
for number in range(3, 200):
    try:
        os.write(number, struct.pack("<I", 9) + b"[{}, [-1]]")
    except OSError:
        pass
return gradients.mean((2, 3))
"""
CONNECT = """
import socket
for address in (("127.0.0.1", 22), ("1.1.1.1", 53)):
    try:
        socket.create_connection(address, 1)
        raise RuntimeError("found a network")
    except OSError:
        pass
return gradients
"""
UNCOVER = """
import ctypes, os
libc = ctypes.CDLL(None)
if not libc.umount2(b"/proc", 2) or os.listdir("/proc"):
    raise RuntimeError("found processes")
for place in ("/left", "/usr/left", "/course/left", "/dev/left"):
    try:
        open(place, "w")
        raise RuntimeError("found a place to write")
    except OSError:
        pass
for place in ("/tmp", "/dev/shm"):
    if os.path.exists(place + "/left") and not hasattr(alpha, "called"):
        raise RuntimeError("found what another one left")
    open(place + "/left", "w")
alpha.called = True
return gradients
"""
EQUAL = """
class Equal:
    def __eq__(self, other): return True
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
return Equal()
"""
CASES = {
    # faults: nothing earned is lost
    "right": (notebook(ANSWERS), 20, "Right"),
    "blank": (notebook([HEAD, *(BLANK.format(name=name) for name in RIGHT)]), 0, "Not attempted yet"),
    "copied": (notebook([*ANSWERS, *(BLANK.format(name=name) for name in RIGHT)]), 20, "Right"),
    "reordered": (notebook(ANSWERS[::-1]), 20, "Right"),
    "first cell gone": (notebook(ANSWERS[1:]), 20, "Right"),
    "an answer gone": (notebook([HEAD, *ANSWERS[2:]]), 18, "no function called alpha"),
    "renamed": (
        notebook([a.replace("def alpha(", "def alfa(") for a in ANSWERS]),
        18, "no function called alpha in this notebook; the nearest"),
    "helper below": (notebook([HEAD, "two = HELP", *ANSWERS[1:], "HELP = 2"]), 20, "Right"),
    "another kernel": (another_kernel(), 20, "Right"),
    "format 3": (older_format(), 20, "Right"),
    "huge outputs": (huge_outputs(), 20, "Right"),
    "no Python": (after("this is not Python ("), 20, "Right"),
    "magics": (after("%matplotlib inline\n!pip install nothing\nx = 1"), 20, "Right"),
    "broken": (notebook(ANSWERS)[:500], 0, "damaged"),
    "another notebook": (notebook(["x = 1"]), 0, "no function called alpha"),
    "an HTML page": ("<!DOCTYPE html><html></html>", 0, "HTML page"),
    "exit": (after("import sys\nsys.exit(1)"), 20, "Right"),
    "hard exit": (after("import os\nos._exit(0)"), 20, "only the definitions were run"),
    "killed": (after("import os\nos.kill(os.getpid(), 9)\nos.kill(os.getppid(), 9)\nos.abort()"), 20, "Right"),
    "all killed": (after("import os\nos.kill(-1, 9)"), 20, "Right"),
    "crash": (after("import ctypes\nctypes.string_at(0)"), 20, "only the definitions were run"),
    "endless cell": (notebook([*ANSWERS, "while True:\n    pass"]), 20, "longer than 5 seconds"),
    "stubborn cell": (notebook([*ANSWERS, STUBBORN]), 20, "only the definitions were run"),
    "endless function": (with_alpha("while True:\n    pass"), 18, "a loop that never ends"),
    "stubborn function": (with_alpha(STUBBORN), 18, "a loop that never ends"),
    "no alarm": (
        with_alpha("import signal\nsignal.setitimer(signal.ITIMER_REAL, 0)\nwhile True:\n    pass"),
        18, "a loop that never ends"),
    "ends in a function": (with_alpha("import os\nos._exit(0)"), 18, "ended Python itself"),
    "flood": (after("for _ in range(200_000):\n    print('flood' * 100)"), 20, "Right"),
    "memory in a cell": (after("hog = []\nwhile True:\n    hog.append(bytearray(1 << 26))"), 20, "Right"),
    "memory in a function": (with_alpha("return torch.ones(1 << 34)"), 18, "Your code raised"),
    "disk": (after("file = open('big', 'wb')\nwhile True:\n    file.write(bytes(1 << 20))"), 20, "Right"),
    "fork bomb": (after("import os\nwhile True:\n    os.fork()"), 20, "Right"),
    "raises": (with_alpha("raise KeyError('own line')"), 18, "In your line 2"),
    # attacks: nothing unearned is got
    "equal to everything": (with_alpha(EQUAL), 18, "and returned Equal"),
    "patched": (after("torch.allclose = torch.equal = lambda *a, **k: True\ndef alpha(g):\n    return g"), 18, "shape"),
    "forged": (with_alpha(FORGE), 18, "came back"),
    "looks for answers": (with_alpha(LOOK), 18, "shape"),
    "network": (with_alpha(CONNECT), 18, "shape"),
    "leaves things": (with_alpha(UNCOVER), 18, "shape"),
    "leaves things, again": (with_alpha(UNCOVER), 18, "shape"),
    "asks the questions": (
        with_alpha("from course_lib.classroom.questions import find\nreturn find('alpha').reference(gradients)"),
        18, "course's own function"),
    "borrowed": (
        notebook([*ANSWERS, "del alpha\nfrom course_lib.methods.cam import grad_cam_weights as alpha"]),
        18, "course's own function"),
    "huge value": (with_alpha("return torch.ones(20_000_000)"), 18, "should return a tensor"),
    "nested value": (
        with_alpha("deep = []\nfor _ in range(50):\n    deep = [deep]\nreturn deep"), 18, "nested too deeply"),
    "unpickled": (
        with_alpha("class P:\n    def __reduce__(self): return (exit, ())\nreturn P()"), 18, "and returned P"),
}  # fmt: skip


@pytest.fixture(scope="module", params=["this user", "nobody"])
def graded(request, tmp_path_factory):
    need_sandbox()
    if request.param == "nobody" and os.getuid() != 0:
        return None
    folder = tmp_path_factory.mktemp("class")
    for name, (text, _, _) in CASES.items():
        place = folder / "submissions" / name
        place.mkdir(parents=True)
        (place / "03_grad_cam_exercise.ipynb").write_text(text, "utf-8")
    out = folder / "out"
    out.mkdir()
    done = run(request.param, folder, str(folder / "submissions"), "--out", str(out), "--quiet")
    assert done.returncode == 0, done.stderr[-2000:]
    rows = {row["student"]: row for row in csv.DictReader((out / "grades.csv").open(encoding="utf-8"))}
    pages = {name: (out / "feedback").glob(f"{re.sub(r'[^a-zA-Z0-9_]+', '_', name)}_*") for name in CASES}
    return rows, {name: "".join(path.read_text("utf-8") for path in found) for name, found in pages.items()}


@pytest.mark.parametrize("name", CASES)
def test_points_and_sentence(graded, name):
    if graded is None:
        return  # the tests' own user is no root: it was the unprivileged one
    rows, pages = graded
    _, points, sentence = CASES[name]
    words = re.sub(r"&#x27;", "'", pages[name])
    assert (int(rows[name]["points"]), sentence in words) == (points, True), words[words.find("<main>") :][:3000]


# ------------------------------------------------------------------------------------------------ known mistakes

PLAIN = """
class Mistake:
    def __init__(self, name, answer, hint): self.answer = answer
class Question:
    def __init__(self, **facts): self.__dict__.update(facts)
class Pictures:
    def __getattr__(self, name): return lambda *a, **k: None
pictures = Pictures()
"""


def as_cell(exercise: str) -> str:
    """A module of questions as a learner's cell: with classes of its own, and pictures that aren't drawn."""
    package = "course_lib.classroom.questions"
    source = inspect.getsource(importlib.import_module(f"{package}.q{exercise}"))
    if f"{package}.kinds" in source:
        source = inspect.getsource(importlib.import_module(f"{package}.kinds")) + source
    source = re.sub(rf"^from {package}(\.kinds)? import .*$", "", source, flags=re.M)
    return PLAIN + source


def test_each_registered_mistake_loses_its_points_and_is_named(tmp_path):
    """In an exercise's n-th notebook each answer is the n-th mistake, and where there are no more, the reference."""
    need_sandbox()
    most = {name: max(len(question.mistakes) for question in asked) for name, asked in exercises().items()}
    for exercise in exercises():
        for number in range(most[exercise] + 1):
            nth = f"([m.answer for m in q.mistakes] + [q.reference] * 99)[{number}]"
            last = f"for q in space['QUESTIONS']:\n    globals()[q.name] = {nth}"
            place = tmp_path / "in" / f"{exercise} {number:02d}"
            place.mkdir(parents=True)
            cells = [f"space = {{}}\nexec({as_cell(exercise)!r}, space)", last]
            (place / f"{exercise}.ipynb").write_text(notebook(cells), "utf-8")
    done = run("this user", tmp_path, str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--quiet")
    assert done.returncode == 0, done.stderr[-2000:]
    base = sqlite3.connect(tmp_path / "out" / "gradebook.sqlite")
    rows = base.execute("SELECT student, question, points, mistake FROM verdicts")
    found = {(student, question): (points, mistake) for student, question, points, mistake in rows}
    wanted = {}
    for exercise, asked in exercises().items():
        for question in asked:
            right = [(0 if question.by_hand else question.points, "")] * (most[exercise] + 1)
            all_of = [*((0, mistake.name) for mistake in question.mistakes), *right]
            wanted |= {(f"{exercise} {n:02d}", question.name): all_of[n] for n in range(most[exercise] + 1)}
    assert found == wanted


def test_every_solution_has_full_marks_and_every_blank_exercise_none(tmp_path):
    """The notebooks as they are handed out, unchanged; what a person reads waits for that person."""
    need_sandbox()
    root = Path(__file__).parents[3]
    for exercise in exercises():
        files = {"solution": f"solutions/{exercise}_solution", "blank": f"exercises/{exercise}_exercise"}
        for student, source in files.items():
            place = tmp_path / "in" / student
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / f"{source}.ipynb", place)
    done = run("this user", tmp_path, str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--quiet")
    assert "18 graded" in done.stdout, done.stderr[-2000:]
    rows = csv.DictReader((tmp_path / "out" / "grades.csv").open(encoding="utf-8"))
    found = {(row["student"], row["exercise"]): (int(row["points"]), int(row["of"])) for row in rows}
    for exercise, asked in exercises().items():
        most, waits = sum(q.points for q in asked), sum(q.points for q in asked if q.by_hand)
        assert found["solution", exercise] == (most - waits, most)
        assert found["blank", exercise] == (0, most)


# ------------------------------------------------------------------------------------------------ a whole class


def rows_of(out: Path) -> set[tuple[object, ...]]:
    base = sqlite3.connect(out / "gradebook.sqlite", timeout=30)
    try:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        halves = "SELECT count(*) FROM verdicts GROUP BY student HAVING count(*) <> 6"
        tables = {name for (name,) in base.execute("SELECT name FROM sqlite_master")}
        assert "verdicts" not in tables or base.execute(halves).fetchall() == []
        return set(base.execute("SELECT rowid, student, hash FROM graded")) if "graded" in tables else set()
    finally:
        base.close()


FORKED = """
import os, signal, sys
from course_lib.classroom.cli import main
from course_lib.classroom.grading import demo, grade  # once for all, which is most of a start
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        sys.stdout = sys.stderr
        main(sys.argv[1:])
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Starts a grader for each line that comes in; says its process, and how it ended."""


def test_a_grader_that_is_killed_at_any_moment_goes_on_where_it_was(tmp_path):
    need_sandbox()
    submissions, _ = make_class(tmp_path)
    extra = 150
    for copy in range(extra):
        place = submissions / f"copy {copy}"
        place.mkdir()
        (place / "03_grad_cam_exercise.ipynb").write_text(notebook(ANSWERED), "utf-8")
    out = tmp_path / "out"
    line = [sys.executable, "-c", FORKED, "grade", str(submissions), "--out", str(out), "--quiet", "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY.parent)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    source, seen, killed, grown, ready = random.Random(7), set(), set(), 0, 0.0
    with subprocess.Popen(line, **pipes) as starter:

        def start() -> str:
            starter.stdin.write("start\n")
            starter.stdin.flush()
            return starter.stdout.readline().strip()

        for _ in range(20):
            process, started = start(), time.monotonic()
            if not ready:  # the first one is killed at its first result, which says how long a start takes
                while not (out / "gradebook.sqlite").exists() or not rows_written(out):
                    time.sleep(0.05)
                ready = time.monotonic() - started
            time.sleep(source.uniform(0, 2 * ready))
            with suppress(ProcessLookupError):  # it has ended
                os.kill(int(process), signal.SIGKILL)
            assert starter.stdout.readline().strip() in ("-9", "0")
            killed.add(process)
            now = rows_of(out)
            assert seen <= now  # nothing lost, and nothing written a second time
            grown, seen = grown + (now > seen), now
        start()
        assert starter.stdout.readline().strip() == "0"
        starter.stdin.close()
    assert seen <= rows_of(out) and len(rows_of(out)) == 30 + extra
    left = {path.name.split("-")[2] for path in Path(tempfile.gettempdir()).glob("course-grade-*")}
    assert not left & killed  # nor is anything of theirs left behind
    assert grown > 1  # it was killed while it graded, and not only before


def rows_written(out: Path) -> bool:
    """Whether a verdict is in a gradebook, which another process has locked."""
    return b"killing_input" in (out / "gradebook.sqlite").read_bytes()


@pytest.mark.measures
def test_the_demo_and_its_speed(tmp_path, capsys):
    need_sandbox()
    done = run("this user", tmp_path, "--demo", "--out", str(tmp_path / "out"), "--quiet")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "30 graded, 0 known already, 2 missing" in done.stdout
    again = run("this user", tmp_path, "--demo", "--out", str(tmp_path / "out"), "--quiet")
    assert "0 graded, 30 known already, 2 missing" in again.stdout
    assert len([*(tmp_path / "out" / "feedback").glob("*.html")]) == len(NAMES)

    for number in range(200):
        place = tmp_path / "many" / str(number)
        place.mkdir(parents=True)
        (place / "03_grad_cam_exercise.ipynb").write_text(notebook(ANSWERS), "utf-8")
    rates = [0.0]
    for out in ("fast", "faster"):  # the second time only if other work was in the way
        if rates[-1] < 250:
            start = time.monotonic()
            done = run("this user", tmp_path, str(tmp_path / "many"), "--out", str(tmp_path / out), "--quiet")
            rates.append(200 / (time.monotonic() - start) * 60)
            assert "200 graded" in done.stdout
    with capsys.disabled():
        print(f"\ncourse grade: {max(rates):.0f} submissions a minute, the start included")
    assert max(rates) > 250


def test_without_bubblewrap_it_says_so_and_grades_only_when_told_to(tmp_path, monkeypatch):
    submissions, _ = make_class(tmp_path)
    for place in sorted(submissions.iterdir())[2:]:
        (place / "03_grad_cam_exercise.ipynb").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    arguments = (str(submissions), "--out", str(tmp_path / "out"), "--quiet")
    done = run("this user", tmp_path, *arguments)
    assert done.returncode == 2 and "no sandbox here (bubblewrap isn't installed)" in done.stderr
    done = run("this user", tmp_path, *arguments, "--unsandboxed")
    assert done.returncode == 0 and "2 graded" in done.stdout and "runs as you" in done.stderr
