"""An exercise in a real JupyterLab, typed as a learner types: from blank to full marks, with mistakes on the way."""

import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Open
from tests.browser.lab import OpenNotebook

pytestmark = pytest.mark.full
ROOT = Path(__file__).parents[2]


def answers(path: Path) -> dict[str, str]:
    """The cells that define a function, by its name."""
    sources = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    return {found[1]: source for source in sources if (found := re.search(r"^def (\w+)", source, re.M))}


def card(notebook: OpenNotebook, name: str) -> Locator:
    return notebook.cell(f"check({name}).points").locator(".jp-OutputArea section[role=status]")


def points(notebook: OpenNotebook, name: str) -> int:
    index = int(notebook.cell(f"check({name}).points").get_attribute("data-place") or -1)
    return int(notebook.outputs()[index][-1]["data"]["text/plain"])


def answer(notebook: OpenNotebook, before: str, source: str) -> None:
    """Write an answer in place of what stands in its cell, run it, and run the check below it, by keyboard."""
    notebook.cell(before).locator(".cm-content").click()
    notebook.page.keyboard.press("Control+A")
    notebook.page.keyboard.insert_text(source)
    notebook.page.keyboard.press("Shift+Enter")
    notebook.page.keyboard.press("Shift+Enter")


def test_from_blank_to_full_marks(open_notebook: Open) -> None:
    exercise = ROOT / "exercises" / "03_grad_cam_exercise.ipynb"
    blank, solution = answers(exercise), answers(ROOT / "solutions" / "03_grad_cam_solution.ipynb")
    notebook = open_notebook(exercise)
    notebook.run_all()
    for name in solution:
        expect(card(notebook, name)).to_contain_text("Not attempted yet.")
        assert points(notebook, name) == 0

    without_relu = solution["grad_cam"].replace(".sum(1).relu()", ".sum(1)")
    answer(notebook, blank["grad_cam"], without_relu)
    expect(card(notebook, "grad_cam")).to_contain_text("A known mistake")
    expect(card(notebook, "grad_cam")).to_contain_text("ReLU")
    misspelt = "def alpha(gradients):\n    return gradient.mean((2, 3))"
    answer(notebook, blank["alpha"], misspelt)
    expect(card(notebook, "alpha")).to_contain_text("Your code raised NameError")
    expect(card(notebook, "alpha")).to_contain_text("return gradient.mean((2, 3))")

    now = blank | {"grad_cam": without_relu, "alpha": misspelt}
    for name, source in solution.items():
        answer(notebook, now[name], source)
        expect(card(notebook, name)).to_have_attribute("aria-label", f"{name}: right")
    assert sum(points(notebook, name) for name in solution) == 20
    assert not [output for outputs in notebook.outputs() for output in outputs if output["output_type"] == "error"]
    assert notebook.noted["outside"] == []
