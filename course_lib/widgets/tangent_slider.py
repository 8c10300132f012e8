"""The tangent slider: x moves along a curve, and x f'(x) is held against f(x)."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy
import traitlets
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_lib.figures import PALETTE
from course_lib.preprocessing import read_picture
from course_lib.widgets.page import PageWidget, png, source

WORDS = {
    "title": "x f'(x) beside f(x) for f(x) = {formula}",
    "function": "f(x)",
    "slider": "x",
    "value": "f(x)",
    "slope": "f'(x)",
    "estimate": "x f'(x)",
    "same": "At x = {x} the estimate x f'(x) is the value itself: {value}.",
    "zero": "At x = {x} the value is 0, but x f'(x) = {estimate}.",
    "times": "At x = {x} the value is {value}, but x f'(x) = {estimate}: {ratio} times as much.",
    "sign": "At x = {x} the value is {value}, but x f'(x) = {estimate}: the wrong sign.",
}
"""Every word that the slider shows, with the names of what Python fills in."""


class TangentSlider(PageWidget):
    """The widget that `tangent_slider` returns; `state` holds everything that the browser draws."""

    _esm = source("draw.js", "tangent_slider.js")
    state = traitlets.Dict().tag(sync=True)

    def _page_state(self) -> dict[str, Any]:
        return {"state": self.state}

    def _page_picture(self) -> tuple[str, str]:
        curves = self.state["curves"]
        figure = Figure(figsize=(3.2 * len(curves), 2.8), layout="constrained")
        axes = figure.subplots(1, len(curves), squeeze=False)
        for ax, curve in zip(axes.flat, curves, strict=True):
            row = curve["rows"][self.state["start"]]
            ax.plot(*zip(*((each["x"], each["y"]) for each in curve["rows"]), strict=True), color=PALETTE["black"])
            ax.axline((row["x"], row["y"]), slope=row["slope"], color=PALETTE["orange"], linestyle="--")
            ax.vlines(row["x"], 0, row["y"], color=PALETTE["blue"], lw=4)
            ax.vlines(0, row["foot"], row["y"], color=PALETTE["orange"], lw=4, clip_on=False)
            ax.set(xlim=curve["x"], ylim=curve["y"], xlabel=WORDS["slider"], title=curve["name"])
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=100)
        words = (f"{curve['name']}: {curve['rows'][self.state['start']]['sentence']}" for curve in curves)
        return png(read_picture(file.getvalue())), " ".join(words)


def tangent_slider(
    functions: Mapping[str, sympy.Expr] | sympy.Expr | str,
    start: float = 0.1,
    stop: float = 10.0,
    value: float = 8.0,
    step: float = 0.1,
) -> TangentSlider:
    """A slider that moves x along y = f(x) and holds the estimate x f'(x) against the value f(x).

    The tangent at x meets the line x = 0 at f(x) - x f'(x), so its rise from there is the estimate.

    Args:
        functions: sympy expressions of one symbol by name, among which the reader chooses; or one, or its text
        start, stop, step: x runs from start to stop, both included
        value: where it stands first (the nearest place)

    Raises:
        ValueError: if it isn't a function of one symbol, or not a finite real number somewhere from start to stop

    >>> slider = tangent_slider("x**3")
    >>> slider.state["curves"][0]["rows"][slider.state["start"]]["sentence"]
    "At x = 8 the value is 512, but x f'(x) = 1536: 3 times as much."
    """
    named = functions if isinstance(functions, Mapping) else {str(functions): functions}
    xs = np.linspace(start, stop, 1 + round((stop - start) / step))
    curves = [_curve(name, sympy.sympify(function), xs) for name, function in named.items()]
    colours = [PALETTE["blue"], PALETTE["orange"]]
    return TangentSlider(
        state={"words": WORDS, "curves": curves, "colours": colours, "start": int(np.abs(xs - value).argmin())}
    )


def _curve(name: str, function: sympy.Expr, xs: np.ndarray) -> dict[str, Any]:
    symbols = sorted(function.free_symbols, key=str)
    if len(symbols) != 1:
        raise ValueError(f"{function} has the symbols {symbols}; the slider needs a function of one.")
    with np.errstate(all="ignore"):
        ys, slopes = (
            np.broadcast_to(np.asarray(sympy.lambdify(symbols[0], f, "numpy")(xs), float), xs.shape)
            for f in (function, function.diff(symbols[0]))
        )
    good = np.isfinite(ys) & np.isfinite(slopes)
    if not good.all():
        raise ValueError(f"{function} or its slope is no finite real number at {symbols[0]} = {xs[~good][0]:.4g}.")
    rows = [_row(float(x), float(y), float(slope)) for x, y, slope in zip(xs, ys, slopes, strict=True)]
    ends = [0.0, *(row[key] for row in rows for key in ("y", "foot"))]
    margin = 0.05 * (max(ends) - min(ends))
    limits = {"x": [min(0.0, xs[0]), max(0.0, xs[-1])], "y": [min(ends) - margin, max(ends) + margin]}
    ticks = [[[float(t), f"{t:.4g}"] for t in MaxNLocator(5).tick_values(*at)] for at in limits.values()]
    ticks = [[t for t in some if at[0] <= t[0] <= at[1]] for some, at in zip(ticks, limits.values(), strict=True)]
    return {"name": name, "title": WORDS["title"].format(formula=name), "rows": rows, "ticks": ticks, **limits}


def _row(x: float, y: float, slope: float) -> dict[str, Any]:
    estimate = x * slope
    names = {"x": f"{x:.4g}", "value": f"{y:.4g}", "estimate": f"{estimate:.4g}"}
    if abs(estimate - y) <= 1e-9 * max(1, abs(y)):
        form = "same"
    elif y == 0:
        form = "zero"
    else:
        form = "times" if estimate / y >= 0 else "sign"
        names["ratio"] = f"{estimate / y:.3g}"
    sentence = WORDS[form].format(**names)
    texts = [names["x"], names["value"], f"{slope:.4g}", names["estimate"]]
    return {"x": x, "y": y, "slope": slope, "foot": y - estimate, "texts": texts, "sentence": sentence}
