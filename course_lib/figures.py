"""Figures: pictures, heat maps, bars and curves in one palette, shown with alternative text.

A map's colours mean the same everywhere, in grey print and to the colour-blind too: the lighter, the more evidence for;
in a signed map the grey middle is 0 and dark blue is evidence against.
"""

import base64
import html
import io
import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.text import Text
from PIL import Image
from torch import Tensor

from course_lib.evaluation import interval95
from course_lib.methods.steps import upsample
from course_lib.preprocessing import check_pictures, read_picture

PALETTE = {
    "black": "#000000", "blue": "#0072b2", "orange": "#e69f00", "green": "#009e73", "purple": "#cc79a7",
    "vermilion": "#d55e00", "sky": "#56b4e9", "yellow": "#f0e442", "grey": "#767676",
}  # fmt: skip
"""The course's colours: those of Okabe and Ito (2008), safe for the colour-blind."""
STYLES = [("blue", "-", "o"), ("orange", "--", "s"), ("black", ":", "^"), ("green", "-.", "D"), ("purple", "-", "v")]
SEQUENTIAL = matplotlib.colormaps["inferno"]
DIVERGING = LinearSegmentedColormap.from_list("against_for", ["#00277e", "#28599e", "#898989", "#f5ad54", "#ffed72"])
WORDS = {
    "zero": "0 everywhere",
    "missing": "hatched: NaN or infinite",
    "shared": "One colour scale for all maps.",
    "own": "Each map has its own colour scale: compare places, not strengths.",
    "bias": "bias",
    "sum": "sum",
}
"""The words that figures add by themselves."""
MOST_BYTES = 60_000
SLIDE, SLIDE_LETTERS = (1152, 470), 19.5
"""The pixels that a figure has on a slide, and the least height of its letters there."""
HALO: list[AbstractPathEffect] = [withStroke(linewidth=3, foreground="white")]


def colour_table(signed: bool = False) -> np.ndarray:
    """The 256 colours of a map, (256, 3) uint8: sequential for values from 0, diverging around 0 if `signed`."""
    return np.array((DIVERGING if signed else SEQUENTIAL)(np.arange(256), bytes=True))[:, :3]


def overlay_rgb(
    picture: Any, heat_map: Any, opacity: float = 0.5, signed: bool | None = None, limit: float | None = None
) -> np.ndarray:
    """Lay a map (h, w) over a picture, a tensor (3, H, W) in [0, 1] or what `read_picture` takes: (H, W, 3) uint8.

    What draws the same elsewhere, in a browser say, keeps to this, with round(v) = floor(v + 1/2):

    1. limits: vmax = `limit`, else max |map| before upsampling, else (all 0) 1; vmin = -vmax if signed, else 0
    2. upsampling of the raw map to (H, W): bilinear, align_corners=False, rounded to float32
    3. index = round(255 (v - vmin) / (vmax - vmin)), with v clipped to the limits
    4. round(picture (1 - opacity) + colour_table(signed)[index] opacity), a float picture as round(255 picture)

    Raises ValueError if a value is NaN or infinite, or negative where `signed` is False (None: signed if one is).
    """
    pixels, values = _pixels(picture), _values(heat_map)
    if not np.isfinite(values).all():
        raise ValueError("This map has NaN or infinite values, which have no colour.")
    signed, limit = _scale([values], signed, limit)
    large = upsample(torch.from_numpy(values).double(), (pixels.shape[0], pixels.shape[1])).float().numpy()
    return _round(pixels * (1 - opacity) + _colours(large, signed, limit) * opacity)


def draw_heat_map(
    ax: Axes, heat_map: Any, picture: Any = None, signed: bool | None = None, limit: float | None = None,
    label: str | None = "", opacity: float = 0.5,
) -> None:  # fmt: skip
    """Draw a map (h, w), alone (its cells as they are) or over a picture, with a colour bar.

    The bar runs to `limit` (else the largest |value|; give one to maps that are compared), from its negative if
    `signed` (None: if a value is negative), else from 0. `label` is its unit; None leaves the bar out. A pointed end
    says that values lie beyond. NaN and infinity are hatched, and a map that is 0 everywhere says so.

    Raises ValueError if `signed` is False and a value is negative: ReLU is a step of its own.
    """
    values = _values(heat_map)
    known = np.isfinite(values)
    signed, limit = _scale([values], signed, limit)
    filled = np.where(known, values, np.float32(0))
    rgb = _colours(filled, signed, limit) if picture is None else overlay_rgb(picture, filled, opacity, signed, limit)
    seen = upsample(torch.from_numpy(known).float(), (rgb.shape[0], rgb.shape[1]), "nearest").numpy()
    _draw(ax, np.dstack([rgb, _round(255 * seen)]))
    if not known.all():
        ax.add_patch(Rectangle((0, 0), 1, 1, transform=ax.transAxes, fc="white", ec="black", hatch="////", zorder=-1))
        ax.text(0.5, 0.02, WORDS["missing"], transform=ax.transAxes, ha="center", fontsize=8, path_effects=HALO)
    elif not values.any():
        ax.text(0.5, 0.5, WORDS["zero"], transform=ax.transAxes, ha="center", va="center", path_effects=HALO)
    if label is not None:
        beyond = bool(filled.min() < -1.0001 * limit), bool(filled.max() > 1.0001 * limit)
        _colour_bar(ax, signed, limit, label, beyond)


def draw_box(ax: Axes, box: Sequence[Any] | Tensor, colour: str = PALETTE["black"], label: str = "") -> None:
    """Draw a box (x0, y0, x1, y1), pixels, half-open; a second one on the same axes is dashed, its label below it."""
    x0, y0, x1, y1 = (float(side) - 0.5 for side in box)
    second = any(patch.get_gid() == "box" for patch in ax.patches)
    line = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=colour, lw=2, ls="--" if second else "-", gid="box")
    line.set_path_effects([withStroke(linewidth=3.5, foreground="white")])
    ax.add_patch(line)
    y = y1 if second else y0
    bottom, top = ax.get_ylim()
    at_edge = abs(y - (bottom if second else top)) < 0.15 * abs(bottom - top)
    below = second != at_edge  # inside the box, where the picture ends
    ax.text(x0, y, label, color=colour, fontsize=8, va="top" if below else "bottom", path_effects=HALO)


def draw_mask(ax: Axes, mask: Any, colour: str = PALETTE["black"]) -> None:
    """Draw the outline of a mask (H, W)."""
    inside = np.pad(_values(mask) > 0.5, 1).astype(float)
    if inside.any():
        rows, columns = (np.arange(-1, side - 1) for side in inside.shape)
        ax.contour(columns, rows, inside, [0.5], colors=[colour]).set_path_effects(HALO)


def draw_ellipses(ax: Axes, picture: Any, ellipses: Iterable[Sequence[float]]) -> None:
    """Draw a picture and on it ellipses (x, y, a, b, theta, ...): centre and half axes in pixels, angle in radians."""
    _draw(ax, _pixels(picture))
    for x, y, a, b, theta, *_ in ellipses:
        shape = Ellipse((x, y), 2 * a, 2 * b, angle=float(np.degrees(theta)), fill=False, ec=PALETTE["black"], lw=1.5)
        shape.set_path_effects(HALO)
        ax.add_patch(shape)


@dataclass(frozen=True)
class Panel:
    """One place of `compare`: a picture, a map, or a map over a picture; boxes by label, and a mask's outline."""

    title: str = ""
    picture: Any = None
    heat_map: Any = None
    boxes: Mapping[str, Any] = field(default_factory=dict)
    mask: Any = None


def compare(rows: Sequence[Sequence[Panel]], shared: bool = True, label: str = "logits") -> Figure:
    """Rows of pictures and maps, on one colour scale or each map on its own (`shared`); the figure says which."""
    wide = max(len(row) for row in rows)
    size = (2.3 * wide + 0.6) if shared else 2.9 * wide, 2.3 * len(rows) + 0.4
    maps = [_values(panel.heat_map) for row in rows for panel in row if panel.heat_map is not None]
    signed, limit = _scale(maps, None, None) if shared else (None, None)
    figure, axes = plt.subplots(len(rows), wide, figsize=size, squeeze=False, layout="constrained")
    for line, row in zip(axes, rows, strict=True):
        for ax, panel in zip(line, row, strict=False):
            if panel.heat_map is not None:
                draw_heat_map(ax, panel.heat_map, panel.picture, signed, limit, None if shared else label)
            elif panel.picture is not None:
                _draw(ax, _pixels(panel.picture))
            if panel.mask is not None:
                draw_mask(ax, panel.mask)
            for colour, (name, box) in zip(PALETTE.values(), panel.boxes.items(), strict=False):
                draw_box(ax, box, colour, name)
            ax.set_title(panel.title, fontsize=10)
    for ax in axes.flat:
        ax.axis("off")
    if maps:
        figure.supxlabel(WORDS["shared" if shared else "own"], fontsize=9)
    if maps and signed is not None and limit is not None:
        _colour_bar(list(axes.flat), signed, limit, label)
    return figure


def contribution_bars(
    names: Sequence[str], contributions: Any, bias: float, total: float | None = None, label: str = "logit",
    ax: Axes | None = None,
) -> Figure:  # fmt: skip
    """A linear model's sum as steps: from the bias, each contribution w_i x_i onwards, to the sum; `label` is its unit.

    Raises ValueError if bias and contributions don't add up to `total`, or there isn't one name for each.
    """
    steps = [float(bias), *(float(value) for value in contributions)]
    ends = np.cumsum(steps)
    if len(names) + 1 != len(steps):
        raise ValueError(f"There are {len(names)} names for {len(steps) - 1} contributions.")
    if total is not None and abs(ends[-1] - float(total)) > 1e-4 * max(1, *map(abs, steps)):
        raise ValueError(f"The bias and the contributions add up to {ends[-1]:.6g}, not to {float(total):.6g}.")
    if ax is None:
        ax = plt.subplots(figsize=(6.5, 0.42 * len(steps) + 1.3), layout="constrained")[1]
    bars = zip([0.0, *ends[:-1], 0.0], [*steps, ends[-1]], ["grey", *[""] * len(names), "black"], strict=True)
    for place, (start, step, colour) in enumerate(bars):
        ax.barh(place, step, left=start, color=PALETTE[colour or ("orange" if step > 0 else "blue")], height=0.65)
        ax.annotate(
            f"{step:+.2f}".replace("-", "\N{MINUS SIGN}"), (start + step, place), (-4 if step < 0 else 4, 0),
            textcoords="offset points", ha="right" if step < 0 else "left", va="center", fontsize=9,
        )  # fmt: skip
    ax.vlines(ends, np.arange(len(ends)) + 0.325, np.arange(len(ends)) + 0.675, color=PALETTE["black"], lw=1)
    ax.axvline(0, color=PALETTE["black"], lw=0.8, zorder=0)
    ax.set_yticks(range(len(steps) + 1), [WORDS["bias"], *names, WORDS["sum"]])
    ax.invert_yaxis()
    ax.use_sticky_edges = False
    ax.margins(x=0.15)
    ax.set_xlabel(label)
    ax.spines[["top", "right"]].set_visible(False)
    return cast(Figure, ax.figure)


def draw_curve(ax: Axes, x: Sequence[float], runs: Any, label: str, style: int = 0) -> None:
    """Draw the mean of `runs` (seeds, points) over x, and the 95 % interval of the mean as a band; `style` 0 to 4."""
    values = np.asarray(runs, dtype=float)
    colour, line, marker = STYLES[style]
    low, high = np.transpose([interval95(column) for column in values.T])
    ax.fill_between(x, low, high, color=PALETTE[colour], alpha=0.2, lw=0)
    ax.plot(x, values.mean(0), color=PALETTE[colour], linestyle=line, marker=marker, label=label)


def show(figure: Figure, alt: str, width: int | None = None) -> None:
    """Show a figure as `embedded` makes it, and close it. (JupyterLab drops the alternative text of its own outputs.)

    Raises ValueError as `embedded`.
    """
    display(HTML(embedded(figure, alt, width)))  # type: ignore[no-untyped-call]


def embedded(figure: Figure, alt: str, width: int | None = None, most: int | None = None) -> str:
    """A figure as HTML: a PNG inside an <img> with alternative text; `width` is in pixels of the page. Closes it.

    The ground is white, in a dark theme too. Where the environment says COURSE_FIGURES=svg, it is an SVG without a
    limit, which also says how many points its smallest letters have: for slides and paper.

    Raises ValueError if `alt` is too short to say what is seen, or the PNG has more than `most` bytes (60 KB).
    """
    most = most or MOST_BYTES
    if len(alt.strip()) < 20:
        raise ValueError(f"The alternative text {alt!r} is too short to say what there is to see in the figure.")
    if os.environ.get("COURSE_FIGURES") == "svg":
        return _vectors(figure, alt)
    png = io.BytesIO()
    for dpi in (100, 85, 70):
        drawn, png = io.BytesIO(), io.BytesIO()
        figure.savefig(drawn, format="png", dpi=dpi, bbox_inches="tight", facecolor="white")
        picture = Image.open(drawn).convert("RGB")
        # of Pillow's ways this one moves no colour far: the others gave up the dark end of a map for a photograph
        picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(png, "PNG", optimize=True)
        if png.tell() <= most:
            break
    plt.close(figure)
    if png.tell() > most:
        size = f"{png.tell() / 1000:.0f} KB, and {most // 1000} are allowed"
        raise ValueError(f"This figure takes {size}: make it smaller (figsize), or show fewer pictures in it.")
    address = f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
    style = f"width:{width or round(100 * picture.width / dpi)}px;max-width:100%;background:white"
    return f'<img alt="{html.escape(alt)}" src="{address}" style="{style}">'


def _vectors(figure: Figure, alt: str) -> str:
    """A figure for a slide: letters that would be too small there are enlarged, and titles broken to fit.

    Of a page, a figure with subfigures, a slide shows a part over its whole width.
    """
    for _ in range(3):  # larger letters make a larger figure, which is shown smaller
        figure.draw_without_rendering()
        wide, high = (72 * float(side) for side in figure.get_tightbbox().size)
        least = SLIDE_LETTERS / (SLIDE[0] / wide if figure.subfigs else min(SLIDE[0] / wide, SLIDE[1] / high))
        for text in figure.findobj(Text):
            text.set_fontsize(max(text.get_fontsize(), least))
        for ax in figure.axes:
            if grid := ax.get_gridspec():
                _wrap(ax.title, 0.95 * ax.figure.bbox.width / grid.ncols)
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "course"}):  # the same names of parts in each run
        figure.savefig(file, format="svg", bbox_inches="tight", facecolor="white", metadata={"Date": None})
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    plt.close(figure)
    address = f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}"
    return f'<img alt="{html.escape(alt)}" data-points="{min(sizes, default=99):g}" src="{address}">'


def _wrap(title: Text, most: float) -> None:
    words, width = title.get_text().replace("\n", " "), title.get_window_extent().width
    if width > most:
        letters = max(8, int(len(words) * most / width))
        title.set_text(textwrap.fill(words, letters, break_long_words=False, break_on_hyphens=False))


def _draw(ax: Axes, pixels: np.ndarray) -> None:
    ax.imshow(pixels, interpolation="nearest")
    ax.axis("off")


def _values(heat_map: Any) -> np.ndarray:
    if isinstance(heat_map, Tensor) and heat_map.is_complex():
        raise ValueError("A map is made of real numbers, not of complex ones: take their absolute values.")
    values = np.asarray(heat_map.detach().cpu().float() if isinstance(heat_map, Tensor) else heat_map, np.float32)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"One map or mask (h, w) can be drawn, not {values.shape}; pick one of a batch by its index.")
    return values


def _pixels(picture: Any) -> np.ndarray:
    if isinstance(picture, Tensor):
        return _round(255 * check_pictures(picture, unit_range=True)[0].detach().cpu().permute(1, 2, 0).numpy())
    return read_picture(picture)


def _round(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.floor(values + 0.5), np.uint8)


def _scale(maps: Sequence[np.ndarray], signed: bool | None, limit: float | None) -> tuple[bool, float]:
    """Whether the maps are signed, and the largest finite |value|, unless they are given."""
    known = np.concatenate([np.zeros(1, np.float32), *(values[np.isfinite(values)] for values in maps)])
    if signed is False and known.min() < 0:
        raise ValueError(f"This map has negative values, down to {known.min():.3g}: draw it signed, or take its ReLU.")
    limit = float(np.abs(known).max()) if limit is None else float(limit)
    return bool(known.min() < 0) if signed is None else signed, limit


def _colours(values: np.ndarray, signed: bool, limit: float) -> np.ndarray:
    share = np.clip(values.astype(np.float64) / (limit or 1), -1 if signed else 0, 1)
    return np.asarray(colour_table(signed)[_round(255 * ((share + 1) / 2 if signed else share))])


def _colour_bar(axes: Any, signed: bool, limit: float, label: str, beyond: tuple[bool, bool] = (False, False)) -> None:
    figure = np.ravel(axes)[0].figure
    if figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")  # otherwise a bar's numbers run into the next axes
    limits = Normalize(-(limit or 1) if signed else 0, limit or 1)
    ends = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[beyond]
    mappable = ScalarMappable(limits, DIVERGING if signed else SEQUENTIAL)
    bar = figure.colorbar(mappable, ax=axes, fraction=0.046, pad=0.04, extend=ends, label=label)
    ticks = [-limit, 0, limit] if signed else [0, limit / 2, limit]
    bar.set_ticks(ticks if limit else [0], labels=[f"{float(f'{tick:.2g}'):g}" for tick in ticks] if limit else ["0"])
    for text, place in zip(bar.ax.get_yticklabels(), ("bottom", "center", "top"), strict=False):
        text.set_verticalalignment(place)  # the outer numbers end where the bar does, clear of title and neighbours
