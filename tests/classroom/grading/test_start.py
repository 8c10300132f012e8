"""A grader that starts removes what killed ones left, and nothing else, and says where it can't make a sandbox."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from course_lib.classroom.grading.sandbox import PREFIX, SandboxError, Worker, _tidy


def test_the_copies_of_killed_graders_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    stay = [f"{PREFIX}{os.getpid()}-b", f"{PREFIX}x-c", "mine"]
    for name in (f"{PREFIX}{ended.pid}-a", *stay):
        (tmp_path / name).mkdir()
    _tidy()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(stay)


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
def test_a_course_in_tmp_is_told_to_move(monkeypatch):
    monkeypatch.setattr("course_lib.classroom.grading.sandbox.shutil.which", lambda name: f"/usr/bin/{name}")
    folders = [Path("/usr"), Path("/tmp") / "course" / ".venv"]
    monkeypatch.setattr("course_lib.classroom.grading.sandbox._python_folders", lambda: folders)
    with pytest.raises(SandboxError, match=f"^Python lies in {folders[1]}, and .* move the course's folder out"):
        Worker()
