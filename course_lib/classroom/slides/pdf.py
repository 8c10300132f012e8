"""Slides on paper: each deck printed by Chromium, once as it is and once with the notes."""

import re
import shutil
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from course_lib.classroom.slides.deck import Deck

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WORDS = {
    "no-browser": "the decks are built, but not their PDFs: there is no Chromium or Chrome on PATH "
    "(on Debian and Ubuntu: apt-get install chromium)",
    "no-driver": "the decks are built, but not their PDFs: playwright is missing (`uv sync --group full` installs it)",
    "pages": "{name}: {pages} pages where {want} were expected",
}


class NoPrinter(Exception):
    """There is nothing to print with; the sentence says what to install."""


def print_decks(decks: Iterable[Deck]) -> None:
    """Write both PDFs of each deck: a page for each slide, mathematics as curves.

    Raises:
        NoPrinter: without playwright or a Chromium
    """
    try:
        sync_playwright = import_module("playwright.sync_api").sync_playwright  # only printing needs it
    except ImportError:
        raise NoPrinter(WORDS["no-driver"]) from None
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise NoPrinter(WORDS["no-browser"])
    flags = ["--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=browser, args=flags) as chromium:
        for deck in decks:
            print_deck(deck, chromium)


def print_deck(deck: Deck, chromium: Any) -> None:
    """Write both PDFs of a deck with a browser that runs already.

    Raises:
        ValueError: if a PDF hasn't a page for each slide (and for its notes)
    """
    for path, query in zip(deck.pdfs, ("print-pdf", "print-pdf&showNotes"), strict=True):
        with chromium.new_context(viewport={"width": 1280, "height": 720}, offline=True) as context:
            page = context.new_page()
            page.goto(f"{deck.page.resolve().as_uri()}?{query}")
            for ready in ("body[data-ready=yes]", ".pdf-page"):
                page.wait_for_selector(ready, state="attached", timeout=60_000)
            page.wait_for_timeout(300)
            path.write_bytes(page.pdf(prefer_css_page_size=True, print_background=True))
        pages, want = count_pages(path.read_bytes()), deck.slides * (2 if "Notes" in query else 1)
        if pages != want:
            raise ValueError(WORDS["pages"].format(name=path.name, pages=pages, want=want))


def count_pages(pdf: bytes) -> int:
    """The pages of a PDF that Chromium wrote."""
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))
