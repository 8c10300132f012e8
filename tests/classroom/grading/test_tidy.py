"""A grader that starts removes what killed ones left, and nothing else."""

import os
import subprocess
import sys
import tempfile

from course_lib.classroom.grading.sandbox import PREFIX, _tidy


def test_the_copies_of_killed_graders_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    stay = [f"{PREFIX}{os.getpid()}-b", f"{PREFIX}x-c", "mine"]
    for name in (f"{PREFIX}{ended.pid}-a", *stay):
        (tmp_path / name).mkdir()
    _tidy()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(stay)
