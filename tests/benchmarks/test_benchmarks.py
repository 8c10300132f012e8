"""The benchmark runs, and says what it should; its figures are looked at by people."""

from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from tests.benchmarks.__main__ import main

pytestmark = pytest.mark.full


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.command()(main)
    return made


def test_a_quick_run_writes_table_and_figures(app: typer.Typer, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    given = ["--quick", "--networks", "squeezenet1_0", "--threads", str(threads), "--out", str(tmp_path)]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output[-2000:]
    table = (tmp_path / "table.md").read_text("utf-8")
    for words in ("`features.12`, batch 8", "the limit again", "MiB beyond the forward pass", "RISE, squeezenet1_0",
                  "90 % of all rounds lie between", "LayerGradCam(model, layer).attribute(x, target)"):  # fmt: skip
        assert words in table
    assert "—" not in table  # every peer does the work on this network
    assert {path.name for path in tmp_path.iterdir()} == {"table.md", "ratios.png", "growth.png"}


def test_an_unknown_network_is_told_which_there_are(app: typer.Typer, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--networks", "resnet19", "--out", str(tmp_path)])
    assert done.exit_code == 2 and "resnet18" in done.output and "Traceback" not in done.output
