"""Damaged pictures, notebooks and weights are taken or refused in a sentence, fast and in little memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import KINDS

ROOT = Path(__file__).parents[1]


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(kind: str) -> None:
    """In a process of its own, which shows its memory and may crash."""
    command = [sys.executable, "-m", "tests.fuzz", kind, "800"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    print(found)
    assert found["wrong"] == []
    assert found["taken"] > 20 and found["refused"] > 200  # whole enough, and damaged enough
    assert found["seconds"] < 5 and found["mib"] < 1000
