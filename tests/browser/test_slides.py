"""Every slide of every deck, in a real browser with the network off: all of it is there, fits, and can be read."""

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from course_lib.classroom.lesson import ROOT
from course_lib.classroom.slides.deck import Deck, decks, write_deck
from course_lib.classroom.slides.pdf import count_pages, print_deck
from tests.browser.lab import watch

pytestmark = pytest.mark.full
LEAST_FONT = 18
LOOK = r"""(least) => {
  const slide = Reveal.getCurrentSlide(), stage = document.querySelector('.reveal .slides').getBoundingClientRect();
  const found = [], say = (kind, what) => found.push(`${kind}: ${String(what).trim().slice(0, 90)}`);
  const shown = (e) => e.checkVisibility({visibilityProperty: true});
  const apart = (e) => e.closest('aside.notes, script, style, mjx-assistive-mml');
  const inside = (rect, what) => {
    if (rect.width < 1 || rect.height < 1) return;
    const out = Math.max(rect.right - stage.right, rect.bottom - stage.bottom, stage.left - rect.left, stage.top - rect.top);
    if (out > 1) say(`${Math.round(out)} px outside`, what);
  };
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const parts = (text) => text.match(/[\d.]+/g).map(Number);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
  const walker = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), e = walker.currentNode.parentElement;
    if (!text || apart(e) || !shown(e) || e.closest('option, .refused')) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    for (const rect of range.getClientRects()) inside(rect, text);
    if (!e.closest('pre, code') && /\$|\\[a-zA-Z]{2,}|\{\{/.test(text)) say('mathematics as source', text);
    if (e.closest('mjx-container, sub, sup')) continue;
    const style = getComputedStyle(e), box = e.ownerSVGElement;
    const size = parseFloat(style.fontSize) * (box ? box.getBoundingClientRect().width / box.viewBox.baseVal.width / Reveal.getScale() : 1);
    if (size < least - .05) say(`text of ${size.toFixed(1)} px`, text);
    const [a, b] = [parts(style[box ? 'fill' : 'color']).slice(0, 3), ground(e)].map(light).sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05), enough = size >= 24 ? 3 : 4.5;
    if (ratio < enough && !e.closest(':disabled')) say(`contrast ${ratio.toFixed(1)}`, text);
  }
  for (const e of slide.querySelectorAll('img, canvas, table, mjx-container, .course-widget, pre, input, select, button')) {
    if (apart(e) || !shown(e)) continue;
    const rect = e.getBoundingClientRect();
    inside(rect, e.tagName + ' ' + (e.alt || e.className));
    if (e.tagName === 'IMG') {
      if (!e.complete || !e.naturalWidth) say('picture missing', e.alt);
      if ((e.alt || '').length < 20) say('picture without words', e.outerHTML.slice(0, 40));
      const drawn = Math.min(rect.width / e.naturalWidth, rect.height / e.naturalHeight) / Reveal.getScale();
      if (drawn * e.naturalHeight < 150 && drawn * e.naturalWidth < 600) say(`picture of ${Math.round(drawn * e.naturalWidth)} px`, e.alt);
    }
    if (e.tagName === 'MJX-CONTAINER' && e.parentElement.clientWidth && rect.width > e.parentElement.getBoundingClientRect().width + 2) say('formula too wide', e.textContent);
  }
  for (const e of slide.querySelectorAll('.page *')) {
    if (apart(e) || e.closest('mjx-container, svg, select, input')) continue;
    const style = getComputedStyle(e);
    if (/auto|scroll|hidden|clip/.test(style.overflowX + style.overflowY) && e.clientHeight > 10
        && (e.scrollHeight > e.clientHeight + 3 || e.scrollWidth > e.clientWidth + 3)) say('cut off', e.className);
  }
  const blocks = [...slide.querySelectorAll('.page > *, .column, .piece, .piece > *')].filter(shown);
  for (const e of blocks) for (const next of blocks) {
    if (e === next || e.contains(next) || next.contains(e)) continue;
    const [r, s] = [e.getBoundingClientRect(), next.getBoundingClientRect()];
    const over = Math.min(r.right, s.right) - Math.max(r.left, s.left) > 3 && Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top) > 3;
    if (over && r.top <= s.top) say('one over the other', `${e.innerText.slice(0, 30)} / ${next.innerText.slice(0, 30)}`);
  }
  for (const e of slide.querySelectorAll('[data-mml-node=merror], mjx-merror')) say('formula in error', e.textContent);
  for (const e of slide.querySelectorAll('[data-course-widget]')) if (e.dataset.alive !== 'yes') say('widget not alive', '');
  if ((slide.querySelector('aside.notes')?.innerText ?? slide.querySelector('aside.notes')?.textContent ?? '').length < 60) say('no notes', '');
  return [...new Set(found)];
}"""


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


def test_a_pdf_has_a_page_for_each_slide(deck: Deck, browser: Browser) -> None:
    print_deck(deck, browser)
    plain, with_notes = deck.pdfs
    assert count_pages(plain.read_bytes()) == deck.slides
    assert count_pages(with_notes.read_bytes()) == 2 * deck.slides
    assert b"/Font" in plain.read_bytes()
    assert Path(plain).stat().st_size < 10_000_000
