"""`python -m course_lib`: set the course up, and open JupyterLab on its first lesson.

It runs before anything is installed: with the standard library alone, and on the old Pythons that it turns away.
"""

import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST_LESSON = os.path.join("notebooks", "00_start_here.ipynb")
WORDS = {
    "python": "This is Python {version}, and the course needs 3.11, 3.12 or 3.13: install one of them (python.org has "
    "it) and start with its name: `python3.13 -m pip install uv; python3.13 -m course_lib`, on Windows `py -3.13` in "
    "place of `python3.13`.",
    "uv": "uv, which sets the course up, isn't installed: run `python -m pip install uv`, and where pip refuses "
    "(externally-managed-environment: Debian, Ubuntu, Homebrew) give it a place of its own and start again there: "
    "`python3 -m venv ~/.course; . ~/.course/bin/activate; python -m pip install uv; python -m course_lib`.",
    "intel-mac": "pip has no current PyTorch for Intel Macs: use conda, with `conda env create -f environment.yml; "
    "conda activate why-does-the-model-think-so; jupyter lab`, or on an Apple chip a Python that was built for it.",
    "read-only": "This folder can't be written to and nothing is installed in it: copy it to a folder of your own, and "
    "start there.",
}


def problem(version: "tuple[int, ...]", system: str, machine: str) -> "str | None":
    """The sentence for a machine on which the course can't be set up this way, or None.

    >>> problem((3, 12, 1), "Linux", "x86_64") is None
    True
    >>> problem((3, 14, 0), "Linux", "x86_64")[:54]
    'This is Python 3.14.0, and the course needs 3.11, 3.12'
    """
    if not (3, 11) <= version[:2] <= (3, 13):
        return WORDS["python"].format(version=".".join(map(str, version[:3])))
    return WORDS["intel-mac"] if (system, machine) == ("Darwin", "x86_64") else None


def find_uv() -> "list[str]":
    """The command that starts uv, this Python's own or the one on the PATH; empty where neither works."""
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv") or ""
    silent = subprocess.DEVNULL
    return [found] if found and subprocess.call([found, "--version"], stdout=silent, stderr=silent) == 0 else []


def main(arguments: "list[str]") -> int:
    """Install what is missing, then run JupyterLab at the project's root until it is closed."""
    uv, writable = find_uv(), os.access(str(ROOT), os.W_OK)
    sentence = (
        problem(sys.version_info[:3], platform.system(), platform.machine())
        or (not uv and WORDS["uv"])
        or (not writable and not (ROOT / ".venv").is_dir() and WORDS["read-only"])
    )
    if sentence:
        print(sentence, file=sys.stderr)
        return 1
    run = [*uv, "run"] if writable else [*uv, "run", "--no-sync"]
    lab = ["jupyter", "lab", "--ServerApp.root_dir=" + str(ROOT), FIRST_LESSON]
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for JupyterLab, which asks before it stops
    return subprocess.call([*run, *lab, *arguments], cwd=str(ROOT))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
