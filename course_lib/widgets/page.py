"""A widget that goes on working in a page without a kernel, and leaves a picture where no script runs."""

import base64
import hashlib
import html
import io
import json
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent


def source(*names: str) -> str:
    """The text of files in this folder, one after the other (a widget's ES module is one file for the browser)."""
    return "\n".join((FOLDER / name).read_text("utf-8") for name in names)


def _dense(text: str) -> str:
    """CSS or JavaScript without indentation and comment lines, which a notebook need not carry for each widget."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("//", "/**")))


def png(picture: np.ndarray) -> str:
    """A picture (H, W, 3), uint8, as the address of an embedded PNG of 128 colours."""
    file = io.BytesIO()
    Image.fromarray(picture).quantize(128, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


class PageWidget(anywidget.AnyWidget):
    """An `anywidget.AnyWidget` whose output also holds HTML: a picture, replaced by the widget where scripts run.

    A subclass gives `_page_state` (the traits its ES module reads) and `_page_picture` (address, words in its place).
    """

    _css = source("widgets.css")
    _rendering = "auto"  # "pixelated" where the picture's pixels are to be seen

    def _page_state(self) -> dict[str, Any]:
        raise NotImplementedError

    def _page_picture(self) -> tuple[str, str]:
        raise NotImplementedError

    def page(self) -> str:
        """The widget as a piece of HTML that asks nothing of a kernel or a network."""
        state = {
            key: {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
            for key, value in self._page_state().items()
        }
        written = json.dumps(state, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
        name = hashlib.sha256(written.encode()).hexdigest()[:12]
        address, words = self._page_picture()
        words, script = html.escape(words), _dense(f"{self._esm}\n{source('stand_in.js')}")
        return (
            f"<style>{_dense(self._css)}</style>\n"
            f'<div data-course-widget="{name}"><figure style="margin:0"><img alt="{words}" src="{address}" '
            f'style="width:40rem;max-width:100%;image-rendering:{self._rendering}"><figcaption>{words}</figcaption></figure></div>\n'
            f'<script type="module">\n{script}\nstandIn("{name}", {written});\n</script>'
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "text/html": self.page()}, metadata
