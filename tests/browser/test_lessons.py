"""Each lesson runs in a real JupyterLab, as a learner runs it, without an error in a cell, a widget or the console."""

import os
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.lab import FORBIDDEN

pytestmark = pytest.mark.full
LESSONS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("lesson", LESSONS, ids=[lesson.stem for lesson in LESSONS])
def test_lesson_runs(lesson: Path, open_notebook: Open, tmp_path: Path) -> None:
    copy = nbformat.read(lesson, 4)
    if "COURSE_REAL_DIR" not in os.environ:  # as in the build: such a cell keeps its committed output
        copy.cells = [cell for cell in copy.cells if "pretrained" not in cell.metadata.get("tags", [])]
    nbformat.write(copy, tmp_path / lesson.name)
    notebook = open_notebook(tmp_path / lesson.name)
    notebook.run_all()
    for cell in copy.cells:
        for name, widget in {"pick_layers(": ".picker", "tangent_slider(": ".tangent-slider"}.items():
            if cell.cell_type == "code" and cell.source.strip().startswith(name):
                expect(notebook.cell(cell.source).locator(widget)).to_have_attribute("data-draws", "1")
    assert notebook.errors() == []
    notebook.close()


def test_a_socket_that_leaves_this_computer_would_be_seen(open_notebook: Open) -> None:
    """Every lesson and widget in these tests runs with outgoing sockets forbidden, and none of them tries."""
    notebook = open_notebook([f"import socket\nsocket.create_connection(('{FORBIDDEN}', 80), 1)"])
    notebook.run_all()
    assert any("PermissionError" in error for error in notebook.errors())
    notebook.close()
