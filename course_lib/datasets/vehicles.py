"""Vehicles and things that are none, with the truth about wheels and metal.

Among what is no vehicle are round things that are no wheels (balls, clocks, portholes, tree tops, suns) and grey or
metallic things that are no cars (fridges, rocks, concrete houses, animals), so neither feature decides alone. Drawn at
three times the size and reduced.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

SIZE, FINE = 96, 3
SIDE = SIZE * FINE
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Colour = Sequence[float] | Array


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
    (torch.Size([3, 3, 96, 96]), [0, 1, 1], ('balls', 'lorry', 'car'))
    """
    if n < 1:
        raise ValueError(f"Ask for at least one picture, not {n}.")
    drawn = [_draw(np.random.default_rng((seed, i))) for i in range(n)]
    pictures = np.stack([one.reduced() for one in drawn]).transpose(0, 3, 1, 2)
    return Vehicles(
        pictures=torch.from_numpy(pictures.astype(np.float32)),
        labels=torch.tensor([int(one.kind in VEHICLES) for one in drawn]),
        wheels=tuple(tuple(one.wheels) for one in drawn),
        bodies=torch.from_numpy(np.stack([one.body[FINE // 2 :: FINE, FINE // 2 :: FINE] for one in drawn])),
        metal=torch.tensor([one.metal for one in drawn]),
        kinds=tuple(one.kind for one in drawn),
    )


@dataclass
class _Canvas:
    """A picture in the making, in fine pixels, and what has become true of it."""

    rng: np.random.Generator
    colours: Array = field(default_factory=lambda: np.zeros((SIDE, SIDE, 3)))
    wheels: list[tuple[float, float, float, float]] = field(default_factory=list)
    body: Mask = field(default_factory=lambda: np.zeros((SIDE, SIDE), bool))
    metal: bool = False
    kind: str = ""

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, **how: bool) -> None:
        self._fill(lambda pen: pen.ellipse((x - rx, y - ry, x + rx, y + ry), fill=255), colour, **how)

    def polygon(self, corners: Sequence[tuple[float, float]], colour: Colour, **how: bool) -> None:
        self._fill(lambda pen: pen.polygon(list(corners), fill=255), colour, **how)

    def block(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, **how: bool) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, **how)

    def _fill(
        self, shape: Callable[[ImageDraw.ImageDraw], None], colour: Colour, metal: bool = False, body: bool = False
    ) -> None:
        """Metal has a bright horizontal band, as a polished surface does; anything else is flat and grained."""
        stencil = Image.new("L", (SIDE, SIDE))
        shape(ImageDraw.Draw(stencil))
        mask = np.asarray(stencil) > 0
        self.body = self.body | mask if body else self.body & ~mask
        self.metal |= body and metal
        around = stencil.getbbox()
        if around is None:
            return
        part = np.s_[around[1] : around[3], around[0] : around[2]]
        height, width = mask[part].shape
        down = np.linspace(0, 1, height)
        grain = np.ones((height, width))
        if metal:
            middle, spread, gloss = self.rng.uniform((0.2, 0.08, 0.35), (0.55, 0.2, 0.8))
            light = 1 - 0.35 * np.clip(down - 0.4, 0, 1) + gloss * np.exp(-(((down - middle) / spread) ** 2))
        else:
            light = 1 - self.rng.uniform(-0.15, 0.25) * (down - 0.5)
            grain = 1 + _cells(self.rng, 6, self.rng.uniform(0.01, 0.07), height, width)
        shaded = np.clip(np.asarray(colour) * (light[:, None] * grain)[..., None], 0, 255)
        self.colours[part][mask[part]] = shaded[mask[part]]

    def wheel(self, x: float, y: float, radius: float, squeeze: float) -> None:
        self.ellipse(x, y, radius * squeeze, radius, 25 + self.rng.uniform(0, 20) + np.array([0, 0, 3]))
        if self.rng.random() < 0.85:
            self.ellipse(x, y, 0.55 * radius * squeeze, 0.55 * radius, self.grey(120, 215), metal=True)
        if self.rng.random() < 0.5:
            self.ellipse(x, y, 0.18 * radius * squeeze, 0.18 * radius, (40, 40, 45))
        self.wheels.append((x / FINE, y / FINE, radius * squeeze / FINE, radius / FINE))

    def grey(self, low: float = 95, high: float = 205) -> Array:
        return np.clip(self.rng.uniform(low, high) + self.rng.uniform(-9, 9, 3), 0, 255)

    def vivid(self) -> Array:
        return self.rng.uniform(30, 235, 3)

    def green(self) -> Array:
        return self.rng.uniform((30, 90, 20), (90, 150, 70))

    def reduced(self) -> Array:
        small = Image.fromarray(self.colours.astype(np.uint8)).reduce(FINE)
        return np.clip((np.asarray(small) + self.rng.normal(0, 3, (SIZE, SIZE, 3))).round(), 0, 255) / 255


def _cells(rng: np.random.Generator, side: int, spread: float, height: int = SIDE, width: int = SIDE) -> Array:
    """Noise that is constant in cells of `side` fine pixels."""
    noise = rng.normal(0, spread, (height // side + 1, width // side + 1))
    grown: Array = noise.repeat(side, 0).repeat(side, 1)[:height, :width]
    return grown


def _draw(rng: np.random.Generator) -> _Canvas:
    canvas = _Canvas(rng)
    horizon = _landscape(canvas)
    length = SIDE * rng.uniform(0.55, 0.85)
    left = rng.uniform(0.04 * SIDE, 0.96 * SIDE - length)
    ground = min(SIDE - 12, horizon + rng.uniform(18, 60))
    table = VEHICLES if rng.random() < 0.5 else OTHERS
    kinds, shares = list(table), np.array([share for share, _ in table.values()])
    canvas.kind = kinds[rng.choice(len(kinds), p=shares / shares.sum())]
    table[canvas.kind][1](canvas, left, ground, length)
    return canvas


def _landscape(canvas: _Canvas) -> int:
    """Sky, ground, and up to two things far behind; returns the row of the horizon."""
    rng, rows = canvas.rng, np.arange(SIDE)
    horizon = int(SIDE * rng.uniform(0.55, 0.72))
    sky = rng.uniform((120, 150, 170), (215, 225, 245)) * (1.05 - 0.2 * rows / horizon)[:, None]
    earth = np.array([(95, 95, 98), (105, 135, 70), (165, 145, 110)][rng.integers(3)]) * rng.uniform(0.75, 1.2)
    canvas.colours[:] = sky[:, None]
    canvas.colours[horizon:] = earth * (1 + _cells(rng, 9, 0.08)[horizon:, :, None])
    np.clip(canvas.colours, 0, 255, out=canvas.colours)
    for _ in range(rng.integers(0, 3)):
        x, r = rng.uniform(0, SIDE), rng.uniform(14, 34)
        if rng.random() < 0.5:
            canvas.block(x - 5, horizon - 40, x + 5, horizon, (90, 65, 40))
            canvas.ellipse(x, horizon - 40 - 0.6 * r, r, r, canvas.green())
        else:
            colour = canvas.grey() if rng.random() < 0.5 else canvas.vivid()
            canvas.block(x - r, horizon - rng.uniform(40, 110), x + r, horizon, colour)
    if rng.random() < 0.25:
        canvas.ellipse(rng.uniform(20, SIDE - 20), rng.uniform(20, 70), 17, 17, (250, 230, 140))
    return horizon


def _vehicle(outline: str, wheels: Sequence[float]) -> Callable[[_Canvas, float, float, float], None]:
    def draw(canvas: _Canvas, x: float, ground: float, length: float) -> None:
        rng = canvas.rng
        radius, squeeze, height = length * rng.uniform(0.085, 0.125), rng.uniform(0.7, 1), rng.uniform(0.15, 0.22)
        base, metal = ground - 0.7 * radius, bool(rng.random() < 0.92)
        painted = (canvas.grey(60, 130) + canvas.vivid()) / 2 if metal else canvas.vivid()
        colour = canvas.grey(110, 200) if rng.random() < 0.65 else painted

        def corners(*shares: tuple[float, float]) -> list[tuple[float, float]]:
            return [(x + length * a, base - length * height * b) for a, b in shares]

        a, b, top, slope = rng.uniform((0.12, 0.7, 1.8, 0.06), (0.3, 0.92, 2.1, 0.13))
        box = rng.uniform(2.0, 2.6)
        outlines = {
            "car": [(0, 0), (0.01, 0.8), (a, 1), (a + slope, top), (b - slope, top), (b, 1), (0.99, 0.75), (1, 0)],
            "van": [(0, 0), (0, box), (0.93, box), (1, 0.5 * box), (1, 0)],
            "lorry": [(0, 0), (0, 2.1), (0.68, 2.1), (0.68, 0), (0.72, 0), (0.72, 1.8), (0.92, 1.8), (1, 0.95), (1, 0)],
        }
        windows = {
            "car": [(a + 0.6 * slope, 1.05), (a + slope, top - 0.15), (b - slope, top - 0.15), (b - 0.6 * slope, 1.05)],
            "van": [(0.08, 0.55 * box), (0.08, 0.88 * box), (0.9, 0.88 * box), (0.93, 0.55 * box)],
            "lorry": [(0.77, 0.95), (0.77, 1.6), (0.9, 1.6), (0.95, 0.95)],
        }
        canvas.polygon(corners(*outlines[outline]), colour, metal=metal, body=True)
        canvas.polygon(corners(*windows[outline]), np.array([45, 60, 75]) + rng.uniform(0, 60))
        for share in wheels:
            canvas.wheel(x + length * share, base + 0.1 * radius, radius, squeeze)

    return draw


def _house(canvas: _Canvas, x: float, ground: float, length: float) -> None:
    height = length * canvas.rng.uniform(0.5, 0.75)
    colour = canvas.grey() if canvas.rng.random() < 0.6 else canvas.vivid()
    canvas.block(x, ground - height, x + length, ground, colour, body=True)
    roof = [
        (x - 8, ground - height),
        (x + length / 2, ground - height - 0.28 * length),
        (x + length + 8, ground - height),
    ]
    canvas.polygon(roof, canvas.vivid())
    for share in (0.25, 0.72):
        cx, cy, r = x + length * share, ground - 0.6 * height, 0.09 * length
        if canvas.rng.random() < 0.9:
            canvas.ellipse(cx, cy, r, r, (45, 60, 75))
        else:
            canvas.block(cx - r, cy - r, cx + r, cy + r, (45, 60, 75))


def _rocks(canvas: _Canvas, x: float, ground: float, length: float) -> None:
    for _ in range(canvas.rng.integers(1, 4)):
        turn = np.linspace(0, 2 * np.pi, 11)[:-1]
        reach = length * canvas.rng.uniform(0.2, 0.4) * canvas.rng.uniform(0.75, 1.1, 10)
        cx = x + length * canvas.rng.uniform(0.3, 0.7)
        outline = np.stack([cx + reach * np.cos(turn), ground - 0.15 * length + 0.6 * reach * np.sin(turn)], 1)
        canvas.polygon([(float(a), float(b)) for a, b in outline], canvas.grey(), body=True)


def _balls(canvas: _Canvas, x: float, ground: float, length: float) -> None:
    for share in (0.25, 0.72)[: 2 if canvas.rng.random() < 0.75 else 1]:
        r = length * canvas.rng.uniform(0.1, 0.2)
        colour = canvas.vivid() if canvas.rng.random() < 0.35 else np.array([40, 40, 45])
        canvas.ellipse(x + length * share, ground - r, r, r, colour, body=True)


def _fridge(canvas: _Canvas, x: float, ground: float, length: float) -> None:
    width, height = length * canvas.rng.uniform((0.25, 0.4), (0.8, 0.8))
    left = x + (length - width) / 2
    canvas.block(left, ground - height, left + width, ground, canvas.grey(120, 210), metal=True, body=True)
    canvas.block(left, ground - 0.6 * height, left + width, ground - 0.58 * height, (60, 60, 65))


def _animal(canvas: _Canvas, x: float, ground: float, length: float) -> None:
    brown = np.array([150, 110, 70]) * canvas.rng.uniform(0.6, 1.3)
    colour, ry = canvas.grey(90, 170) if canvas.rng.random() < 0.6 else brown, 0.2 * length
    for share in (0.22, 0.36, 0.62, 0.76):
        canvas.block(x + length * share - 9, ground - 1.4 * ry, x + length * share + 9, ground, colour, body=True)
    canvas.ellipse(x + length / 2, ground - 1.7 * ry, 0.38 * length, ry, colour, body=True)
    canvas.ellipse(x + 0.88 * length, ground - 2.4 * ry, 0.13 * length, 0.13 * length, colour, body=True)
    canvas.ellipse(x + 0.92 * length, ground - 2.5 * ry, 4, 4, (20, 20, 20))


def _trees(canvas: _Canvas, x: float, ground: float, length: float) -> None:
    for share in (0.3, 0.75):
        r, cx = length * canvas.rng.uniform(0.15, 0.24), x + length * share
        canvas.block(cx - 8, ground - 0.4 * length, cx + 8, ground, (90, 65, 40))
        canvas.ellipse(cx, ground - 0.45 * length, r, r * canvas.rng.uniform(0.8, 1.2), canvas.green(), body=True)


def _clock(canvas: _Canvas, x: float, ground: float, length: float) -> None:
    r, cx, cy = length * canvas.rng.uniform(0.13, 0.24), x + length / 2, ground - 0.6 * length
    canvas.block(cx - 5, cy, cx + 5, ground, canvas.grey())
    canvas.ellipse(cx, cy, r, r, canvas.vivid() if canvas.rng.random() < 0.5 else (35, 35, 40), body=True)
    canvas.ellipse(cx, cy, 0.75 * r, 0.75 * r, (235, 235, 235))


def _boat(canvas: _Canvas, x: float, ground: float, length: float) -> None:
    height, metal = 0.2 * length, bool(canvas.rng.random() < 0.2)
    colour = canvas.grey() if canvas.rng.random() < 0.4 else canvas.vivid()
    hull = [(0.0, 1.0), (1.0, 1.0), (0.85, 0.0), (0.15, 0.0)]
    canvas.polygon([(x + length * a, ground - height * b) for a, b in hull], colour, metal=metal, body=True)
    canvas.block(x + 0.3 * length, ground - 2 * height, x + 0.65 * length, ground - height, (225, 225, 220))
    for share in (0.35, 0.5, 0.65):
        canvas.ellipse(x + length * share, ground - 0.55 * height, 0.26 * height, 0.26 * height, (40, 45, 60))


Kinds = dict[str, tuple[float, Callable[[_Canvas, float, float, float], None]]]
VEHICLES: Kinds = {
    "car": (0.5, _vehicle("car", (0.2, 0.8))),
    "van": (0.25, _vehicle("van", (0.18, 0.8))),
    "lorry": (0.25, _vehicle("lorry", (0.15, 0.32, 0.85))),
}
OTHERS: Kinds = {
    "house": (0.18, _house), "rocks": (0.05, _rocks), "balls": (0.25, _balls), "fridge": (0.1, _fridge),
    "animal": (0.06, _animal), "trees": (0.05, _trees), "clock": (0.07, _clock), "boat": (0.24, _boat),
}  # fmt: skip
"""Each kind's share among its own, and how it is drawn."""
