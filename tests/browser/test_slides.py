"""Every slide of every deck, in a real browser with the network off: all of it is there, fits, and can be read."""

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from course_lib.classroom.lesson import ROOT
from course_lib.classroom.slides.deck import Deck, decks, write_deck
from course_lib.classroom.slides.pdf import count_pages, print_deck
from tests.browser.lab import watch

pytestmark = pytest.mark.full
LEAST_FONT = 18
LOOK = Path(__file__).with_name("look_at_slide.js").read_text("utf-8")


@pytest.fixture(scope="module", params=decks([], ROOT))
def deck(request: pytest.FixtureRequest) -> Deck:
    return write_deck(request.param, ROOT, ROOT / "build" / "slides", progress=False)


@pytest.fixture(scope="module")
def opened(deck: Deck, browser: Browser) -> Iterator[tuple[Page, dict[str, Any]]]:
    with browser.new_context(offline=True, viewport={"width": 1280, "height": 720}, color_scheme="dark") as context:
        noted = watch(context, deck.folder.as_uri())
        yield open_deck(context.new_page(), deck), noted


def open_deck(page: Page, deck: Deck, query: str = "") -> Page:
    page.goto(deck.page.as_uri() + query)
    page.wait_for_selector("body[data-ready=yes]", state="attached", timeout=60_000)
    return page


def visit(page: Page) -> Iterator[tuple[str, list[str], bytes]]:
    """Each slide with everything on it shown: its title, what is wrong with it, its picture."""
    for place in page.evaluate("Reveal.getSlides().map((slide) => Reveal.getIndices(slide).h)"):
        page.evaluate("(h) => { Reveal.slide(h, 0, 99); Reveal.layout(); }", place)
        page.wait_for_timeout(60)
        title = page.evaluate("Reveal.getCurrentSlide().querySelector('h1, h2').innerText")
        yield title, page.evaluate(LOOK, LEAST_FONT), page.screenshot()


def contact_sheet(pictures: list[bytes], columns: int = 4, width: int = 480) -> Image.Image:
    height = width * 9 // 16
    sheet = Image.new("RGB", (columns * (width + 6), math.ceil(len(pictures) / columns) * (height + 6)), "grey")
    for number, picture in enumerate(pictures):
        small = Image.open(io.BytesIO(picture)).convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(small, (number % columns * (width + 6), number // columns * (height + 6)))
    return sheet


def test_every_slide_is_whole(opened: tuple[Page, dict[str, Any]], deck: Deck) -> None:
    page, noted = opened
    slides = list(visit(page))
    contact_sheet([picture for _, _, picture in slides]).save(deck.folder / "contact-sheet.png")
    faults = {title: found for title, found, _ in slides if found}
    assert faults == {}
    assert len(slides) == deck.slides == len({title for title, _, _ in slides})
    assert noted["errors"] == []
    assert noted["outside"] == []


def test_a_slide_that_does_not_fit_is_found(opened: tuple[Page, dict[str, Any]]) -> None:
    """The check can fail: each kind of damage done to a slide is named."""
    page, _ = opened
    page.evaluate("Reveal.slide(1, 0, 99)")
    damage = {
        "outside": "<p style='position:absolute;top:710px'>one<br>two</p>",
        "text of 12.0 px": "<p style='font-size:12px;margin:0'>small</p>",
        "contrast": "<p style='color:#ccc;margin:0'>pale</p>",
        "mathematics as source": "<p style='margin:0'>$x$</p>",
        "picture missing": "<img alt='a picture that is not there' src='none.png'>",
        "picture without words": "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>",
        "cut off": "<div style='height:20px;overflow:hidden'><p>one</p><p>two</p></div>",
    }
    for name, piece in damage.items():
        page.evaluate(
            "(piece) => { const e = document.createElement('div'); e.id = 'damage'; e.innerHTML = piece;"
            "Reveal.getCurrentSlide().querySelector('.page').append(e); }", piece,
        )  # fmt: skip
        page.wait_for_timeout(100)
        assert any(name in fault for fault in page.evaluate(LOOK, LEAST_FONT)), name
        page.evaluate("document.getElementById('damage').remove()")


def test_widgets_answer_to_keys(opened: tuple[Page, dict[str, Any]], deck: Deck) -> None:
    page, _ = opened
    for root in page.locator(".course-widget").all():
        slide = root.evaluate("(e) => Reveal.getIndices(e.closest('section')).h")
        page.evaluate("(h) => Reveal.slide(h)", slide)
        slider = root.locator("input[type=range]").first
        canvas = "(e) => [...e.querySelectorAll('canvas, svg')].map((c) => c.toDataURL?.() ?? c.outerHTML).join()"
        before = root.evaluate(canvas)
        slider.focus()
        page.keyboard.press("ArrowLeft")
        assert root.evaluate(canvas) != before
        assert page.evaluate("Reveal.getIndices().h") == slide
        before = root.evaluate(canvas)
        box = slider.bounding_box()
        assert box
        page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
        assert root.evaluate(canvas) != before
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("Reveal.getIndices().h") == slide + 1


def test_the_speaker_sees_notes_and_what_comes_next(browser: Browser) -> None:
    deck = write_deck(decks([], ROOT)[0], ROOT, ROOT / "build" / "slides", progress=False)
    with browser.new_context(offline=True) as context:
        page = open_deck(context.new_page(), deck)
        page.evaluate("Reveal.slide(1)")
        title = page.evaluate("Reveal.getCurrentSlide().querySelector('h2').innerText")
        with page.expect_popup() as opening:
            page.keyboard.press("s")
        notes = opening.value.locator(".speaker-controls-notes")
        expect(notes).to_contain_text("Say:", timeout=20_000)
        expect(notes).to_contain_text(title)
        assert len(opening.value.frames) == 3  # itself, this slide, and the next


def test_a_pdf_has_a_page_for_each_slide(deck: Deck, browser: Browser) -> None:
    print_deck(deck, browser)
    plain, with_notes = deck.pdfs
    assert count_pages(plain.read_bytes()) == deck.slides
    assert count_pages(with_notes.read_bytes()) == 2 * deck.slides
    assert b"/Font" in plain.read_bytes()
    assert Path(plain).stat().st_size < 10_000_000
