"""The benchmark runs, and says what it should; its figures are looked at by people."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.full
ROOT = Path(__file__).parents[2]


def run(*given: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.benchmarks", *given]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_a_quick_run_writes_table_and_figures(tmp_path: Path) -> None:
    done = run("--quick", "--networks", "squeezenet1_0", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr[-2000:]
    table = (tmp_path / "table.md").read_text("utf-8")
    for words in ("`features.12`, batch 8", "the limit again", "MiB beyond the forward pass", "RISE, squeezenet1_0",
                  "90 % of all rounds lie between", "LayerGradCam(model, layer).attribute(x, target)"):  # fmt: skip
        assert words in table
    assert "—" not in table  # every peer does the work on this network
    assert {path.name for path in tmp_path.iterdir()} == {"table.md", "ratios.png", "growth.png"}


def test_an_unknown_network_is_told_which_there_are(tmp_path: Path) -> None:
    done = run("--networks", "resnet19", "--out", str(tmp_path))
    assert done.returncode == 2 and "resnet18" in done.stderr and "Traceback" not in done.stderr
