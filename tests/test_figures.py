"""Figures keep a map's meaning: limits, signs, what is missing or 0, one scale or several; and each has words."""

import base64
import html
import io
import math
import re
from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle
from PIL import Image
from skimage import data

from course_lib import figures
from course_lib.figures import (
    DIVERGING,
    PALETTE,
    SEQUENTIAL,
    STYLES,
    WORDS,
    Panel,
    colour_table,
    compare,
    contribution_bars,
    draw_box,
    draw_curve,
    draw_ellipses,
    draw_heat_map,
    draw_mask,
    overlay_rgb,
    show,
)
from course_lib.preprocessing import Preprocessing

ALT = "A heat map, light in the middle and dark around it."


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    pages: list[str] = []
    monkeypatch.setattr(figures, "display", lambda page: pages.append(page.data))
    return pages


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def picture(height: int = 24, width: int = 36) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(1))


def lightness(table: np.ndarray) -> np.ndarray:
    """Relative luminance, what grey print keeps of a colour."""
    share = table / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ [0.2126, 0.7152, 0.0722])


# ---------------------------------------------------------------------------------------------------------- colours
@pytest.mark.parametrize("signed", [False, True])
def test_a_map_can_be_read_in_grey(signed: bool) -> None:
    table = colour_table(signed)
    assert table.shape == (256, 3) and table.dtype == np.uint8
    smooth = lightness(table)[::4]
    assert (np.diff(smooth) > 0).all() and smooth[-1] - smooth[0] > 0.75


def test_the_middle_of_a_signed_map_has_no_colour() -> None:
    table = colour_table(True).astype(int)
    assert np.ptp(table[127:129]) <= 1
    assert table[0, 2] > 2 * table[0, 0] and table[255, 0] > 2 * table[255, 2]  # against is blue, for is warm


# ---------------------------------------------------------------------------------------------------------- overlay
def by_the_contract(pixels: np.ndarray, raw: np.ndarray, opacity: float, signed: bool, limit: float) -> np.ndarray:
    """The overlay, pixel by pixel, as the docstring of `overlay_rgb` tells a browser to draw it."""
    (height, width, _), (h, w) = pixels.shape, raw.shape
    out = np.zeros_like(pixels)
    for y in range(height):
        for x in range(width):
            v, u = max((y + 0.5) * h / height - 0.5, 0), max((x + 0.5) * w / width - 0.5, 0)
            top, left = min(int(v), h - 1), min(int(u), w - 1)
            down, right = min(top + 1, h - 1), min(left + 1, w - 1)
            above = raw[top, left] * (1 - u + left) + raw[top, right] * (u - left)
            below = raw[down, left] * (1 - u + left) + raw[down, right] * (u - left)
            value = float(np.float32(above * (1 - v + top) + below * (v - top)))
            low = -limit if signed else 0.0
            index = math.floor(255 * (min(max(value, low), limit) - low) / (limit - low) + 0.5)
            blend = pixels[y, x] * (1 - opacity) + colour_table(signed)[index] * opacity
            out[y, x] = np.floor(blend + 0.5)
    return out


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("opacity", [0.0, 0.35, 0.5, 1.0])
@pytest.mark.parametrize("limit", [None, 0.8])
def test_the_overlay_keeps_its_contract(signed: bool, opacity: float, limit: float | None) -> None:
    raw = random(5, 7) if signed else random(5, 7).abs()
    pixels = np.floor(255 * picture().permute(1, 2, 0).numpy() + 0.5).astype(np.uint8)
    drawn = overlay_rgb(picture(), raw, opacity, signed, limit)
    numbers = raw.double().numpy()
    expected = by_the_contract(pixels, numbers, opacity, signed, limit or float(numbers.max(initial=-numbers.min())))
    assert drawn.dtype == np.uint8
    difference = np.abs(drawn.astype(int) - expected)
    assert difference.max() <= 3 and (difference == 0).mean() > 0.999  # rounding may move an index by one
    assert np.array_equal(drawn, overlay_rgb(pixels, raw.numpy(), opacity, signed, limit))
    assert np.array_equal(drawn, overlay_rgb(pixels / 255, raw, opacity, signed, limit))


def test_the_overlay_at_its_ends() -> None:
    raw = random(24, 36)
    pixels = (255 * picture().permute(1, 2, 0) + 0.5).floor().numpy()
    assert np.array_equal(overlay_rgb(picture(), raw, opacity=0), pixels)
    alone = overlay_rgb(picture(), raw, opacity=1)
    assert np.array_equal(alone[raw == raw.abs().max()], colour_table(True)[255:])
    assert (overlay_rgb(picture(), torch.zeros(3, 3), 1, signed=False) == colour_table(False)[0]).all()
    assert (overlay_rgb(picture(), torch.zeros(3, 3), 1, signed=True) == colour_table(True)[128]).all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((picture(), torch.full((3, 3), math.nan)), "NaN or infinite values, which have no colour"),
        ((picture(), random(3, 3), 0.5, False), "negative values, down to .* draw it signed, or take its ReLU"),
        ((picture(), random(1, 3, 3)), r"not \(1, 3, 3\); pick one of a batch"),
        ((255 * picture(), random(3, 3)), "divide by 255"),
    ],
)
def test_the_overlay_refuses_in_words(arguments: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        overlay_rgb(*arguments)


# ------------------------------------------------------------------------------------------------------------- maps
def drawn_map(heat_map: torch.Tensor, **options: Any) -> tuple[Any, np.ndarray, Any]:
    """The axes, the picture drawn in it, and the axes of the colour bar."""
    figure, ax = plt.subplots()
    draw_heat_map(ax, heat_map, **options)
    bars = [other for other in figure.axes if other is not ax]
    return ax, np.asarray(ax.images[0].get_array()), bars[0] if bars else None


def ticks(bar: Any) -> list[str]:
    return [tick.get_text() for tick in bar.get_yticklabels()]


def test_a_map_alone_shows_its_cells_signed_around_zero() -> None:
    _, image, bar = drawn_map(torch.tensor([[-2.0, 0.0], [1.0, 4.0]]), label="logits")
    assert np.array_equal(image[..., :3].reshape(4, 3), colour_table(True)[[64, 128, 159, 255]])
    assert ticks(bar) == ["-4", "0", "4"] and bar.get_ylabel() == "logits"


def test_a_map_without_negative_values_starts_at_zero_not_at_its_minimum() -> None:
    _, image, bar = drawn_map(torch.tensor([[2.0, 4.0]]))
    assert np.array_equal(image[0, :, :3], colour_table(False)[[128, 255]])
    assert ticks(bar) == ["0", "2", "4"]


def test_a_shared_limit_and_what_lies_beyond() -> None:
    _, image, bar = drawn_map(torch.tensor([[1.0, 4.0]]), limit=2.0)
    assert np.array_equal(image[0, :, :3], colour_table(False)[[128, 255]])
    assert bar._colorbar.extend == "max"
    assert drawn_map(torch.tensor([[-3.0, 4.0]]), limit=2.0)[2]._colorbar.extend == "both"
    assert drawn_map(torch.tensor([[-3.0, 4.0]]))[2]._colorbar.extend == "neither"
    assert drawn_map(torch.tensor([[1.0]]), label=None)[2] is None


@pytest.mark.parametrize("behind", [None, picture()])
def test_nan_and_infinity_are_hatched_and_do_not_move_the_limit(behind: torch.Tensor | None) -> None:
    heat_map = torch.tensor([[1.0, math.nan], [math.inf, 3.0]])
    ax, image, bar = drawn_map(heat_map, picture=behind)
    cells = image[:: len(image) // 2, :: image.shape[1] // 2, 3]
    assert cells.tolist() == [[255, 0], [0, 255]] and ticks(bar)[-1] == "3"
    assert any(patch.get_hatch() for patch in ax.patches) and ax.texts[0].get_text() == WORDS["missing"]
    assert not drawn_map(torch.ones(2, 2), picture=behind)[0].patches


@pytest.mark.parametrize("signed", [False, True])
def test_a_map_of_zeros_says_so(signed: bool) -> None:
    ax, image, bar = drawn_map(torch.zeros(3, 3), signed=signed)
    assert (image[..., :3] == colour_table(signed)[128 if signed else 0]).all()
    assert ax.texts[0].get_text() == WORDS["zero"] and ticks(bar) == ["0"]


def test_negative_values_are_never_cut_silently() -> None:
    with pytest.raises(ValueError, match="draw it signed, or take its ReLU"):
        drawn_map(random(3, 3), signed=False)


def test_ellipses_lie_on_their_picture() -> None:
    _, ax = plt.subplots()
    draw_ellipses(ax, picture().permute(1, 2, 0).numpy(), [(10.0, 12.0, 6.0, 3.0, math.pi / 2, 0.9)])
    (ellipse,) = ax.patches
    assert isinstance(ellipse, Ellipse) and tuple(ellipse.center) == (10, 12)
    assert (ellipse.width, ellipse.height, ellipse.angle) == (12, 6, 90)
    assert np.array_equal(np.asarray(ax.images[0].get_array()), overlay_rgb(picture(), torch.zeros(2, 2), opacity=0))


def test_boxes_and_masks_lie_on_the_edges_of_pixels() -> None:
    _, ax = plt.subplots()
    draw_box(ax, (2, 3, 5, 9), label="true")
    draw_box(ax, torch.tensor([0, 0, 1, 1]), PALETTE["blue"], "from the map")
    first, second = (patch for patch in ax.patches if isinstance(patch, Rectangle))
    assert tuple(first.get_bbox().extents) == (1.5, 2.5, 4.5, 8.5)
    assert (first.get_linestyle(), second.get_linestyle()) == ("-", "--")
    assert [text.get_text() for text in ax.texts] == ["true", "from the map"]
    mask = torch.zeros(10, 10)
    mask[3:6, 8:] = 1  # reaches the border
    draw_mask(ax, mask)
    draw_mask(ax, torch.zeros(10, 10))  # nothing to outline
    (outline,) = ax.collections
    assert tuple(outline.get_paths()[0].get_extents().extents) == (7.5, 2.5, 9.5, 5.5)


# ------------------------------------------------------------------------------------------------ rows, bars, curves
def test_compare_on_one_scale_and_on_several() -> None:
    strong, weak = torch.tensor([[-4.0, 4.0]]), torch.tensor([[0.0, 1.0]])
    rows = [[Panel("picture", picture()), Panel("strong", None, strong)], [Panel("weak", None, weak)]]
    together = compare(rows)
    assert len(together.axes) == 5 and together.get_supxlabel() == WORDS["shared"]
    images = [np.asarray(ax.images[0].get_array())[..., :3] for ax in together.axes[:3]]
    assert np.array_equal(images[2][0], colour_table(True)[[128, 159]])
    apart = compare(rows, shared=False)
    assert len(apart.axes) == 6 and apart.get_supxlabel() == WORDS["own"]
    assert np.array_equal(np.asarray(apart.axes[2].images[0].get_array())[0, :, :3], colour_table(False)[[0, 255]])
    assert [ax.get_title() for ax in apart.axes[:3]] == ["picture", "strong", "weak"]


def test_compare_draws_boxes_and_masks() -> None:
    mask = torch.zeros(24, 36)
    mask[:5, :5] = 1
    figure = compare([[Panel("", picture(), None, {"true": (0, 0, 5, 5), "found": (1, 1, 6, 6)}, mask)]])
    (ax,) = figure.axes
    assert len(ax.patches) == 2 and len(ax.collections) == 1 and figure.get_supxlabel() == ""


def test_contributions_walk_from_the_bias_to_the_sum() -> None:
    figure = contribution_bars(["wheels", "metal"], torch.tensor([9.0, -1.5]), -7.0, 0.5, "logit of 'car'")
    (ax,) = figure.axes
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches if isinstance(bar, Rectangle)]
    assert spans == [(0, -7), (-7, 2), (2, 0.5), (0, 0.5)]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["bias", "wheels", "metal", "sum"]
    assert [text.get_text() for text in ax.texts] == ["−7.00", "+9.00", "−1.50", "+0.50"]
    assert [to_hex(bar.get_facecolor()) for bar in ax.patches] == [
        PALETTE[name] for name in ("grey", "orange", "blue", "black")
    ]
    assert ax.get_xlabel() == "logit of 'car'"
    low, high = ax.get_xlim()
    assert low < -7 and high > 2  # room for the numbers


def test_contributions_must_add_up() -> None:
    with pytest.raises(ValueError, match=r"add up to 0\.5, not to 7\.5"):
        contribution_bars(["wheels", "metal"], [9.0, -1.5], -7.0, 7.5)
    with pytest.raises(ValueError, match="1 names for 2 contributions"):
        contribution_bars(["wheels"], [9.0, -1.5], -7.0)


def test_a_curve_has_its_interval() -> None:
    _, ax = plt.subplots()
    draw_curve(ax, [10, 100], [[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]], "network", style=1)
    (line,) = ax.lines
    assert np.asarray(line.get_ydata()).tolist() == [2, 5] and line.get_label() == "network"
    band = ax.collections[0].get_paths()[0].vertices
    half = 4.302653 / math.sqrt(3)
    assert np.asarray(band)[:, 1].max() == pytest.approx(max(5, 2 + half))
    assert np.asarray(band)[:, 1].min() == pytest.approx(2 - half)
    assert len({(line, marker) for _, line, marker in STYLES}) == len(STYLES)  # told apart without colour


# ------------------------------------------------------------------------------------------------------------- show
def test_show_embeds_a_small_png_with_words_and_closes_the_figure(shown: list[str]) -> None:
    figure, ax = plt.subplots(figsize=(3, 3))
    draw_heat_map(ax, random(7, 7), label="logits")
    alt = 'The map of "tabby" & its <bar>.'
    show(figure, alt)
    assert not plt.get_fignums()
    found = re.fullmatch(r'<img alt="([^"]*)" src="data:image/png;base64,([^"]+)" style="([^"]+)">', shown[0])
    assert found and html.unescape(found[1]) == alt and "max-width:100%" in found[3]
    png = base64.b64decode(found[2])
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert len(png) < 60_000 and image.getpixel((0, 0)) == (255, 255, 255)
    assert f"width:{image.width}px" in found[3]
    show(compare([[Panel("picture", picture())]]), alt, width=123)
    assert "width:123px" in shown[1]


def test_a_photograph_does_not_cost_a_map_its_colours(shown: list[str]) -> None:
    chelsea: Any = data.chelsea
    cat = Preprocessing(224, 256)(chelsea())
    show(compare([[Panel("", cat), Panel("", None, torch.tensor([[-1.0, 1.0], [0.5, 0.0]]))]]), ALT)
    png = base64.b64decode(re.findall(r"base64,([^\"]+)", shown[0])[0])
    colours = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3).astype(int)
    for colour in colour_table(True)[[0, 128, 191, 255]].astype(int):
        assert np.abs(colours - colour).max(1).min() <= 12


def test_a_figure_for_slides_is_vectors_with_letters_that_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_FIGURES", "svg")
    texts = []
    for _ in range(2):
        figure, axes = plt.subplots(1, 4, figsize=(12, 3), layout="constrained")
        ax = axes[0]
        ax.set_title("guided backpropagation, on a photograph", fontsize=14)
        ax.text(0, 0, "small", fontsize=7)
        ax.text(0, 0, "unseen", fontsize=3, visible=False)
        texts.append(figures.embedded(figure, "Nothing but a title and a word in the corner."))
    assert texts[0] == texts[1] and 'alt="Nothing but' in texts[0]
    points, address = re.findall('data-points="([^"]*)" src="data:image/svg[+]xml;base64,([^"]*)"', texts[0])[0]
    svg = base64.b64decode(address).decode()
    wide, high = (float(re.findall(f'{side}="([0-9.]+)pt"', svg)[0]) for side in ("width", "height"))
    assert float(points) * min(figures.SLIDE[0] / wide, figures.SLIDE[1] / high) > 18
    assert ax.get_title().replace("\n", " ") == "guided backpropagation, on a photograph" and "\n" in ax.get_title()


@pytest.mark.parametrize("alt", ["", "  ", "A figure.", "figure 1           "])
def test_a_figure_needs_words(alt: str) -> None:
    with pytest.raises(ValueError, match="too short to say what there is to see"):
        show(plt.figure(), alt)


def test_a_figure_that_is_too_large_is_first_made_coarser_then_refused(
    shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def noise() -> Figure:
        figure, ax = plt.subplots(figsize=(1.6, 1.6))
        ax.imshow(picture(150, 150).permute(1, 2, 0).numpy())
        return figure

    show(noise(), ALT)
    fine, width = (re.findall(pattern, shown[0])[0] for pattern in (r"base64,([^\"]+)", r"width:(\d+)px"))
    monkeypatch.setattr(figures, "MOST_BYTES", len(base64.b64decode(fine)) - 1000)
    show(noise(), ALT)
    coarse, same = (re.findall(pattern, shown[1])[0] for pattern in (r"base64,([^\"]+)", r"width:(\d+)px"))
    assert len(coarse) < len(fine) and int(same) == pytest.approx(int(width), abs=2)
    monkeypatch.setattr(figures, "MOST_BYTES", 2000)
    with pytest.raises(ValueError, match="KB, and 2 are allowed: make it smaller"):
        show(noise(), ALT)
    assert len(shown) == 2 and not plt.get_fignums()


def test_the_maps_colours_are_the_tables() -> None:
    assert np.array_equal(colour_table(True)[::85], np.array([DIVERGING(i, bytes=True)[:3] for i in (0, 85, 170, 255)]))
    assert np.array_equal(colour_table()[::85], np.array([SEQUENTIAL(i, bytes=True)[:3] for i in (0, 85, 170, 255)]))
