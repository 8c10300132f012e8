"""Fixtures: a real browser, and real Jupyter servers."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if os.environ.get("CI") != "true":
    pytest.importorskip("playwright", reason="the browser tests need playwright: install the group `full`")

from playwright.sync_api import Browser, BrowserContext, sync_playwright  # noqa: E402

from tests.browser.lab import FLAGS, OpenNotebook, server, write_notebook  # noqa: E402

Open = Callable[..., OpenNotebook]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        words = "There is no Chromium on PATH, which the browser tests need (on Debian: apt install chromium)."
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=FLAGS) as launched:
        yield launched


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": 1300, "height": 1000}) as opened:
        opened.set_default_timeout(30_000)
        yield opened


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], tuple[str, Path]]]:
    """jupyter("lab") or jupyter("notebook") gives a server's address and the folder it shows; each starts once."""
    from contextlib import ExitStack

    with ExitStack() as running:
        started: dict[str, tuple[str, Path]] = {}

        def start(app: str) -> tuple[str, Path]:
            if app not in started:
                home, root = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("notebooks")
                started[app] = running.enter_context(server(root, home, app)), root
            return started[app]

        yield start


@pytest.fixture(scope="module")
def open_notebook(jupyter: Callable[[str], tuple[str, Path]], context: BrowserContext) -> Iterator[Open]:
    """Open a notebook, a file or the sources of its cells, in JupyterLab or Notebook 7; closed after the module."""
    all_opened: list[OpenNotebook] = []

    def opened(notebook: Path | list[str], app: str = "lab") -> OpenNotebook:
        address, root = jupyter(app)
        file = root / (notebook.name if isinstance(notebook, Path) else f"test_{len(list(root.iterdir()))}.ipynb")
        if isinstance(notebook, Path):
            shutil.copy(notebook, file)
        else:
            write_notebook(file, notebook)
        all_opened.append(OpenNotebook(context, address, file.name, app))
        return all_opened[-1]

    yield opened
    for notebook in all_opened:
        notebook.close()
