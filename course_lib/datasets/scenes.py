"""Scenes: drawn pictures whose truth is known, with one object that decides the class among others that don't.

A scene is 64 x 64 pixels: a textured background, clutter, one object of a class shape, up to two of shapes that are no
class, and often a bar in front. Shapes, colours, sizes, angles and places are drawn at random and independently, so
neither colour nor place gives the class away.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIZE = 64
CLASSES = ("circle", "square", "triangle", "star", "cross", "ring")
OTHERS = ("hexagon", "crescent", "drop", "plank")
SHAPES = CLASSES + OTHERS
COLOURS = {
    "red": (0.86, 0.13, 0.14),
    "green": (0.13, 0.62, 0.22),
    "blue": (0.14, 0.30, 0.85),
    "yellow": (0.95, 0.85, 0.15),
    "purple": (0.55, 0.17, 0.70),
    "orange": (0.97, 0.52, 0.08),
}
VISIBLE = (0.03, 0.25)
"""What share of the picture the deciding object covers, at least and at most."""

Array = NDArray[np.float64]
_Y, _X = np.mgrid[0:SIZE, 0:SIZE] + 0.5


@dataclass(frozen=True)
class Scenes:
    """Pictures and their truth; K is the largest number of objects in a scene.

    Attributes:
        pictures: (n, 3, 64, 64), in [0, 1]
        labels: (n,), the class of the deciding object, a place in `CLASSES`
        masks: (n, K, 64, 64), the visible pixels of each object
        boxes: (n, K, 4), x0, y0, x1, y1 of each mask in pixels, half-open
        shapes: (n, K), a place in `SHAPES`, or -1 where there is no object
        colours: (n, K), a place in `COLOURS`, or -1
        decisive: (n,), which of the K objects decides the class
        captions: such as "a red circle left of a blue hexagon"
    """

    pictures: Tensor
    labels: Tensor
    masks: Tensor
    boxes: Tensor
    shapes: Tensor
    colours: Tensor
    decisive: Tensor
    captions: tuple[str, ...]


def scenes(n: int, seed: int) -> Scenes:
    """Draw n scenes; picture i of a seed is the same for every n.

    Raises:
        ValueError: if n is below 1

    >>> some = scenes(2, seed=0)
    >>> some.pictures.shape, some.masks.shape
    (torch.Size([2, 3, 64, 64]), torch.Size([2, 3, 64, 64]))
    >>> some.captions[0]
    'a purple circle'
    """
    return _collect([_draw(np.random.default_rng((seed, i)), pair=False) for i in range(_at_least_one(n))])


def pairs(n: int, seed: int) -> Scenes:
    """Draw n scenes with two objects of two different classes; the first decides the label.

    What a dog and a cat in one photograph are for a network of photographs: each class can be asked for.

    >>> some = pairs(1, seed=0)
    >>> (some.shapes[0] >= 0).tolist()  # two objects, and the third place empty
    [True, True, False]
    """
    return _collect([_draw(np.random.default_rng((seed, i)), pair=True) for i in range(_at_least_one(n))])


def _at_least_one(n: int) -> int:
    if n < 1:
        raise ValueError(f"Ask for at least one scene, not {n}.")
    return n


# Each shape: below 0 inside, and roughly a distance in units of the radius; u and v run from -1 to 1 over the shape.
def _polygon(u: Array, v: Array, corners: int) -> Array:
    wedge = 2 * np.pi / corners
    level: Array = np.hypot(u, v) * np.cos(np.mod(np.arctan2(v, u), wedge) - wedge / 2) - np.cos(wedge / 2)
    return level


def _star(u: Array, v: Array, notch: float = 0.45) -> Array:
    fold = np.abs(np.mod(np.arctan2(v, u), 2 * np.pi / 5) - np.pi / 5)  # 0 at a notch, π/5 at a tip
    x, y = np.hypot(u, v) * np.cos(fold), np.hypot(u, v) * np.sin(fold)
    edge = np.cos(np.pi / 5) - notch, np.sin(np.pi / 5)
    return np.asarray(((x - notch) * edge[1] - y * edge[0]) / np.hypot(*edge))


def _box(u: Array, v: Array, width: float, height: float) -> Array:
    return np.maximum(np.abs(u) - width, np.abs(v) - height)


LEVELS: dict[str, Callable[[Array, Array], Array]] = {
    "circle": lambda u, v: np.hypot(u, v) - 0.95,
    "square": lambda u, v: _box(u, v, 0.82, 0.82),
    "triangle": lambda u, v: _polygon(u, v, 3),
    "star": _star,
    "cross": lambda u, v: np.minimum(_box(u, v, 0.95, 0.32), _box(u, v, 0.32, 0.95)),
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.7) - 0.26,
    "hexagon": lambda u, v: _polygon(u, v, 6),
    "crescent": lambda u, v: np.maximum(np.hypot(u, v) - 0.95, 0.8 - np.hypot(u - 0.55, v)),
    "drop": lambda u, v: np.hypot(u * (1.15 + 0.75 * v), 0.95 * v) - 0.8,
    "plank": lambda u, v: _box(u, v, 1.0, 0.34),
}


def _smooth_noise(rng: np.random.Generator, cells: int) -> Array:
    """Values in [-1, 1] on a grid of cells, joined smoothly."""
    at = np.linspace(0, cells, SIZE, endpoint=False)
    low = at.astype(int)
    part = at - low
    blend = np.zeros((SIZE, cells + 1))
    blend[np.arange(SIZE), low] = 1 - part**2 * (3 - 2 * part)
    blend[np.arange(SIZE), low + 1] = part**2 * (3 - 2 * part)
    return np.asarray(blend @ rng.uniform(-1, 1, (cells + 1, cells + 1)) @ blend.T)


def _background(rng: np.random.Generator) -> Array:
    """(3, 64, 64): a colour with one of four textures, uneven light and grain."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 16)
    along = (np.cos(angle) * _X + np.sin(angle) * _Y) * 2 * np.pi / period + rng.uniform(0, 6.28)
    across = (-np.sin(angle) * _X + np.cos(angle) * _Y) * 2 * np.pi / period
    textures = (
        lambda: _smooth_noise(rng, 16),
        lambda: np.sin(along),
        lambda: np.tanh(4 * np.sin(along) * np.sin(across)),
        lambda: _smooth_noise(rng, 5),
    )
    texture = textures[rng.integers(4)]() * rng.uniform(0.03, 0.16)
    base = rng.uniform(0.2, 0.85) + rng.uniform(-0.12, 0.12, (3, 1, 1))
    light = 0.1 * _smooth_noise(rng, 3)
    return np.asarray(base + texture * rng.uniform(0.6, 1.4, (3, 1, 1)) + light + rng.normal(0, 0.025, (3, SIZE, SIZE)))


def _line(start: Array, end: Array, width: float) -> Array:
    """How far each pixel is covered by a straight line with round ends."""
    way = end - start
    t = np.clip(((_X - start[0]) * way[0] + (_Y - start[1]) * way[1]) / (way @ way + 1e-6), 0, 1)
    cover: Array = np.clip(width + 0.5 - np.hypot(_X - start[0] - t * way[0], _Y - start[1] - t * way[1]), 0, 1)
    return cover


def _clutter(rng: np.random.Generator, picture: Array) -> None:
    """Specks and dashes, many in the objects' own colours, so that colour alone finds nothing."""
    palette = list(COLOURS.values())
    for _ in range(rng.integers(6, 12)):
        start, angle = rng.uniform(0, SIZE, 2), rng.uniform(0, 6.28)
        length, width = (rng.uniform(3, 9), rng.uniform(0.3, 0.9)) if rng.random() < 0.5 else (0, rng.uniform(0.6, 2.4))
        colour = palette[rng.integers(6)] if rng.random() < 0.6 else rng.uniform(0, 1, 3)
        end = start + length * np.array([np.cos(angle), np.sin(angle)])
        _paint(picture, _line(start, end, width) * rng.uniform(0.5, 1), np.asarray(colour)[:, None, None])


def _paint(picture: Array, cover: Array, colour: Array) -> None:
    picture += cover * (colour - picture)


@dataclass(frozen=True)
class _Drawn:
    picture: Array
    masks: NDArray[np.bool_]
    shapes: list[int]
    colours: list[int]
    decisive: int
    caption: str


def _draw(rng: np.random.Generator, pair: bool) -> _Drawn:
    """One scene, drawn again until the deciding object (both of a pair) can be seen well enough."""
    while True:
        deciding = rng.choice(len(CLASSES), 2 if pair else 1, replace=False)
        others = len(CLASSES) + rng.choice(len(OTHERS), 0 if pair else rng.integers(0, 3), replace=False)
        shapes = np.concatenate([deciding, others]).astype(int)
        depth = rng.permutation(len(shapes))  # the last one lies in front
        shapes, decisive = shapes[depth], int(np.argmin(depth))
        colours = rng.choice(len(COLOURS), len(shapes), replace=False)
        radii = rng.uniform(9, 16, len(shapes)) * np.where(np.isin(shapes, deciding), 1, 0.85)
        centres = np.array([rng.uniform(0.8 * r, SIZE - 0.8 * r, 2) for r in radii])
        gaps = [
            np.hypot(*(centres[a] - centres[b])) / (radii[a] + radii[b]) for a in range(len(radii)) for b in range(a)
        ]
        if gaps and min(gaps) < 0.6:  # objects may hide each other in part, no more
            continue
        picture, covers = _background(rng), []
        _clutter(rng, picture)
        for shape, colour, radius, centre in zip(shapes, colours, radii, centres, strict=True):
            covers.append(_object(rng, picture, SHAPES[shape], list(COLOURS.values())[colour], radius, centre))
        if rng.random() < 0.5:  # a bar in front of everything
            middle, way = rng.uniform(8, SIZE - 8, 2), rng.normal(size=2)
            reach = way / np.hypot(*way) * rng.uniform(8, 24)
            covers.append(_line(middle - reach, middle + reach, rng.uniform(1, 2.6)))
            _paint(picture, covers[-1], rng.uniform(0.1, 0.9) + rng.uniform(-0.05, 0.05, (3, 1, 1)))
        top = np.zeros((SIZE, SIZE), int)
        for place, cover in enumerate(covers, 1):
            top[cover > 0.5] = place
        masks = np.stack([top == place for place in range(1, len(shapes) + 1)])
        seen = masks.mean((1, 2)) / np.maximum([(cover > 0.5).mean() for cover in covers[: len(shapes)]], 1e-9)
        must = np.isin(shapes, deciding)
        area = masks[must].mean((1, 2))
        if (area >= VISIBLE[0]).all() and (area <= VISIBLE[1]).all() and (seen[must] >= 0.6).all():
            caption = _caption(shapes, colours, centres, decisive)
            return _Drawn(np.clip(picture, 0, 1), masks, list(shapes), list(colours), decisive, caption)


def _object(
    rng: np.random.Generator, picture: Array, shape: str, colour: Sequence[float], radius: float, centre: Array
) -> Array:
    """Paint one object, shaded and grained, and return how far it covers each pixel."""
    angle = rng.uniform(0, 2 * np.pi)
    u, v = (_X - centre[0]) / radius, (_Y - centre[1]) / radius
    turned = np.cos(angle) * u + np.sin(angle) * v, -np.sin(angle) * u + np.cos(angle) * v
    cover: Array = np.clip(0.5 - LEVELS[shape](*turned) * radius, 0, 1)
    shade = 1 + rng.uniform(-0.22, 0.22) * u + rng.uniform(-0.22, 0.22) * v + rng.normal(0, 0.05, u.shape)
    tint = np.asarray(colour) + rng.uniform(-0.06, 0.06, 3)
    _paint(picture, cover, tint[:, None, None] * np.clip(shade, 0.5, 1.5))
    return cover


def _caption(shapes: NDArray[np.int_], colours: NDArray[np.int_], centres: Array, decisive: int) -> str:
    """The deciding object and, if there is another, where it lies from there."""
    tints = [list(COLOURS)[c] for c in colours]
    names = [f"{'an' if t[0] == 'o' else 'a'} {t} {SHAPES[s]}" for s, t in zip(shapes, tints, strict=True)]
    if len(names) == 1:
        return names[0]
    other = 1 if decisive == 0 else 0
    right, down = centres[decisive] - centres[other]
    words, way = (("left of", "right of"), right) if abs(right) > abs(down) else (("above", "below"), down)
    return f"{names[decisive]} {words[int(way > 0)]} {names[other]}"


def _collect(drawn: list[_Drawn], k: int = 3) -> Scenes:
    masks = np.zeros((len(drawn), k, SIZE, SIZE), bool)
    shapes, colours = np.full((2, len(drawn), k), -1)
    for i, one in enumerate(drawn):
        masks[i, : len(one.masks)] = one.masks
        shapes[i, : len(one.shapes)], colours[i, : len(one.colours)] = one.shapes, one.colours
    decisive = np.array([one.decisive for one in drawn])
    return Scenes(
        pictures=torch.from_numpy(np.stack([one.picture for one in drawn]).astype(np.float32)),
        labels=torch.from_numpy(shapes[np.arange(len(drawn)), decisive]),
        masks=torch.from_numpy(masks),
        boxes=torch.from_numpy(_boxes(masks)),
        shapes=torch.from_numpy(shapes),
        colours=torch.from_numpy(colours),
        decisive=torch.from_numpy(decisive),
        captions=tuple(one.caption for one in drawn),
    )


def _boxes(masks: NDArray[np.bool_]) -> NDArray[np.int_]:
    columns, rows = np.asarray(masks.any(-2)), np.asarray(masks.any(-1))
    return np.stack(
        [
            columns.argmax(-1),
            rows.argmax(-1),
            np.where(columns.any(-1), SIZE - columns[..., ::-1].argmax(-1), 0),
            np.where(rows.any(-1), SIZE - rows[..., ::-1].argmax(-1), 0),
        ],
        -1,
    )
