"""A deck as a folder: the lecture's words, the lesson's outputs, and every file that shows them."""

import html
import multiprocessing
import re
import shutil
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import nbformat
from nbconvert import SlidesExporter
from nbformat import NotebookNode
from tqdm import tqdm

from course_lib.classroom.build import build, committed, differences, drawn_path, keep_drawn, unchecked
from course_lib.classroom.lesson import LessonError, nearest, read_lesson, select
from course_lib.classroom.run import run_lesson
from course_lib.classroom.slides.references import Lesson
from course_lib.classroom.slides.source import LABELS, Slide, deck_of, read_deck

FOLDER = Path(__file__).parent
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"
WORDS = {
    "no-deck": "There is no deck of {name}: {path} isn't there; {nearest}.",
    "slide": "slide {slide}: {fault}",
    "index": "Lecture slides",
    "intro": "Each deck is a folder of its own that needs no network. S opens the speaker's view, F fills the screen, "
    "O shows all slides; in a widget the keys are the widget's, and Escape gives them back.",
    "row": "{slides} slides, {minutes:g} minutes",
    "drawing": "figures",
    "pdf": "PDF",
    "pdf-notes": "PDF with notes",
}


@dataclass(frozen=True)
class Deck:
    """A deck that was written."""

    name: str
    title: str
    folder: Path
    slides: int
    minutes: float

    @property
    def page(self) -> Path:
        """What a browser opens."""
        return self.folder / "index.html"

    @property
    def pdfs(self) -> tuple[Path, Path]:
        """The slides on paper, and the slides with their notes."""
        return self.folder / f"{self.name}.pdf", self.folder / f"{self.name}-notes.pdf"


def decks(names: list[str], root: Path) -> list[str]:
    """The lessons of these names or numbers (all that have a deck, if there is none).

    Raises:
        LookupError: for an unknown lesson, or one without a deck, with the nearest ones
    """
    have = [name for name in select([], root) if deck_of(name, root).exists()]
    chosen = select(names, root) if names else have
    for name in chosen:
        if name not in have:
            facts = {"name": name, "path": deck_of(name, root).name, "nearest": nearest(name, have)}
            raise LookupError(WORDS["no-deck"].format(**facts))
    return chosen


def in_step(name: str, root: Path, progress: bool = True) -> NotebookNode:
    """The lesson's own notebook, built now if it isn't in step.

    Raises:
        LessonError: if the lesson fails (which cell, with what)
    """
    lesson = read_lesson(name, root)
    notebook = committed(lesson)
    if notebook is None or any(differences(lesson, notebook)):
        notebook = build(name, root, progress).notebook
    return notebook


def drawn(name: str, root: Path, progress: bool = True) -> NotebookNode:
    """The lesson's notebook with its figures as vectors, run if it isn't kept yet.

    Raises:
        LessonError: if the lesson fails (which cell, with what), or a claim isn't checked
    """
    kept = drawn_path(name, root)
    if not kept.exists():
        lesson = read_lesson(name, root)
        run = run_lesson(lesson, committed(lesson), progress, vectors=True)
        if faults := list(unchecked(run)):
            raise LessonError("\n".join(faults))
        keep_drawn(run)
    notebook: NotebookNode = nbformat.read(kept, as_version=4)
    return notebook


def draw(names: list[str], root: Path, progress: bool = True) -> None:
    """Run the lessons whose figures aren't drawn yet, two at a time; what fails is said when its deck is written."""
    new = [name for name in names if not drawn_path(name, root).exists()]
    if len(new) < 2:
        return
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(drawn, name, root, False) for name in new]
        for done in tqdm(as_completed(running), WORDS["drawing"], len(new), unit="lesson", disable=not progress):
            done.exception()


def write_deck(name: str, root: Path, into: Path, draft: bool = False, progress: bool = True) -> Deck:
    """Write the deck of a lesson into a folder of its own inside `into`; a `draft` has the notebook's own pictures.

    Raises:
        LessonError: with a line for each fault of the deck, or of the lesson
    """
    slides = read_deck(name, root)
    lesson = Lesson(in_step(name, root, progress) if draft else drawn(name, root, progress))
    cells, faults = [], []
    for number, slide in enumerate(slides):
        try:
            cells += list(_cells(slide, lesson, number))
        except (LookupError, ValueError) as error:
            faults.append(WORDS["slide"].format(slide=repr(slide.title), fault=error.args[0]))
    if faults:
        raise LessonError("\n".join(faults))
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"title": slides[0].title})
    exporter = SlidesExporter(  # type: ignore[no-untyped-call]
        template_name="template", extra_template_basedirs=[str(FOLDER)]
    )
    page, _ = exporter.from_notebook_node(notebook)
    deck = Deck(name, slides[0].title, into / name, len(slides), sum(slide.minutes for slide in slides))
    shutil.rmtree(deck.folder, ignore_errors=True)
    _write_assets(deck.folder / "assets")
    deck.page.write_text(page, "utf-8")
    return deck


def _cells(slide: Slide, lesson: Lesson, number: int) -> Iterator[NotebookNode]:
    level, kind = ("h1", "page title") if number == 0 else ("h2", "page")
    title = lesson.render(slide.title).strip().removeprefix("<p>").removesuffix("</p>")
    rows = []
    for row in slide.blocks():
        pieces = ["".join(_piece(text, i, lesson) for i, text in enumerate(column)) for column in row]
        columns = (f'<div class="column">{piece}</div>' for piece in pieces)
        rows.append("".join(['<div class="row">', *columns, "</div>"]))
    body = "".join([f'<div class="{kind}"><{level}>{title}</{level}>', *rows, "</div>"])
    yield nbformat.v4.new_markdown_cell(body, metadata={"slideshow": {"slide_type": "slide"}})
    said = re.sub(rf"^((?:{'|'.join(LABELS)}):)", r"\n**\1**", slide.notes, flags=re.M)
    notes = f"<p><strong>{title}, {slide.minutes:g} min</strong></p>{lesson.render(said)}"
    yield nbformat.v4.new_markdown_cell(notes, metadata={"slideshow": {"slide_type": "notes"}})


def _piece(text: str, number: int, lesson: Lesson) -> str:
    return f'<div class="{"piece fragment" if number else "piece"}">{lesson.render(text)}</div>' if text.strip() else ""


def _write_assets(folder: Path) -> None:
    folder.mkdir(parents=True)
    with zipfile.ZipFile(FOLDER / "vendor.zip") as vendored:
        vendored.extractall(folder)
    for name in ("deck.css", "deck.js"):
        shutil.copy(FOLDER / "template" / name, folder)
    shutil.copy(FONT, folder)
    shutil.copy(FONT.with_name("LICENSE_DEJAVU"), folder)


def write_index(folder: Path, made: list[Deck]) -> Path:
    """The page that leads to every deck."""
    rows = []
    for deck in made:
        links = [f'<a href="{deck.name}/index.html">{html.escape(deck.title)}</a>']
        links += [
            f'<a href="{deck.name}/{path.name}">{WORDS[key]}</a>'
            for key, path in zip(("pdf", "pdf-notes"), deck.pdfs, strict=True) if path.exists()
        ]  # fmt: skip
        words = " · ".join([links[0], WORDS["row"].format(**vars(deck)), *links[1:]])
        rows.append(f"<li>{words}</li>")
    style = "body{font:20px/1.5 system-ui,sans-serif;max-width:50rem;margin:3rem auto;padding:0 1rem;color:#1f2328}"
    page = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{WORDS["index"]}</title><style>{style}'
        f"</style></head><body><h1>{WORDS['index']}</h1><p>{WORDS['intro']}</p><ul>"
    )
    path = folder / "index.html"
    path.write_text("\n".join([page, *rows, "</ul></body></html>\n"]), "utf-8")
    return path
