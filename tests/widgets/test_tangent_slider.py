"""The tangent slider: the numbers of lesson 4, each relation in words, and what it refuses."""

from typing import Any

import numpy as np
import pytest
import sympy

from course_lib.widgets.tangent_slider import tangent_slider

x = sympy.symbols("x")


def row(function: Any, at: float, **more: Any) -> dict[str, Any]:
    slider = tangent_slider(function, value=at, **more)
    found: dict[str, Any] = slider.state["curves"][0]["rows"][slider.state["start"]]
    assert np.isclose(found["x"], at)
    return found


@pytest.mark.parametrize(
    ("function", "at", "texts", "words"),
    [
        (x**3, 8, ["8", "512", "192", "1536"], "3 times as much"),
        (sympy.log(x), 8, ["8", "2.079", "0.125", "1"], "0.481 times as much"),
        (sympy.log(x), 1, ["1", "0", "1", "1"], "the value is 0, but x f'(x) = 1"),
        (sympy.log(x), 0.5, ["0.5", "-0.6931", "2", "1"], "the wrong sign"),
        (5 * x, 4, ["4", "20", "5", "20"], "is the value itself: 20"),
        (sympy.Piecewise((x, x < 1), (1, True)), 3, ["3", "1", "0", "0"], "0 times as much"),
    ],
)
def test_numbers_and_words(function: Any, at: float, texts: list[str], words: str) -> None:
    found = row(function, at)
    assert found["texts"] == texts
    assert words in found["sentence"]


def test_the_tangent_rises_by_the_estimate() -> None:
    found = row(x**2, 3)
    assert found["y"] - found["foot"] == pytest.approx(3 * 6)


def test_curves_by_name_and_by_text() -> None:
    slider = tangent_slider({"cube": x**3, "logarithm": sympy.log(x)})
    assert [curve["name"] for curve in slider.state["curves"]] == ["cube", "logarithm"]
    assert tangent_slider("x**3").state["curves"][0]["rows"] == slider.state["curves"][0]["rows"]


@pytest.mark.parametrize(
    ("function", "words"),
    [("x*y", "a function of one"), ("3", "a function of one"), ("1/x", "no finite real number at x = 0")],
)
def test_what_it_refuses(function: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tangent_slider(function, start=0)


def test_page_has_a_picture_and_its_words() -> None:
    page = tangent_slider("x**3").page()
    assert 'alt="x**3: At x = 8 the value is 512' in page
    assert len(page.encode()) < 80_000
