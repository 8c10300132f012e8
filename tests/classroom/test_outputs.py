"""Outputs: what differs from run to run is taken out, and what doesn't belong into a notebook is found."""

import base64
import tempfile
from pathlib import Path

import nbformat
import pytest

from course_lib.classroom.outputs import MOST_FIGURE, WIDGET, faults, kinds, normalize

ROOT = Path(__file__).resolve().parents[2]


def notebook(*outputs, tags=()):
    cell = nbformat.v4.new_code_cell("x", id="a-cell", outputs=list(outputs), metadata={"tags": list(tags)})
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("text"), cell])


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def shown(**data):
    return nbformat.v4.new_output("display_data", {key.replace("_", "/"): value for key, value in data.items()})


def sentences(*outputs, tags=()):
    return list(faults(notebook(*outputs, tags=tags), ROOT))


def url(size):
    return f'<img alt="a map" src="data:image/png;base64,{base64.b64encode(bytes(size)).decode()}">'


def test_counts_addresses_times_of_execution_and_widget_state_are_taken_out():
    result = nbformat.v4.new_output("execute_result", {"text/plain": "<Line at 0x7f3a2c91d0>"}, execution_count=9)
    dirty = notebook(stream("<Model object at 0x7F3a2c91d0>, weight at 0x1"), result)
    dirty.cells.append(nbformat.v4.new_code_cell("y", execution_count=None))
    dirty.cells[1].metadata.execution = {"iopub.status.busy": "2026-01-01"}
    dirty.metadata.widgets = {"state": {}}
    normalize(dirty)
    first, second = dirty.cells[1:]
    assert (first.execution_count, first.outputs[1].execution_count, second.execution_count) == (1, 1, 2)
    assert first.outputs[0].text == "<Model object>, weight at 0x1"
    assert first.outputs[1].data["text/plain"] == "<Line>"
    assert "execution" not in first.metadata and "widgets" not in dirty.metadata


def test_of_a_widget_its_page_is_kept():
    widget = nbformat.v4.new_output(
        "display_data", {WIDGET: {"model_id": "1"}, "text/plain": "Picker()", "text/html": "<p>a map</p>"}
    )
    clean = notebook(widget)
    normalize(clean)
    assert clean.cells[1].outputs[0].data == {"text/html": "<p>a map</p>"}
    assert list(faults(clean, ROOT)) == []


def test_a_widget_without_a_page_is_a_fault():
    bare = notebook(nbformat.v4.new_output("display_data", {WIDGET: {"model_id": "1"}, "text/plain": "Slider()"}))
    normalize(bare)
    assert [fault.split(" leaves")[0] for fault in faults(bare, ROOT)] == ["cell a-cell shows a widget that"]


@pytest.mark.parametrize("folder", [ROOT, Path.home(), Path(tempfile.gettempdir())])
def test_a_path_of_this_machine_is_a_fault(folder):
    for path in (f"{folder}{'/'}file.txt", str(folder)):
        assert sentences(stream(f"saved as '{path}'")) == [f"cell a-cell shows a path of this machine: {path}"]
        assert sentences(shown(text_html=f"<p>{path}</p>")) == [f"cell a-cell shows a path of this machine: {path}"]


def test_what_only_resembles_a_path_is_none():
    assert sentences(stream(f"see https://a.org{Path.home()}x and x{ROOT}y")) == []
    assert sentences(shown(text_html=f"<script>{'A' * 120}{Path.home()}/{'A' * 120}</script>")) == []


def test_a_warning_is_a_fault_unless_it_is_the_cells_point():
    warning = stream("first line\nUserWarning: late\n", "stderr")
    assert sentences(warning)[0].startswith('cell a-cell writes to stderr ("UserWarning: late"); mend the cause')
    assert sentences(warning, tags=["warns"]) == []


@pytest.mark.parametrize("text", ["Wall time: 3 s", "100%|##| 5/5 [00:01, 3.21it/s]"])
def test_a_time_is_a_fault(text):
    assert "shows a time" in sentences(stream(text))[0]
    assert sentences(stream("It takes some time.")) == []


@pytest.mark.parametrize("kind", ["page", "widget", "png", "svg"])
def test_a_picture_over_60_kb_is_a_fault(kind):
    def output(size):
        if kind == "png":
            return shown(image_png=base64.b64encode(bytes(size)).decode())
        if kind == "svg":
            return nbformat.v4.new_output("display_data", {"image/svg+xml": "x" * size})
        return shown(text_html=url(10) + url(size) if kind == "page" else f'<div data-state="1">{url(size)}</div>')

    assert sentences(output(MOST_FIGURE)) == []
    assert sentences(output(MOST_FIGURE + 3000)) == [
        "cell a-cell has a picture of 63 kB, and 60 are allowed: make it smaller, or use fewer colours"
    ]


def test_a_notebook_over_400_kb_is_a_fault():
    assert sentences(stream("word " * 79_000)) == []
    assert sentences(stream("word " * 82_000)) == [
        "the notebook has 410 kB, and 400 are allowed; most of them are in cell a-cell"
    ]


def test_kinds_are_streams_and_mime_types_in_order():
    cell = notebook(stream("a"), shown(text_html="b", text_plain="b"), stream("c", "stderr")).cells[1]
    assert kinds(cell) == ["stdout", "text/html + text/plain", "stderr"]


def test_what_describes_the_readers_computer_is_not_stored():
    its_own = notebook(stream("24 GB of memory are free"))
    its_own.cells[1].metadata.tags = ["yours"]
    normalize(its_own)
    assert its_own.cells[1].outputs == []
