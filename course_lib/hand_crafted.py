"""Features made by hand: how much a picture looks as if it had wheels, and as if its main thing were of metal.

Both take one picture as an array, (H, W, 3), uint8 or floats in [0, 1], and know nothing of any dataset.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import rgb2gray
from skimage.measure import EllipseModel, find_contours

Array = NDArray[np.float64]
LEVELS = (0.22, 0.3, 0.4, 0.52)
"""The brightnesses at which contours are traced."""


class Ellipse(NamedTuple):
    """A fitted ellipse: centre, half axes and angle in pixels and radians, and its score in [0, 1]."""

    x: float
    y: float
    a: float
    b: float
    angle: float
    score: float


def find_ellipses(picture: NDArray[Any], most: int = 6) -> list[Ellipse]:
    """Regions that look like an ellipse the size of a wheel, best first, no two in one place.

    Contours of the brightness at four levels, an ellipse fitted to each; score = exp(-(rms / 0.06 r)²) coverage², with
    rms the contour's distance from the ellipse, r = sqrt(a b), coverage the share of 24 directions that it takes up.

    Raises:
        ValueError: if the picture isn't (H, W, 3), uint8 or in [0, 1] (so do the other functions)

    >>> y, x = np.mgrid[:48, :48]
    >>> disc = np.clip(np.hypot(x - 20, y - 25) - 7.5, 0.1, 0.9)[..., None].repeat(3, -1)  # dark, of radius 8
    >>> best = find_ellipses(disc)[0]
    >>> round(best.x), round(best.y), round(best.a), best.score > 0.9
    (20, 25, 8, True)
    """
    grey = ndimage.gaussian_filter(rgb2gray(_floats(picture)), 0.6)
    fitted = [_fit(contour[:, ::-1]) for level in LEVELS for contour in find_contours(grey, level)]
    kept: list[Ellipse] = []
    for one in sorted((e for e in fitted if e), key=lambda e: -e.score):
        if all(np.hypot(one.x - other.x, one.y - other.y) > 8 for other in kept):
            kept.append(one)
    return kept[:most]


def _fit(points: Array) -> Ellipse | None:
    width, height = np.ptp(points, 0)
    small, large = sorted((width, height))
    if not 18 <= len(points) <= 130 or small < 5 or large > 28 or small < 0.55 * large:
        return None
    model = EllipseModel.from_estimate(points) if hasattr(EllipseModel, "from_estimate") else _old_fit(points)
    if not model:
        return None
    (x, y), (a, b), angle = model.center, model.axis_lengths, model.theta
    if not (2.5 < min(a, b) and max(a, b) < 15 and min(a, b) > 0.55 * max(a, b)):
        return None
    rms = float(np.sqrt(np.mean(_squared_distances(points - (x, y), a, b, angle))))
    directions = np.floor((np.arctan2(points[:, 1] - y, points[:, 0] - x) / (2 * np.pi) + 0.5) * 24)
    score = np.exp(-((rms / (0.06 * np.sqrt(a * b))) ** 2)) * (len(np.unique(directions)) / 24) ** 2
    return Ellipse(float(x), float(y), float(a), float(b), float(angle), float(score))


def _squared_distances(points: Array, a: float, b: float, angle: float) -> Array:
    """From each point to the nearest (a cos t, b sin t): the best t of 64, then Newton's method.

    `EllipseModel.residuals` gives the same, but point by point in Python, for most of the time that a picture takes.
    """
    turned = points @ [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    x, y = turned[:, :1], turned[:, 1:]
    tried = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    t = tried[((x - a * np.cos(tried)) ** 2 + (y - b * np.sin(tried)) ** 2).argmin(1)][:, None]
    for _ in range(4):
        cos, sin = np.cos(t), np.sin(t)
        slope = a * x * sin - b * y * cos - (a**2 - b**2) * sin * cos
        curvature = a * x * cos + b * y * sin - (a**2 - b**2) * (cos**2 - sin**2)
        t = t - slope / np.maximum(curvature, 0.1 * b**2)  # not 0, where a point lies at the centre of curvature
    found: Array = (x - a * np.cos(t)) ** 2 + (y - b * np.sin(t)) ** 2
    return found[:, 0]


def _old_fit(points: Array) -> Any:
    """`from_estimate` for scikit-image before 0.26."""
    model = EllipseModel()
    if not model.estimate(points):
        return None
    x, y, a, b, theta = model.params
    model.center, model.axis_lengths, model.theta = (x, y), (a, b), theta
    return model


def wheel_score(picture: NDArray[Any]) -> float:
    """How much the picture looks as if it had wheels: the scores of its two best ellipses added up, 0 to 2.

    >>> wheel_score(np.full((48, 48, 3), 0.5))
    0.0
    """
    return sum((one.score for one in find_ellipses(picture, 2)), 0.0)


def main_region(picture: NDArray[Any]) -> NDArray[np.bool_]:
    """The pixels (H, W) of the largest connected thing that differs from its row's colour at both sides of the picture.

    >>> picture = np.full((40, 40, 3), 0.2); picture[10:30, 12:28] = 0.9
    >>> bool(main_region(picture)[20, 20]), bool(main_region(picture)[2, 2])
    (True, False)
    """
    colours = 255 * _floats(picture)
    smooth = ndimage.uniform_filter(colours, (3, 3, 0))
    sides = [np.median(side, 1, keepdims=True) for side in (colours[:, :3], colours[:, -3:])]
    apart = [np.abs(smooth - ndimage.uniform_filter1d(side, 5, 0)).max(-1) for side in sides]
    labels, found = ndimage.label(ndimage.binary_opening(np.minimum(*apart) > 26))
    if not found:
        return np.ones(labels.shape, bool)
    region: NDArray[np.bool_] = labels == 1 + np.bincount(labels.ravel())[1:].argmax()
    return region


def metal_score(picture: NDArray[Any]) -> float:
    """How metallic the paint of the main region looks: how far its brightest row stands above its middle row, 0 to 1.

    A polished surface shows a bright band; min(1, (max - median) / (median + 0.1) / 0.8) of the rows' median
    brightnesses. The paint is what has the region's main colour, so wheels and windows don't count.

    >>> metal_score(np.zeros((48, 48, 3)))
    0.0
    """
    colours = _floats(picture)
    value = colours.max(-1)
    chroma = colours - colours.mean(-1, keepdims=True)
    region = main_region(picture)
    lit = region & (value > 0.25)
    main = np.median(chroma[lit if lit.sum() > 20 else region], 0)
    paint = region & (value > 0.22) & (np.abs(chroma - main).max(-1) < 0.09)
    paint = paint if paint.sum() >= 40 else region
    rows = [np.median(value[y, paint[y]]) for y in np.flatnonzero(paint.sum(1) >= 8)]
    if len(rows) < 4:
        return 0.0
    return float(np.clip((max(rows) - np.median(rows)) / (np.median(rows) + 0.1) / 0.8, 0, 1))


def _floats(picture: NDArray[Any]) -> Array:
    array = np.asarray(picture)
    if array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise ValueError(f"A picture is (height, width, 3); this one is {array.shape}.")
    values = array / 255 if array.dtype == np.uint8 else array.astype(float)
    if not (values.min() >= 0 and values.max() <= 1):
        found = f"{values.min():.4g} to {values.max():.4g}"
        raise ValueError(f"A picture is uint8, 0 to 255, or floats in [0, 1]; these are {array.dtype}, {found}.")
    return values
