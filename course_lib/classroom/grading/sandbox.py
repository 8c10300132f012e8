"""The border: a warm worker behind bubblewrap, with a copy of the library that holds no answers."""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

import course_lib.networks
from course_lib.classroom.grading import wire

LIBRARY = Path(course_lib.networks.__file__).parents[1]
LEFT_OUT = ("methods", "evaluation", "faithfulness", "theory", "classroom")
"""What would be an answer, or holds one; the learners' code meets stand-ins there."""
NEEDED = ("__init__.py", "grading/__init__.py", "grading/wire.py", "grading/worker.py", "questions/material.py")
"""What the worker needs of `classroom` nevertheless."""
NOBODY = "65534"
START_SECONDS, SUBMISSION_SECONDS, MEGABYTES = 120, 60, 1500
WORDS = {
    "none": "There is no sandbox here ({why}), and learners' code could read and change whatever you can. On Debian "
    "and Ubuntu `apt-get install bubblewrap` brings it; elsewhere grade in such a machine, or take the risk with "
    "--unsandboxed.",
    "not-installed": "bubblewrap isn't installed",
    "refused": "bubblewrap can't make one: {message}",
    "in-tmp": "Python lies in {folder}, and in the sandbox each answer gets a /tmp of its own: move the course's "
    "folder out of /tmp, and start it there again.",
    "no-fork": "Grading needs Linux or macOS, since it forks a process for each submission; on Windows use WSL.",
}


class SandboxError(ValueError):
    """No sandbox can be had; says why, and what to do."""


def _copy_without_answers(folder: Path) -> Path:
    """The library as the worker sees it, with nothing to look up an answer in."""

    def skip(parent: str, names: list[str]) -> list[str]:
        inside = Path(parent).relative_to(LIBRARY)
        return [n for n in names if (inside / n).with_suffix("").as_posix() in LEFT_OUT or n == "__pycache__"]

    copy = folder / "course_lib"
    shutil.copytree(LIBRARY, copy, ignore=skip)
    for name in NEEDED:
        (copy / "classroom" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(LIBRARY / "classroom" / name, copy / "classroom" / name)
    (copy / "classroom" / "questions" / "__init__.py").touch()
    for path in [folder, *folder.rglob("*")]:  # the worker is another user where root grades
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def _python_folders() -> list[Path]:
    """What Python and its packages need to be readable, besides /usr."""
    library = Path(sysconfig.get_config_var("LIBDIR") or sys.base_prefix)
    wanted = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1], library}
    wanted |= {Path(path) for path in sysconfig.get_paths().values()}
    outside = {path for path in wanted if path.is_dir() and not path.is_relative_to("/usr") and path != Path("/")}
    inside = {path for path in outside for other in outside if path != other and path.is_relative_to(other)}
    return sorted(outside - inside)


def _bubblewrap(copy: Path, as_root: bool) -> list[str]:
    """bwrap's arguments: what may be read, nothing that can be written but /tmp and /dev/shm, no network."""
    private = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if as_root:
        private += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        private += ["--unshare-user", "--uid", NOBODY, "--gid", NOBODY]
    seen = ["--ro-bind", "/usr", "/usr"]
    for name in ("lib", "lib64", "bin", "lib32"):
        root = Path("/", name)
        if root.is_symlink():
            seen += ["--symlink", os.readlink(root), str(root)]
        elif root.is_dir():
            seen += ["--ro-bind", str(root), str(root)]
    seen += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    folders = {path: path for path in _python_folders()} | {copy: Path("/course")}
    parents = sorted({parent for path in folders.values() for parent in path.parents} - {Path("/")})
    for parent in parents:  # bwrap would make them readable by one user only
        seen += ["--perms", "0755", "--dir", str(parent)]
    for path, where in folders.items():
        seen += ["--ro-bind", str(path), str(where)]
    if LIBRARY.parent.name == "site-packages":  # installed, not linked: its answers would be seen
        seen += ["--tmpfs", str(LIBRARY)]
    places = ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"]
    places += ["--remount-ro", "/dev", "--remount-ro", "/"]
    clean = ["--clearenv", "--die-with-parent", "--new-session", "--chdir", "/tmp"]
    variables = {"HOME": "/tmp", "MPLCONFIGDIR": "/tmp", "PATH": "/usr/bin:/bin", "PYTHONPATH": "/course", **_CALM}
    for name, value in variables.items():
        clean += ["--setenv", name, value]
    return ["bwrap", *private, *seen, *places, *clean]


_CALM = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MPLBACKEND": "Agg",
         "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip


PREFIX = "course-grade-"


def _tidy() -> None:
    """Remove the copies of graders that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        number = left.name.removeprefix(PREFIX).partition("-")[0]
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (ValueError, OSError):
            continue


class Worker:
    """A warm process behind the border. Where `boxed` is false there is no border."""

    def __init__(self, boxed: bool = True) -> None:
        if not hasattr(os, "fork"):
            raise SandboxError(WORDS["no-fork"])
        if boxed and not shutil.which("bwrap"):
            raise SandboxError(WORDS["none"].format(why=WORDS["not-installed"]))
        for folder in _python_folders() if boxed else []:
            if folder.is_relative_to("/tmp"):
                raise SandboxError(WORDS["in-tmp"].format(folder=folder))
        self.boxed = boxed
        _tidy()
        self._folder = tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-")
        self._copy = _copy_without_answers(Path(self._folder.name))
        self._start()

    def _start(self) -> None:
        message = ""
        # root first tries to give up being root, which a container may forbid
        for as_root in [True, False] if self.boxed and os.geteuid() == 0 else [False]:
            message = self._started(as_root)
            if not message:
                return
        self.stop()
        raise SandboxError(WORDS["none"].format(why=WORDS["refused"].format(message=message)))

    def _started(self, as_root: bool) -> str:
        """Start, and say what went wrong, or nothing."""
        self._control, theirs = socket.socketpair()
        module = ["-m", "course_lib.classroom.grading.worker", str(theirs.fileno()), "boxed" if self.boxed else "free"]
        module.append(" ".join(f"course_lib.{part.replace('/', '.')}" for part in LEFT_OUT))
        command = [*_bubblewrap(self._copy, as_root), sys.executable, *module]
        environment: dict[str, str] | None = None
        if not self.boxed:
            command = [sys.executable, *module]
            environment = {**os.environ, **_CALM, "PYTHONPATH": str(self._copy)}
        errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
            env=environment, cwd=self._copy)  # fmt: skip
        theirs.close()
        self._control.settimeout(START_SECONDS)
        try:
            if self._control.recv(1) == b"R":
                return ""
        except OSError:
            pass
        self._end()
        errors.seek(0)
        return (errors.read(4000).decode("utf-8", "replace").strip().splitlines() or ["it ended"])[-1]

    def _end(self) -> None:
        self._control.close()
        self._process.kill()
        self._process.wait()

    def open(self) -> "Submission":
        """A new fork for one submission."""
        ours, theirs = socket.socketpair()
        leash, held = socket.socketpair()
        with theirs, held:
            order = f"{SUBMISSION_SECONDS} {MEGABYTES << 20}".encode()
            try:
                socket.send_fds(self._control, [order], [theirs.fileno(), held.fileno()])
            except OSError:
                self._restart()
                socket.send_fds(self._control, [order], [theirs.fileno(), held.fileno()])
        return Submission(self, ours, leash)

    def _restart(self) -> None:
        self._end()
        self._start()

    def _await(self) -> None:
        self._control.settimeout(10)
        try:
            if self._control.recv(1) == b"D":
                return
        except OSError:
            pass
        self._restart()

    def stop(self) -> None:
        """End the worker."""
        self._end()
        self._folder.cleanup()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()


class Submission:
    """One fork: messages to it, and its end."""

    def __init__(self, worker: Worker, job: socket.socket, leash: socket.socket) -> None:
        self._worker, self._job, self._leash = worker, job, leash

    def ask(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a message and wait for the answer.

        Raises:
            EOFError, OSError: if the process is gone
            TimeoutError: if it doesn't answer in time
            ValueError: if what it answers is no message
        """
        deadline = time.monotonic() + seconds
        self._job.settimeout(seconds)
        wire.send(self._job, message)
        reply = wire.receive(self._job, deadline)
        if not isinstance(reply, dict):
            raise ValueError("no message (not a dictionary)")
        return reply

    def close(self) -> str:
        """End the fork; why it had ended, in a word."""
        self._job.close()
        why = ""
        try:
            self._leash.shutdown(socket.SHUT_WR)
            self._leash.settimeout(5)
            why = self._leash.recv(64).decode("ascii", "replace")
        except OSError:
            pass
        self._leash.close()
        self._worker._await()
        return why
