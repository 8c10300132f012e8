"""Exported pages: without a kernel and with the network off, the widgets go on working."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Page, expect

from course_lib.methods.registry import METHODS
from tests.browser.lab import watch, write_notebook
from tests.browser.test_layer_picker import NOTEBOOK, Picker, difference, expected, twin  # noqa: F401

pytestmark = pytest.mark.full
VIEW = "application/vnd.jupyter.widget-view+json"
SLIDER = """
import sympy
from course_lib.widgets.tangent_slider import tangent_slider
x = sympy.symbols("x")
tangent_slider({"cube": x**3, "logarithm": sympy.log(x)})
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook as the course commits it (run, without the kernel's side of the widgets), as an HTML page."""
    folder = tmp_path_factory.mktemp("exported")
    write_notebook(folder / "a.ipynb", [*NOTEBOOK, SLIDER])
    notebook = nbformat.read(folder / "a.ipynb", 4)
    NotebookClient(notebook).execute()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.outputs:
            output.get("data", {}).pop(VIEW, None)
    page, _ = HTMLExporter().from_notebook_node(notebook)
    (folder / "a.html").write_text(page, "utf-8")
    return folder / "a.html"


@pytest.fixture(params=["light", "dark"])
def page(exported: Path, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    with browser.new_context(offline=True, color_scheme=request.param) as context:
        noted = watch(context, exported.parent.as_uri())
        opened = context.new_page()
        opened.goto(exported.as_uri())
        yield opened
        own = [error for error in noted["errors"] if "ERR_FAILED" not in error and "ERR_INTERNET" not in error]
        assert own == []  # nbconvert's template asks for its own scripts (mathematics), which the widgets don't need


def test_picker_works_without_a_kernel(page: Page, twin: Any) -> None:  # noqa: F811
    picker = Picker(page)
    expect(picker.root).to_have_count(1)
    names = [layer.name for layer in twin.layers]
    target = picker.root.locator("[aria-pressed=true] .name").inner_text()
    methods = picker.method.locator("option:not([disabled])").all_inner_texts()
    assert methods == list(METHODS)
    drawn = 0
    for method in methods:
        picker.method.select_option(method)
        for place in range(int(picker.layer.get_attribute("max") or 0) + 1):
            picker.layer.fill(str(place))
            layer = names.index(picker.root.locator(".layer-text").inner_text().split(" ")[0])
            for _ in range(2):
                before = picker.draws
                picker.relu.click()
                relu = picker.relu.is_checked()
                assert picker.draws == before + 1
                if not picker.refused:
                    drawn += 1
                    # a byte a cell: up to 9 of 255 in the table, of which half shows
                    assert difference(picker.canvas(1), expected(twin, 0, target, layer, method, relu, 0.5)) <= 6
    assert drawn >= 2 * (1 + int(picker.layer.get_attribute("max") or 0)) * (len(methods) - 3)  # as in the notebook
    picker.opacity.fill("0")
    assert difference(picker.canvas(1), picker.canvas(0)) == 0
    assert picker.target.is_disabled()


def test_slider_works_without_a_kernel(page: Page) -> None:
    root = page.locator(".tangent-slider")
    slider, numbers = root.get_by_label("x", exact=True), root.locator(".number")
    assert numbers.all_inner_texts() == ["8", "512", "192", "1536"]
    for key, x in (("ArrowLeft", 7.9), ("ArrowRight", 8.0), ("ArrowRight", 8.1)):
        draws = int(root.get_attribute("data-draws") or 0)
        slider.press(key)
        assert int(root.get_attribute("data-draws") or 0) == draws + 1
        assert numbers.all_inner_texts() == [f"{v:.4g}" for v in (x, x**3, 3 * x**2, 3 * x**3)]
    root.get_by_role("combobox").select_option("logarithm")
    assert numbers.all_inner_texts() == ["8.1", "2.092", "0.1235", "1"]
    assert root.locator(".sentence").inner_text() in (root.get_by_role("img").get_attribute("aria-label") or "")
    blue = root.locator("line.value")
    top, foot = (float(blue.get_attribute(name) or 0) for name in ("y2", "y1"))
    orange = root.locator("line.estimate")
    high, low = (float(orange.get_attribute(name) or 0) for name in ("y2", "y1"))
    assert np.isclose((foot - top) / (low - high), np.log(8.1), rtol=1e-6)


def test_the_page_is_small_and_keeps_a_picture(exported: Path, twin: Any) -> None:  # noqa: F811
    html = twin.page()
    assert len(html.encode()) < 150_000
    assert html.count("<img alt=") == 1
    assert exported.stat().st_size > len(html)


def test_without_scripts_the_picture_stays(exported: Path, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(exported.as_uri())
        for picture in page.locator("[data-course-widget] img").all():
            assert len(picture.get_attribute("alt") or "") > 30
            assert (picture.bounding_box() or {"width": 0})["width"] > 200
        assert page.locator("[data-course-widget] img").count() == 2
