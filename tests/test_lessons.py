"""Each lesson: in step with its source, quick and small enough, its claims holding, readable by everybody."""

import ast
import re
from collections.abc import Iterator

import nbformat
import pytest
from nbformat import NotebookNode

from course_lib.classroom.build import differences
from course_lib.classroom.lesson import lesson_names, read_lesson
from course_lib.classroom.outputs import MOST_NOTEBOOK

LESSONS = lesson_names()
RUN = [pytest.param(name, marks=pytest.mark.full) if name >= "05" else name for name in LESSONS]
"""The plain run executes the first lessons; the later ones, which take minutes together, belong to the full one."""
FULL_LESSONS = [name for name in LESSONS if not name.startswith("00")]
BAD_MAPS = {
    "jet", "rainbow", "hsv", "gist_rainbow", "nipy_spectral", "gist_ncar", "Spectral", "RdYlGn", "prism", "flag",
    "turbo", "brg", "COLORMAP_JET", "COLORMAP_RAINBOW", "COLORMAP_HSV",
}  # fmt: skip
"""Colour maps that mislead: not in order of lightness, or the same to the colour-blind at both ends."""
CONTROLS = {
    "Dropdown", "SelectionSlider", "IntSlider", "FloatSlider", "Text", "Textarea", "Select", "RadioButtons", "Checkbox",
    "FileUpload", "BoundedIntText", "IntText", "FloatText", "Combobox", "ToggleButtons", "Button",
}  # fmt: skip


def committed(name: str) -> NotebookNode:
    path = read_lesson(name).target
    assert path.exists(), f"{name} was never built"
    return nbformat.read(path, as_version=4)


def prose(notebook: NotebookNode) -> str:
    """The words of the Markdown cells, without code, displayed formulas and tags; an inline formula is one word."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"```.*?```|\$\$.*?\$\$|<[^>]+>|\]\([^)]*\)", " ", text, flags=re.S)
    return re.sub(r"\$[^$\n]+\$", "formula", text)


def inaccessible(notebook: NotebookNode) -> Iterator[str]:
    """What keeps some readers out, as far as it shows without looking."""
    texts = [(cell.id, cell.source) for cell in notebook.cells if cell.cell_type == "markdown"]
    levels = [0]
    for id, source in texts:
        body = re.sub(r"```.*?```", "", source, flags=re.S)
        for alt, address in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", body):
            if len(alt.strip()) < 5 or re.search(r"\.(png|jpe?g|svg|gif)$", alt):
                yield f"{id}: the picture {address[:40]} has no alternative text"
        for words, _ in re.findall(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)", body):
            if words.strip().lower() in ("here", "link", "click here", "this", "more"):
                yield f"{id}: the link {words!r} doesn't say where it leads"
        for heading in re.findall(r"^(#{1,6})\s+\S", body, re.M):
            if len(heading) > levels[-1] + 1:
                yield f"{id}: a heading of level {len(heading)} follows one of level {levels[-1]}"
            levels.append(len(heading))
    if levels.count(1) != 1:
        yield f"{levels.count(1)} headings of the first level"
    for cell in notebook.cells:
        html = [cell.source] if cell.cell_type == "markdown" else []
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            html += [data.get("text/html", "")]
            if any(mime.startswith("image/") for mime in data):  # JupyterLab drops what such an output says of itself
                yield f"{cell.id}: a picture without alternative text: show it with figures.show(figure, alt=...)"
        for tag in re.findall(r"<img\b(?:\"[^\"]*\"|'[^']*'|[^>\"'])*>", "\n".join(html)):
            if not re.search(r"\balt\s*=\s*(\"[^\"]{5,}\"|'[^']{5,}')", tag):
                yield f"{cell.id}: no alternative text in {tag[:60]}"
        if cell.cell_type == "code":
            yield from (f"{cell.id}: {fault}" for fault in _faults_of_code(cell.source))


def _faults_of_code(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.M))):
        name = getattr(node, "attr", getattr(node, "value", ""))
        if isinstance(node, ast.Attribute | ast.Constant) and str(name).removesuffix("_r") in BAD_MAPS:
            yield f"the colour map {name!r}"
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in CONTROLS:
            if not any(argument.arg in ("description", "aria_label", None) for argument in node.keywords):
                yield f"a control without a description: {ast.unparse(node)[:60]}"


# ------------------------------------------------------------------------------------------------------ every lesson


@pytest.mark.parametrize("name", LESSONS)
def test_in_step_with_its_source(name):
    assert list(differences(read_lesson(name), committed(name))) == []


@pytest.mark.parametrize("name", RUN)
def test_a_run_gives_what_is_committed(name, checked_lesson):
    assert checked_lesson(name)[0] == []


@pytest.mark.parametrize("name", RUN)
def test_under_60_seconds_and_1500_megabytes(name, lesson_run):
    run = lesson_run(name)
    print(run.summary())
    assert min(run.seconds, run.processor) < 60  # what runs beside it counts by the clock only
    assert run.megabytes < 1500


@pytest.mark.parametrize("name", RUN)
def test_every_claim_is_checked_and_holds(name, lesson_run):
    run = lesson_run(name)
    assert list(run.held) == [claim.name for claim in run.lesson.claims]
    assert run.held or name not in FULL_LESSONS


@pytest.mark.parametrize("name", LESSONS)
def test_everybody_can_read_it(name):
    assert list(inaccessible(committed(name))) == []


@pytest.mark.parametrize("name", LESSONS)
def test_a_small_notebook_without_widget_state(name):
    notebook = committed(name)
    assert read_lesson(name).target.stat().st_size < MOST_NOTEBOOK
    assert "widgets" not in notebook.metadata


@pytest.mark.parametrize("name", LESSONS)
def test_every_formula_and_symbol_is_put_in(name):
    assert "{{" not in "".join(cell.source for cell in committed(name).cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("name", FULL_LESSONS)
def test_of_a_length_that_can_be_read_in_one_go(name):
    notebook = read_lesson(name).notebook
    words = re.findall(r"\S*\w\S*", prose(notebook))
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert 1500 <= len(words) <= 2500, f"{len(words)} words"
    assert 8 <= len(cells) <= 14, f"{len(cells)} code cells"


# ------------------------------------------------------------------------------------------- the checks can fail, too


MARKDOWN, CODE = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
SHOWN = nbformat.v4.new_output


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        (MARKDOWN("![](a.png)"), "the picture a.png has no alternative text"),
        (MARKDOWN("![a.png](a.png)"), "the picture a.png has no alternative text"),
        (MARKDOWN('<img src="a.png">'), "no alternative text in <img"),
        (MARKDOWN("See [here](a.md)."), "the link 'here' doesn't say where it leads"),
        (MARKDOWN("### Too deep"), "a heading of level 3 follows one of level 1"),
        (MARKDOWN("# Another"), "2 headings of the first level"),
        (CODE("1", outputs=[SHOWN("display_data", {"image/png": "AAAA"})]), "figures.show"),
        (CODE("1", outputs=[SHOWN("display_data", {"text/html": '<img alt="" src="x">'})]), "no alternative text"),
        (CODE("ax.imshow(m, cmap='jet_r')"), "the colour map 'jet_r'"),
        (CODE("plt.cm.hsv(0)"), "the colour map 'hsv'"),
        (CODE("%matplotlib inline\nwidgets.Dropdown(options=[1])"), "a control without a description"),
    ],
)
def test_what_keeps_readers_out_is_found(cell, fault):
    title = MARKDOWN("# Title\n\nText, and a [list of lessons](README.md).")
    fine = CODE("x", outputs=[SHOWN("display_data", {"text/html": '<img src="x" alt="A map: x > y.">'})])
    assert list(inaccessible(nbformat.v4.new_notebook(cells=[title, fine]))) == []
    found = list(inaccessible(nbformat.v4.new_notebook(cells=[title, cell])))
    assert len(found) == 1 and fault in found[0]


def test_words_are_counted_without_displayed_formulas_and_code():
    cells = [MARKDOWN("Two words $x = y$ <br> and [links](a.md):\n$$\na + b\n$$\n```\ncode\n```"), CODE("none")]
    assert re.findall(r"\S*\w\S*", prose(nbformat.v4.new_notebook(cells=cells))) == [
        *"Two words formula and [links".split()
    ]
