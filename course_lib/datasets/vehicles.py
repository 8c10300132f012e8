"""Vehicles and things that are none, with the truth about wheels and metal.

Among what is no vehicle are round things that are no wheels (balls, clocks, portholes, round windows, tree tops) and
grey or metallic things that are no cars (fridges, rocks, concrete houses, animals), so neither feature decides alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

SIZE = 96
FINE = 3  # drawn three times as large and reduced, for soft edges
SIDE = SIZE * FINE
Array = NDArray[np.float64]
Colour = Sequence[float] | Array
Corners = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Vehicles:
    """Pictures and their truth.

    Attributes:
        pictures: (n, 3, 96, 96), in [0, 1]
        labels: (n,), 1 for a vehicle
        wheels: for each picture its wheels as (x, y, horizontal radius, vertical radius) in pixels
        bodies: (n, 96, 96), the pixels of the main thing, without its wheels and windows
        metal: (n,), whether that thing is painted as metal
        kinds: what it is, such as "van" or "clock"
    """

    pictures: Tensor
    labels: Tensor
    wheels: tuple[tuple[tuple[float, float, float, float], ...], ...]
    bodies: Tensor
    metal: Tensor
    kinds: tuple[str, ...]


def vehicles(n: int, seed: int) -> Vehicles:
    """Draw n pictures, about half of them vehicles; picture i of a seed is the same for every n.

    Raises:
        ValueError: if n is below 1

    >>> some = vehicles(3, seed=0)
    >>> some.pictures.shape, some.labels.tolist(), some.kinds
    (torch.Size([3, 3, 96, 96]), [1, 0, 0], ('lorry', 'house', 'boat'))
    """
    if n < 1:
        raise ValueError(f"Ask for at least one picture, not {n}.")
    drawn = [_draw(np.random.default_rng((seed, i))).reduced() for i in range(n)]
    return Vehicles(
        pictures=torch.from_numpy(np.stack([one.colours for one in drawn])).float().permute(0, 3, 1, 2).contiguous(),
        labels=torch.tensor([int(one.kind in VEHICLES) for one in drawn]),
        wheels=tuple(tuple(one.wheels) for one in drawn),
        bodies=torch.from_numpy(np.stack([one.body for one in drawn])),
        metal=torch.tensor([one.metal for one in drawn]),
        kinds=tuple(one.kind for one in drawn),
    )


@dataclass
class _Canvas:
    """A picture in the making; places and sizes are shares of `length`, from (left, ground) rightwards and upwards."""

    rng: np.random.Generator
    left: float = 0
    ground: float = SIDE
    length: float = SIDE
    kind: str = ""
    metal: bool = False
    wheels: list[tuple[float, float, float, float]] = field(default_factory=list)
    body: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((SIDE, SIDE), bool))
    colours: Array = field(default_factory=lambda: np.zeros((SIDE, SIDE, 3)))

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.left + self.length * x, self.ground - self.length * y

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, **paint: bool) -> None:
        corners = [self.at(x - rx, y + ry), self.at(x + rx, y - ry)]
        self._fill(ImageDraw.ImageDraw.ellipse, corners, colour, **paint)

    def polygon(self, corners: Corners, colour: Colour, **paint: bool) -> None:
        self._fill(ImageDraw.ImageDraw.polygon, [self.at(*corner) for corner in corners], colour, **paint)

    def block(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, **paint: bool) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, **paint)

    def _fill(
        self, shape: Callable[..., Any], corners: Corners, colour: Colour, metal: bool = False, body: bool = False
    ) -> None:
        """Metal has a bright horizontal band, as a polished surface does; anything else is flat and grained."""
        stencil = Image.new("L", (SIDE, SIDE))
        shape(ImageDraw.Draw(stencil), corners, fill=1)
        mask = np.asarray(stencil) > 0
        self.body = self.body | mask if body else self.body & ~mask
        self.metal |= body and metal
        top, bottom = min(y for _, y in corners), max(y for _, y in corners)
        down = ((np.arange(SIDE) - top) / (bottom - top))[:, None]
        if metal:
            middle, spread, gloss = self.rng.uniform((0.2, 0.08, 0.35), (0.55, 0.2, 0.8))
            light = 1 - 0.35 * np.clip(down - 0.4, 0, 1) + gloss * np.exp(-(((down - middle) / spread) ** 2))
        else:
            light = (1 - self.rng.uniform(-0.15, 0.25) * (down - 0.5)) * self.grain(6, self.rng.uniform(0.01, 0.07))
        light = np.broadcast_to(light, mask.shape)[mask]
        self.colours[mask] = np.clip(np.asarray(colour) * light[:, None], 0, 255)

    def grain(self, cell: int, spread: float) -> Array:
        """Random brightness around 1, constant in cells of so many fine pixels."""
        return self.rng.normal(1, spread, (SIDE // cell,) * 2).repeat(cell, 0).repeat(cell, 1)

    def wheel(self, x: float, y: float, radius: float, squeeze: float) -> None:
        rx, ry = radius * squeeze, radius
        self.ellipse(x, y, rx, ry, self.grey(25, 45))
        if self.rng.random() < 0.85:
            self.ellipse(x, y, 0.55 * rx, 0.55 * ry, self.grey(120, 215), metal=True)
        across, down = self.at(x, y)
        self.wheels.append((across / FINE, down / FINE, self.length * rx / FINE, self.length * ry / FINE))

    def grey(self, low: float = 95, high: float = 205) -> Array:
        return np.clip(self.rng.uniform(low, high) + self.rng.uniform(-9, 9, 3), 0, 255)

    def vivid(self) -> Array:
        return self.rng.uniform(30, 235, 3)

    def green(self) -> Array:
        return self.rng.uniform((30, 90, 20), (90, 150, 70))

    def grey_or_vivid(self, share: float) -> Array:
        return self.grey() if self.rng.random() < share else self.vivid()

    def reduced(self) -> "_Canvas":
        """At the size of a picture, colours in [0, 1]: nine times smaller to keep."""
        small = np.asarray(Image.fromarray(self.colours.astype(np.uint8)).reduce(FINE))
        self.colours = np.clip(small + self.rng.normal(0, 3, small.shape), 0, 255).round() / 255
        self.body = self.body[FINE // 2 :: FINE, FINE // 2 :: FINE].copy()
        return self


def _draw(rng: np.random.Generator) -> _Canvas:
    canvas = _Canvas(rng)
    horizon = _landscape(canvas)
    canvas.length = SIDE * rng.uniform(0.55, 0.85)
    canvas.left = rng.uniform(0.04 * SIDE, 0.96 * SIDE - canvas.length)
    canvas.ground = min(0.96 * SIDE, SIDE * (1 - horizon) + rng.uniform(18, 60))
    table = VEHICLES if rng.random() < 0.5 else OTHERS
    canvas.kind = str(rng.choice(list(table), p=[share for share, _ in table.values()]))
    table[canvas.kind][1](canvas)
    return canvas


def _landscape(canvas: _Canvas) -> float:
    """Sky, ground, a sun, and up to two things far behind; returns the height of the horizon."""
    rng, horizon = canvas.rng, canvas.rng.uniform(0.28, 0.45)
    row = int(SIDE * (1 - horizon))
    sky = rng.uniform((120, 150, 170), (215, 225, 245)) * np.linspace(1.05, 0.85, row)[:, None, None]
    earth = rng.choice([(95, 95, 98), (105, 135, 70), (165, 145, 110)]) * rng.uniform(0.75, 1.2)
    canvas.colours[:row] = sky
    canvas.colours[row:] = (earth * canvas.grain(9, 0.08)[..., None])[row:]
    np.clip(canvas.colours, 0, 255, out=canvas.colours)
    for _ in range(rng.integers(0, 3)):
        x, r = rng.uniform((0, 0.05), (1, 0.12))
        if rng.random() < 0.5:
            canvas.block(x - 0.02, horizon, x + 0.02, horizon + 0.14, (90, 65, 40))
            canvas.ellipse(x, horizon + 0.14 + 0.6 * r, r, r, canvas.green())
        else:
            canvas.block(x - r, horizon, x + r, horizon + rng.uniform(0.14, 0.4), canvas.grey_or_vivid(0.5))
    if rng.random() < 0.25:
        canvas.ellipse(rng.uniform(0.07, 0.93), rng.uniform(0.75, 0.93), 0.06, 0.06, (250, 230, 140))
    return float(horizon)


def _vehicle(canvas: _Canvas, outline: Corners, window: Corners, axles: Sequence[float]) -> None:
    """Outline and window are given in lengths across, and upwards in heights of the car's bonnet above its base."""
    rng = canvas.rng
    radius, squeeze, height = rng.uniform((0.085, 0.7, 0.15), (0.125, 1, 0.22))
    metal = bool(rng.random() < 0.92)
    colour = (canvas.grey(60, 130) + canvas.vivid()) / 2 if metal else canvas.vivid()
    if rng.random() < 0.65:
        colour = canvas.grey(110, 200)
    corners, panes = ([(x, 0.7 * radius + height * y) for x, y in shape] for shape in (outline, window))
    canvas.polygon(corners, colour, metal=metal, body=True)
    canvas.polygon(panes, rng.uniform((45, 60, 75), (105, 120, 135)))
    for x in axles:
        canvas.wheel(x, 0.6 * radius, radius, squeeze)


def _car(canvas: _Canvas) -> None:
    a, b, top, slope = canvas.rng.uniform((0.12, 0.7, 1.8, 0.06), (0.3, 0.92, 2.1, 0.13))
    roof = [(a + slope, top), (b - slope, top)]
    outline = [(0, 0), (0.01, 0.8), (a, 1), *roof, (b, 1), (0.99, 0.75), (1, 0)]
    window = [(a + 0.6 * slope, 1.05), *((x, top - 0.15) for x, _ in roof), (b - 0.6 * slope, 1.05)]
    _vehicle(canvas, outline, window, (0.2, 0.8))


def _van(canvas: _Canvas) -> None:
    top = canvas.rng.uniform(2, 2.6)
    window = [(0.08, 0.55 * top), (0.08, 0.88 * top), (0.9, 0.88 * top), (0.93, 0.55 * top)]
    _vehicle(canvas, [(0, 0), (0, top), (0.93, top), (1, 0.5 * top), (1, 0)], window, (0.18, 0.8))


def _lorry(canvas: _Canvas) -> None:
    box, cab = [(0, 0), (0, 2.1), (0.68, 2.1), (0.68, 0)], [(0.72, 0), (0.72, 1.8), (0.92, 1.8), (1, 0.95), (1, 0)]
    _vehicle(canvas, [*box, *cab], [(0.77, 0.95), (0.77, 1.6), (0.9, 1.6), (0.95, 0.95)], (0.15, 0.32, 0.85))


def _house(canvas: _Canvas) -> None:
    height, glass = canvas.rng.uniform(0.5, 0.75), (45, 60, 75)
    canvas.block(0, 0, 1, height, canvas.grey_or_vivid(0.6), body=True)
    canvas.polygon([(-0.04, height), (0.5, height + 0.28), (1.04, height)], canvas.vivid())
    for x in (0.25, 0.72):
        if canvas.rng.random() < 0.9:
            canvas.ellipse(x, 0.6 * height, 0.09, 0.09, glass)
        else:
            canvas.block(x - 0.09, 0.6 * height - 0.09, x + 0.09, 0.6 * height + 0.09, glass)


def _rocks(canvas: _Canvas) -> None:
    turn = np.linspace(0, 2 * np.pi, 11)[:-1]
    for _ in range(canvas.rng.integers(1, 4)):
        x, reach = canvas.rng.uniform(0.3, 0.7), canvas.rng.uniform(0.2, 0.4) * canvas.rng.uniform(0.75, 1.1, 10)
        outline = zip(x + reach * np.cos(turn), 0.15 + 0.6 * reach * np.sin(turn), strict=True)
        canvas.polygon(list(outline), canvas.grey(), body=True)


def _balls(canvas: _Canvas) -> None:
    for x in (0.25, 0.72)[: 2 if canvas.rng.random() < 0.75 else 1]:
        r = canvas.rng.uniform(0.1, 0.2)
        canvas.ellipse(x, r, r, r, canvas.vivid() if canvas.rng.random() < 0.35 else (40, 40, 45), body=True)


def _fridge(canvas: _Canvas) -> None:
    half, height = canvas.rng.uniform((0.125, 0.4), (0.4, 0.8))
    canvas.block(0.5 - half, 0, 0.5 + half, height, canvas.grey(120, 210), metal=True, body=True)
    canvas.block(0.5 - half, 0.58 * height, 0.5 + half, 0.6 * height, (60, 60, 65))


def _animal(canvas: _Canvas) -> None:
    brown = np.array([150, 110, 70]) * canvas.rng.uniform(0.6, 1.3)
    colour = canvas.grey(90, 170) if canvas.rng.random() < 0.6 else brown
    for x in (0.22, 0.36, 0.62, 0.76):
        canvas.block(x - 0.045, 0, x + 0.045, 0.28, colour, body=True)
    canvas.ellipse(0.5, 0.34, 0.38, 0.2, colour, body=True)
    canvas.ellipse(0.88, 0.48, 0.13, 0.13, colour, body=True)
    canvas.ellipse(0.92, 0.5, 0.02, 0.02, (20, 20, 20))


def _trees(canvas: _Canvas) -> None:
    for x in (0.3, 0.75):
        r, squeeze = canvas.rng.uniform((0.15, 0.8), (0.24, 1.2))
        canvas.block(x - 0.04, 0, x + 0.04, 0.4, (90, 65, 40))
        canvas.ellipse(x, 0.45, r, r * squeeze, canvas.green(), body=True)


def _clock(canvas: _Canvas) -> None:
    r = canvas.rng.uniform(0.13, 0.24)
    canvas.block(0.475, 0, 0.525, 0.6, canvas.grey())
    canvas.ellipse(0.5, 0.6, r, r, canvas.vivid() if canvas.rng.random() < 0.5 else (35, 35, 40), body=True)
    canvas.ellipse(0.5, 0.6, 0.75 * r, 0.75 * r, (235, 235, 235))


def _boat(canvas: _Canvas) -> None:
    metal = bool(canvas.rng.random() < 0.3)
    hull = [(0.0, 0.2), (1.0, 0.2), (0.85, 0.0), (0.15, 0.0)]
    canvas.polygon(hull, canvas.grey_or_vivid(0.4), metal=metal, body=True)
    canvas.block(0.3, 0.2, 0.65, 0.4, (225, 225, 220))
    for x in (0.35, 0.5, 0.65):
        canvas.ellipse(x, 0.11, 0.052, 0.052, (40, 45, 60))


Kinds = dict[str, tuple[float, Callable[[_Canvas], None]]]
VEHICLES: Kinds = {"car": (0.5, _car), "van": (0.25, _van), "lorry": (0.25, _lorry)}
OTHERS: Kinds = {
    "house": (0.15, _house), "rocks": (0.05, _rocks), "balls": (0.22, _balls), "fridge": (0.16, _fridge),
    "animal": (0.06, _animal), "trees": (0.05, _trees), "clock": (0.07, _clock), "boat": (0.24, _boat),
}  # fmt: skip
"""Each kind's share among its own, and how it is drawn."""
