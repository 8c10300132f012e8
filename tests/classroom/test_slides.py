"""Decks: what a source may hold, what it takes from its lesson, and a sentence for each mistake."""

import base64
import io
import re
import zipfile
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from course_lib.classroom import cli
from course_lib.classroom.lesson import ROOT, LessonError
from course_lib.classroom.slides import deck as decks
from course_lib.classroom.slides import pdf, references, source
from course_lib.classroom.slides.references import Lesson

NOTES = "\n\nNotes (2 min):\nSay: one thing.\nAsk: what?\nMistake: another thing.\n"
IMAGE = '<img alt="Two bars, one higher" src="data:image/png;base64,AAAA" width="7" style="width:40rem;max-width:100%">'
WIDGET = '<div data-course-widget="a"></div><script type="module">\nmake("section");\nstandIn("a", {});\n</script>'


def output(html: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", {"text/html": html})


@pytest.fixture
def lesson():
    code, markdown = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    claims = "claim cam-sum holds: 2.5 = 2.5 (rtol 1e-10)\nclaim step-1 holds: a = b = c (exactly)\n"
    printed = nbformat.v4.new_output("stream", text=f"accuracy 91.5%\nloss 0.25\n{claims}")
    cells = [
        markdown("A number: 3.25.", id="opening"),
        code("import sys\nx = 1\ndef f(a):\n    return a\n", id="code", outputs=[printed]),
        code("plot()", id="picture", outputs=[output(IMAGE), output(IMAGE.replace("Two", "Three"))]),
        code("pick()", id="picker", outputs=[output(WIDGET)]),
        code("\n".join(f"x{i} = {i}" for i in range(13)), id="long"),
    ]  # fmt: skip
    return Lesson(nbformat.v4.new_notebook(cells=cells))


def text_of(slides: int = 20, notes: str = NOTES) -> str:
    return "# First" + notes + "".join(f"\n## Slide {i}\n\nText.{notes}" for i in range(1, slides))


def read(tmp_path: Path, text: str) -> list[source.Slide]:
    path = source.deck_of("01_a", tmp_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return source.read_deck("01_a", tmp_path)


def test_a_deck_is_read(tmp_path):
    slides = read(tmp_path, text_of().replace("Text.", "above\n===\nleft\n|||\none\n\n. . .\n\ntwo", 1))
    assert [slide.title for slide in slides[:2]] == ["First", "Slide 1"]
    assert slides[1].minutes == 2 and slides[1].notes.startswith("Say: one")
    rows = [[[piece.strip() for piece in column] for column in row] for row in slides[1].blocks()]
    assert rows == [[["above"]], [["left"], ["one", "two"]]]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "there are no slides"),
        ("before\n" + text_of(), "text stands before the first title"),
        (text_of().replace("Slide 2\n", "Slide 1\n"), "slide 'Slide 1': another slide has this title already"),
        (text_of().replace(NOTES, "", 1), "slide 'First': it has no notes"),
        (text_of().replace("Ask: what?\n", "", 1), "slide 'First': its notes have no paragraph that begins with Ask:"),
        (text_of().replace("Text.", "word " * 76, 1), "slide 'Slide 1': 76 words, and 75 are allowed"),
        (text_of().replace("one thing", "word " * 230, 1), "words of notes, and 220 are allowed"),
        (text_of(19), "the deck has 19 slides; a lecture of 45 minutes has 20 to 35"),
        (text_of(36), "the deck has 36 slides"),
        (text_of().replace("(2 min)", "(3.5 min)"), "add up to 70; a lecture has 40 to 50"),
    ],
)
def test_faults_of_a_deck(tmp_path, text, fault):
    with pytest.raises(LessonError, match=re.escape(fault)):
        read(tmp_path, text)


def test_mathematics_and_references_are_no_words(tmp_path):
    read(tmp_path, text_of().replace("Text.", "word " * 75 + "{{figure:a-b-c}} $x \\in y$\n$$\na b c\n$$", 1))


def test_what_a_lesson_gives(lesson):
    assert (
        lesson.figure("picture") == '<figure><img alt="Two bars, one higher" src="data:image/png;base64,AAAA"></figure>'
    )
    assert "Three bars" in lesson.figure("picture", "2")
    assert re.sub("<.*?>", "", lesson.code("code", "f,x")).split() == "def f(a): return a x = 1".split()
    assert re.sub("<.*?>", "", lesson.output("code")).strip() == "accuracy 91.5%\nloss 0.25"
    assert "accuracy" not in lesson.output("code", "loss;none")
    assert (lesson.claim("cam-sum"), lesson.claim("step-1")) == ("2.5", "a")


def test_the_upper_part_of_a_figure(lesson):
    file = io.BytesIO()
    Image.new("L", (10, 50)).save(file, "PNG")
    tag = f'<img alt="A page" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'
    lesson.cells["picture"].outputs = [output(tag)]
    address = re.findall('base64,([^"]*)', lesson.figure("picture", "1, top 40"))[0]
    assert Image.open(io.BytesIO(base64.b64decode(address))).size == (10, 20)


def test_a_widget_keeps_to_its_slide_and_to_paper(lesson):
    live = lesson.widget("picker")
    assert 'make("div")' in live and "<section" not in live
    assert 'if (!window.onPaper) standIn("a", {});' in live


def test_a_slide_is_rendered(lesson):
    page = lesson.render(
        "The sum is {{claim:cam-sum}} of {{Z}}, 91.5%:\n\n{{formula:cam}}\n\n{{figure:picture}}\n\n- **a**"
    )
    assert "The sum is 2.5 of $Z$" in page and "\\tag{definition}" in page and "<figure>" in page
    assert "<strong>a</strong>" in page and "<a id=" not in page and "{{" not in page


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{figure:pictur}}", "There is no cell 'pictur' in the lesson; the nearest are picture, picker."),
        ("{{figure:code}}", "The cell 'code' has no figure."),
        ("{{figure:opening}}", "The cell 'opening' has no figure."),
        ("{{figure:picture:3}}", "The cell 'picture' has 2 figures, and '3' was asked for."),
        ("{{widget:picture}}", "The cell 'picture' has no widget."),
        ("{{output:picture}}", "The cell 'picture' has no printed output."),
        ("{{output:code:nothing}}", "The cell 'code' prints no line with 'nothing'."),
        ("{{code:code:ff}}", "The cell 'code' defines no 'ff'; the nearest is f."),
        ("{{claim:cam-sun}}", "There is no claim 'cam-sun' in the lesson; the nearest is cam-sum."),
        ("{{formula:camm}}", "There is no formula 'camm'"),
        ("{{Q}}", "There is no symbol 'Q'"),
        ("{{code:long}}", "The code of cell 'long' has 13 lines, and 12 are allowed: name a part of it."),
        ("see {{figure:picture}} here", "{{figure:picture}} is no reference"),
        ("{{picture:code}}", "{{picture:code}} is no reference: there are figure, code, output, widget"),
        ("91.4% of all", "The number 91.4% stands nowhere in the lesson."),
        ("0.5 of all", "The number 0.5 stands nowhere in the lesson."),
    ],
)
def test_faults_of_references(lesson, text, fault):
    with pytest.raises((LookupError, ValueError)) as error:
        lesson.render(text)
    assert fault in error.value.args[0]


def test_numbers_that_the_lesson_has_or_that_nobody_measured(lesson):
    lesson.render("91.5% in 20 minutes, 3.25 and 0.25; `1.75` in code, $x = 0.125$ in mathematics, lecture 3.")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The first deck, with its lesson's committed notebook."""
    into = tmp_path_factory.mktemp("slides")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decks, "differences", lambda lesson, notebook: [])
        return decks.write_deck("01_linear_models", ROOT, into, draft=True, progress=False)


def test_a_deck_names_nothing_outside_of_its_folder(built):
    page = built.page.read_text("utf-8")
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    files = {address for address in addresses if not address.startswith("data:")}
    assert files and all((built.folder / file).is_file() for file in files)
    assert page.count("<section>") == built.slides == page.count('<aside class="notes">')
    style = (built.folder / "assets" / "deck.css").read_text("utf-8")
    assert all((built.folder / "assets" / name).is_file() for name in re.findall(r"url\((.*?)\)", style))


def test_the_index_leads_to_every_deck(built):
    index = decks.write_index(built.folder.parent, [built])
    assert 'href="01_linear_models/index.html"' in index.read_text("utf-8")
    assert "pdf" not in index.read_text("utf-8")
    built.pdfs[0].write_bytes(b"")
    assert "01_linear_models/01_linear_models.pdf" in decks.write_index(built.folder.parent, [built]).read_text("utf-8")
    built.pdfs[0].unlink()


def test_what_is_vendored_has_its_licence_and_stays_small():
    with zipfile.ZipFile(decks.FOLDER / "vendor.zip") as vendored:
        names = set(vendored.namelist())
    assert {name for name in names if name.startswith("LICENSE")} == {
        "LICENSE-MathJax.txt", "LICENSE-Source-Sans-Pro.txt", "LICENSE-reveal.js.txt",
    }  # fmt: skip
    assert (decks.FOLDER / "vendor.zip").stat().st_size < 1_000_000


@pytest.mark.parametrize("name", decks.decks([], ROOT))
def test_the_decks_of_the_course_are_lectures(name):
    slides = source.read_deck(name, ROOT)
    assert "{{" in "".join(slide.body for slide in slides)


def test_faults_name_the_slide(tmp_path, monkeypatch, lesson):
    read(tmp_path, text_of().replace("Text.", "{{figure:pictur}}", 1).replace("Text.", "77.7%", 1))
    monkeypatch.setattr(decks, "drawn", lambda *arguments: None)
    monkeypatch.setattr(decks, "Lesson", lambda notebook: lesson)
    with pytest.raises(LessonError) as error:
        decks.write_deck("01_a", tmp_path, tmp_path / "out")
    first, second = str(error.value).splitlines()
    assert first.startswith("slide 'Slide 1': There is no cell 'pictur'") and second.startswith(
        "slide 'Slide 2': The number"
    )
    assert not (tmp_path / "out").exists()


def test_a_lesson_that_fails_is_named(tmp_path):
    read(tmp_path, text_of())
    (source.deck_of("01_a", tmp_path).parent / "01_a.py").write_text('# %% id="bad"\n1 / 0\n', "utf-8")
    with pytest.raises(LessonError, match="cell bad fails with ZeroDivisionError: division by zero"):
        decks.write_deck("01_a", tmp_path, tmp_path / "out", progress=False)


def test_a_draft_runs_a_lesson_only_if_it_is_out_of_step(monkeypatch):
    ran = []
    monkeypatch.setattr(
        decks, "build", lambda *arguments: ran.append(arguments) or type("Run", (), {"notebook": "new"})
    )
    monkeypatch.setattr(decks, "differences", lambda lesson, notebook: iter([]))
    assert decks.in_step("01_linear_models", ROOT, False).cells and not ran
    monkeypatch.setattr(decks, "differences", lambda lesson, notebook: iter(["the library has changed"]))
    assert decks.in_step("01_linear_models", ROOT, False) == "new" and len(ran) == 1


def test_unknown_lessons(tmp_path):
    for name in ("01_a", "02_b"):
        read(tmp_path, text_of())
        (source.deck_of(name, tmp_path).parent / f"{name}.py").write_text("", "utf-8")
    assert decks.decks([], tmp_path) == ["01_a"] == decks.decks(["1"], tmp_path)
    with pytest.raises(LookupError, match="There is no lesson '01_aa'; the nearest is 01_a"):
        decks.decks(["01_aa"], tmp_path)
    with pytest.raises(LookupError, match="There is no deck of 02_b: 02_b.slides.md isn't there; the nearest is 01_a"):
        decks.decks(["2"], tmp_path)


@pytest.mark.full
def test_without_chromium_the_deck_is_there_and_the_pdf_is_not(built, monkeypatch, capsys):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    with pytest.raises(pdf.NoPrinter, match="apt-get install chromium"):
        pdf.print_decks([built])
    monkeypatch.setattr(decks, "write_deck", lambda *arguments: built)
    with pytest.raises(SystemExit) as left:
        cli.main(["slides", "1", "--into", str(built.folder.parent)])
    said = capsys.readouterr()
    assert left.value.code == 0 and "the decks are built, but not their PDFs" in said.err and "25 slides" in said.out


def test_references_explain_themselves():
    assert all(
        f"{{{{{kind}:" in (references.__doc__ or "") for kind in ("figure", "code", "output", "widget", "formula")
    )


def test_a_lesson_is_drawn_once_and_again_when_it_changed(tmp_path):
    root = tmp_path
    path = source.deck_of("01_a", root).parent / "01_a.py"
    path.parent.mkdir(parents=True)
    text = '# %% id="a"\nimport os\n\nprint(os.environ["COURSE_FIGURES"], "VERSION")\n'
    for version in "12":
        path.write_text(text.replace("VERSION", version), "utf-8")
        assert decks.drawn("01_a", root, False).cells[0].outputs[0].text == f"svg {version}\n"
        (kept,) = (root / "build" / "vectors").iterdir()  # the older one is gone
    kept.write_text(kept.read_text("utf-8").replace("svg 2", "kept"), "utf-8")
    assert decks.drawn("01_a", root, False).cells[0].outputs[0].text == "kept\n"


def test_the_upper_part_of_a_vector_figure(lesson):
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="90pt" height="50pt" viewBox="0 0 90 50"></svg>'
    address = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    (shown,) = lesson.cells["picture"].outputs[:1]
    shown.data["text/html"] = IMAGE.replace("data:image/png;base64,AAAA", address)
    cut = re.search(r'base64,([^"]*)"', lesson.figure("picture", "1, top 40"))
    assert cut and base64.b64decode(cut[1]).decode() == svg.replace('"50pt"', '"20pt"').replace("90 50", "90 20")
