"""The layer picker in Notebook 7."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.test_layer_picker import NOTEBOOK, Picker

pytestmark = pytest.mark.full

ITS_OWN = "Cannot read properties of undefined (reading 'schema')"
"""What Notebook 7.6's registry of settings throws on most starts, also for a notebook that holds nothing but 1 + 1."""


def test_picker_works_in_notebook_7(open_notebook: Open) -> None:
    notebook = open_notebook(NOTEBOOK, "notebook")
    notebook.run_all()
    notebook.cell("pick_layers(model")
    picker = Picker(notebook.page)
    picker.wait_idle()
    draws, messages, place = picker.draws, len(notebook.noted["messages"]), int(picker.layer.input_value())
    before = picker.canvas(1)
    picker.layer.press("ArrowLeft")
    assert (int(picker.layer.input_value()), picker.draws - draws) == (place - 1, 1)
    assert (picker.canvas(1) != before).any()
    assert len(notebook.noted["messages"]) == messages
    picker.logit("gnu").click()
    expect(picker.logit("gnu")).to_have_attribute("aria-pressed", "true")
    assert [error for error in notebook.errors() if error != ITS_OWN] == []
