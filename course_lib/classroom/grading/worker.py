"""The untrusted side: imports what is slow once, then forks for each submission and runs its code in that fork.

It runs inside the sandbox on a copy of the library that holds neither answers nor the course's own methods.
"""

import ast
import ctypes
import importlib
import linecache
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np
import sympy
import torch

from course_lib.classroom.grading import wire

NOBODY = 65534
NEW_NAMESPACES = 0x20000 | 0x10000000 | 0x20000000 | 0x08000000  # mounts, user, processes, messages
WARM = ("course_lib.networks", "matplotlib.pyplot", "scipy.ndimage", "torch.nn.functional", "torchvision")
CALL_SECONDS, CELL_SECONDS = 4.0, 5.0
FILE_BYTES, PROCESSES, DESCRIPTORS = 32 << 20, 48, 128
PRELUDE = (
    "import math\nimport matplotlib.pyplot as plt\nimport numpy as np\nimport sympy\nimport sympy as sp\nimport torch\n"
    "import torch.nn.functional as F\nfrom torch import Tensor, nn\n"
    "from course_lib.classroom.questions.material import *\n"
    "from course_lib.networks.architectures import GapNetwork\n"
)
"""Names that an exercise's first cell gives, in case that cell is gone."""


class Endless(BaseException):
    """Stops a cell or a call; no `except Exception` catches it."""


class Borrowed(BaseException):
    """The course's own function was called in place of an answer."""


# ------------------------------------------------------------------------------- stand-ins for what isn't here


class _Borrowable:
    """Stands for anything of the library that a learner's code may name, and may not use."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        raise Borrowed

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


class _StandIns:
    """Finds a module of stand-ins for each module that the sandbox's copy of the library lacks."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        self.missing = missing

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.startswith(self.missing) else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return _with_stand_ins(types.ModuleType(spec.name))

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to do."""


def _with_stand_ins(module: types.ModuleType) -> types.ModuleType:
    quiet = module.__name__ == "course_lib.classroom.check"
    anything: Any = (lambda *arguments, **named: _Checked()) if quiet else _Borrowable()

    def find(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return anything

    module.__getattr__ = find  # type: ignore[method-assign]
    return module


class _Checked:
    points = 0


# ------------------------------------------------------------------------------- a notebook's code


class _Shell:
    """What a cell's magics reach: nothing, but the code below `%%time` and its like is run."""

    def __init__(self, space: dict[str, Any]) -> None:
        self.space = space

    def run_cell_magic(self, name: str, line: str, cell: str) -> None:
        if name in ("time", "timeit", "capture", "prun"):
            exec(compile(cell, "cell", "exec"), self.space)

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: None


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: Any) -> None:
        raise Endless

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        yield
    finally:
        with suppress(Endless):
            signal.setitimer(signal.ITIMER_REAL, 0)


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        return ast.parse(TransformerManager().transform_cell(source))  # type: ignore[no-untyped-call]


def _definitions(tree: ast.Module) -> None:
    """Keep what defines, and drop what does something."""
    keep = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    tree.body = [node for node in tree.body if isinstance(node, keep)]


def _is_blank(node: ast.FunctionDef) -> bool:
    last = node.body[-1]
    return isinstance(last, ast.Raise) and "NotImplementedError" in ast.dump(last)


def run_cells(cells: list[str], wanted: list[str], definitions_only: bool) -> tuple[dict[str, Any], list[str], bool]:
    """Run a notebook's cells, each for itself, whatever the others do.

    Returns:
        the names they leave behind; the functions they define; whether a cell was stopped for its time. A blank
        definition of a wanted function doesn't replace an attempted one, whichever of the two comes first.
    """
    space: dict[str, Any] = {"__name__": "__main__", "display": lambda *arguments, **named: None, "input": _no_input}
    space["get_ipython"] = lambda: _Shell(space)
    with suppress(Exception):
        exec(PRELUDE, space)
    trees, defined, attempted = [], [], set()
    for number, source in enumerate(cells, 1):
        name = f"cell {number}"
        try:
            tree = _parsed(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            continue
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        if definitions_only:
            _definitions(tree)
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        defined += [node.name for node in functions]
        attempted |= {node.name for node in functions if node.name in wanted and not _is_blank(node)}
        trees.append((name, tree))
    again, slow = [], False
    for name, tree in trees:
        blanks = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in attempted and _is_blank(n)]
        tree.body = [node for node in tree.body if node not in blanks]
        error = _run(tree, name, space)
        if isinstance(error, NameError):  # perhaps its cell comes later
            again.append((name, tree))
        slow |= isinstance(error, Endless)
    for name, tree in again:
        _run(tree, name, space)
    return space, defined, slow


def _no_input(*arguments: Any) -> str:
    raise EOFError("there is nobody to ask")


def _run(tree: ast.Module, name: str, space: dict[str, Any]) -> BaseException | None:
    own = os.getpid()
    try:
        with _limited(CELL_SECONDS):
            exec(compile(tree, name, "exec", dont_inherit=True), space)
    except BaseException as error:  # SystemExit and KeyboardInterrupt as well: the next cell is another one
        return error
    finally:
        _end_copies(own)
    return None


def _end_copies(own: int) -> None:
    """A process that the learner's code forked must not go on as a second grader of the same notebook."""
    if os.getpid() != own:
        os._exit(0)


def call(space: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    """Call a function on the arguments that a case makes; what it gave, or what it raised."""
    function = space.get(message["call"])
    if not callable(function):
        return {"missing": True}
    own = os.getpid()
    try:
        arguments = tuple(message["case"])
        material = importlib.import_module("course_lib.classroom.questions.material")
        if message["prepare"]:
            arguments = getattr(material, message["prepare"])(*arguments)
        with torch.enable_grad(), _limited(CALL_SECONDS):
            given = function(*arguments)
            if message["back"]:
                given = getattr(material, message["back"])(given, *message["case"])
            return {"value": _plain(given)}
    except BaseException as error:
        return _raised(error)
    finally:
        _end_copies(own)


def _plain(value: Any) -> Any:
    """One of numpy's numbers, or of sympy's, as Python's."""
    if type(value) in (tuple, list):
        return type(value)(_plain(part) for part in value)
    if isinstance(value, np.generic):
        return value.item()
    return float(value) if isinstance(value, sympy.Basic) and getattr(value, "is_number", False) else value


def _raised(error: BaseException) -> dict[str, Any]:
    reply: dict[str, Any] = {"error": type(error).__name__, "message": "", "number": 0, "text": ""}
    with suppress(BaseException):  # an error's own words are the learner's code, too
        reply["message"] = str((str(error).strip().splitlines() or [""])[0])[:300]
    frames = [(f, n) for f, n in traceback.walk_tb(error.__traceback__) if f.f_code.co_filename.startswith("cell ")]
    if frames:
        frame, number = frames[-1]
        reply["number"] = number
        reply["text"] = linecache.getline(frame.f_code.co_filename, number).strip()[:200]
    return reply


def serve_one(job: socket.socket) -> None:
    """One submission: run its cells, then answer calls until the trusted side is done."""
    first = wire.receive(job)
    space, defined, slow = run_cells(first["cells"], first["wanted"], first["definitions_only"])
    wire.send(job, {"defined": [str(name)[:60] for name in defined][:200], "slow": slow})
    while message := wire.receive(job):
        reply = call(space, message)
        try:
            wire.send(job, reply)
        except (ValueError, TypeError, RuntimeError) as error:
            wire.send(job, {"error": type(error).__name__, "message": str(error)[:300], "number": 0, "text": ""})


# ------------------------------------------------------------------------------- a fork for each submission

libc = ctypes.CDLL(None, use_errno=True)


def _system(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), what)


def _become_nobody() -> None:
    """Give up root, if bubblewrap was started by it: limits on the number of processes don't hold for root."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        _system(libc.prctl(4, 1, 0, 0, 0), "prctl")  # our own entries of /proc stay ours


def _isolate() -> None:
    user, group = os.getuid(), os.getgid()
    _system(libc.unshare(NEW_NAMESPACES), "unshare")
    for file, text in {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}.items():
        with open(f"/proc/self/{file}", "w") as target:
            target.write(text)


def _own_places() -> None:
    """Empty folders of its own where a submission may write, nothing of the other processes, no rights to undo that."""
    _system(libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None), "private mounts")
    for place, size in {b"/tmp": b"size=64m,mode=777", b"/dev/shm": b"size=64m,mode=777", b"/proc": b"size=0"}.items():
        _system(libc.mount(b"tmpfs", place, b"tmpfs", 6, size), "tmpfs")
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    _system(libc.capset(header, none), "capset")
    os.chdir("/tmp")


def _limit(memory: int, boxed: bool) -> None:
    """Limits on what one process may take, on top of what it has."""
    with suppress(OSError), open("/proc/self/statm") as file:
        memory += int(file.read().split()[0]) * resource.getpagesize()
    limits = {resource.RLIMIT_AS: memory, resource.RLIMIT_FSIZE: FILE_BYTES, resource.RLIMIT_CORE: 0}
    limits |= {resource.RLIMIT_NOFILE: DESCRIPTORS}
    if boxed:  # elsewhere all of the teacher's own processes would count
        limits |= {resource.RLIMIT_NPROC: PROCESSES}
    for limit, value in limits.items():
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))


def _quiet(job: socket.socket) -> None:
    """Keep one descriptor, the job's; what is printed goes nowhere."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    keep = job.fileno()
    os.closerange(3, keep)
    os.closerange(keep + 1, 1024)
    sys.stdin, sys.stdout, sys.stderr = (open(n, "w" if n else "r", closefd=False) for n in (0, 1, 2))


def _memory_of_all() -> int:
    """Memory of every process that this one can see, in bytes."""
    total = 0
    for name in os.listdir("/proc"):
        with suppress(OSError, IndexError, ValueError):
            if name.isdigit():
                with open(f"/proc/{name}/statm") as file:
                    fields = file.read().split()
                total += (int(fields[1]) - int(fields[2])) * resource.getpagesize()
    return total


def _watch(child: int, leash: socket.socket, seconds: float, memory: int, boxed: bool) -> str:
    """Wait for a submission's end, or bring it about; what happened, in a word."""
    end, before, why = time.monotonic() + seconds, _memory_of_all() if boxed else 0, ""
    done = [os.pidfd_open(child)] if hasattr(os, "pidfd_open") else []
    while not why:
        ready = select.select([*done, leash.fileno()], [], [], 0.1 if done else 0.01)[0]
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
        if leash.fileno() in ready:  # the trusted side let go
            why = "over"
        elif time.monotonic() > end:
            why = "time"
        elif boxed and _memory_of_all() - before > 2 * memory:
            why = "memory"
    if why:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return why or (f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}")


def _submission(job: socket.socket, leash: socket.socket, seconds: float, memory: int, boxed: bool) -> None:
    if boxed:
        _isolate()
    child = os.fork()
    if child == 0:
        try:
            leash.close()
            os.setsid()  # a signal to its group shall not reach the worker
            _limit(memory, boxed)
            if boxed:
                _own_places()
            _quiet(job)
            serve_one(job)
        finally:
            os._exit(0)
    job.close()
    why = _watch(child, leash, seconds, memory, boxed)
    with suppress(OSError):
        leash.sendall(why.encode())


def main(control: socket.socket, boxed: bool, missing: tuple[str, ...]) -> None:
    """Get ready, say so, then one fork for each pair of sockets that comes in."""
    torch.set_num_threads(1)
    if boxed:
        _become_nobody()
    sys.meta_path.append(_StandIns(missing))
    for name in (*WARM, "course_lib.classroom.questions.material"):
        with suppress(ImportError):
            importlib.import_module(name)
    _with_stand_ins(sys.modules["course_lib.classroom.questions"])
    torch.ones(2, requires_grad=True).sum().backward()
    control.sendall(b"R")
    while True:
        order, descriptors, _, _ = socket.recv_fds(control, 64, 2)
        if not order:
            return
        seconds, memory = (int(number) for number in order.split())
        job, leash = (socket.socket(fileno=number) for number in descriptors)
        middle = os.fork()
        if middle == 0:
            try:
                control.close()
                _submission(job, leash, seconds, memory, boxed)
            finally:
                os._exit(0)
        job.close()
        leash.close()
        os.waitpid(middle, 0)
        control.sendall(b"D")


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2] == "boxed", tuple(sys.argv[3].split()))
