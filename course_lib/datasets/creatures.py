"""Two families of creatures, drawn by chance and written to disk as real files: what comes back depends on the format.

A creature is 64 x 64 pixels, drawn large and made smaller. Five parts tell its family by *shape* alone: the outline of
the body, ears, feet, tail and crest are rounded in the one, pointed in the other. Colours, pose, size, eyes and pattern
follow one law for both. Each part takes the other family's shape with probability `mix`, so the best accuracy that any
classifier of shapes can reach is known (`ceiling`). Nothing here paints a black background: a picture with transparency
holds what `Image.new("RGBA")` leaves under its transparent pixels, and that is what dropping the alpha channel shows.
"""

import colorsys
import io
import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw
from torch import Tensor

FAMILIES = ("rounded", "pointed")
SIZE, LARGE = 64, 256
COLOURS = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (128, 128, 128)}
WAYS = ("png", "jpeg", "hard", *COLOURS)
"""How a family is written: with transparency; on white, as JPEG of quality 75 to 90; on white without blending the
edges; blended with white, black or grey. All but the second are lossless PNG files."""
REPAIRS = ("none", "re-encoded", "same history")
"""What `read` does to a file besides dropping alpha."""
QUALITIES = (75, 91)
Array = NDArray[np.float64]
Colour = tuple[int, ...]


def ceiling(mix: float, parts: int = 5) -> float:
    """The best accuracy by shape: that most of the parts have their own family's shape.

    >>> [round(ceiling(mix), 3) for mix in (0.1, 0.2, 0.3)]
    [0.991, 0.942, 0.837]
    """
    own = range(parts // 2 + 1, parts + 1)
    return sum(math.comb(parts, k) * (1 - mix) ** k * mix ** (parts - k) for k in own)


def creatures(n: int, seed: int, mix: float = 0.1) -> Iterator[tuple[Image.Image, int]]:
    """n creatures, RGBA, and their family, 0 and 1 in turn; each follows from the seed, its place and the mix.

    Raises:
        ValueError: for fewer than two, or a mix that isn't between 0 and 0.5
    """
    if n < 2 or not 0 <= mix <= 0.5:
        raise ValueError(f"Two families need at least two creatures and a mix from 0 to 0.5, not {n} and {mix}.")
    for place in range(n):
        random = np.random.default_rng([seed, place])
        styles = [place % 2 ^ int(random.random() < mix) for _ in range(5)]
        yield _Creature(random).draw(styles), place % 2


@lru_cache(maxsize=2)
def _drawn(n: int, seed: int, mix: float) -> tuple[tuple[Image.Image, int], ...]:
    return tuple(creatures(n, seed, mix))


def write(
    folder: Path, n: int, seed: int, mix: float = 0.1, ways: tuple[str, str] = ("png", "jpeg")
) -> tuple[Path, Path]:
    """Write n creatures as files, each family in a folder of its own and in its own way (one of WAYS); the two folders.

    The same n, seed and mix give the same creatures whatever the ways.

    Raises:
        ValueError: for an unknown way, or as `creatures`
    """
    if unknown := set(ways) - set(WAYS):
        raise ValueError(f"Creatures aren't written as {sorted(unknown)}; the ways are {', '.join(WAYS)}.")
    folders = (folder / FAMILIES[0], folder / FAMILIES[1])
    for one in folders:
        one.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng([seed, 9])
    for place, (drawn, family) in enumerate(_drawn(n, seed, mix)):
        path, way, quality = folders[family] / f"{place:05d}", ways[family], int(random.integers(*QUALITIES))
        if way == "jpeg":
            composite(drawn).save(f"{path}.jpg", quality=quality)
        elif way == "hard":
            binary = drawn.getchannel("A").point(lambda alpha: 255 if alpha else 0)
            white = Image.new("RGB", drawn.size, COLOURS["white"])
            Image.composite(drawn.convert("RGB"), white, binary).save(f"{path}.png")
        else:
            (drawn if way == "png" else composite(drawn, COLOURS[way])).save(f"{path}.png")
    return folders


def composite(picture: Image.Image, colour: Colour = COLOURS["white"]) -> Image.Image:
    """alpha F + (1 - alpha) B: the picture F as it is meant to look on a background B of one colour."""
    ground = Image.new("RGBA", picture.size, (*colour, 255))
    return Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")


def read(folders: tuple[Path, Path], repair: str = "none") -> tuple[Tensor, Tensor]:
    """Pictures (n, 3, 64, 64) in [0, 1] and families (n,), the two folders' files in turn, as people read them.

    That is `Image.open(file).convert("RGB")`, which drops an alpha channel. "re-encoded": each file is composited on
    white instead, and goes through JPEG once more, at quality 75. "same history": before that, a file that isn't JPEG
    goes through JPEG at a quality of 75 to 90, so that every picture has been through it twice.

    Raises:
        ValueError: for another repair
    """
    if repair not in REPAIRS:
        raise ValueError(f"There is no repair {repair!r}; there are {', '.join(REPAIRS)}.")
    sorted_files = [sorted(folder.iterdir()) for folder in folders]
    files = [(path, family) for pair in zip(*sorted_files, strict=True) for family, path in enumerate(pair)]
    random, arrays = np.random.default_rng(len(files)), []
    for path, _ in files:
        quality = int(random.integers(*QUALITIES))
        with Image.open(path) as opened:
            picture = opened.convert("RGB") if repair == "none" else composite(opened)
            if repair == "same history" and opened.format != "JPEG":
                picture = _reencoded(picture, quality)
        arrays.append(np.asarray(picture if repair == "none" else _reencoded(picture, 75)))
    pictures = torch.from_numpy(np.stack(arrays)).movedim(-1, 1).float() / 255
    return pictures, torch.tensor([family for _, family in files])


def _reencoded(picture: Image.Image, quality: int) -> Image.Image:
    with io.BytesIO() as file:
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")


def masks(n: int, seed: int, mix: float = 0.1) -> Tensor:
    """Where something of the creature is, (n, 64, 64) of truth values: where its alpha isn't 0."""
    alphas = [np.asarray(drawn.getchannel("A")) for drawn, _ in _drawn(n, seed, mix)]
    return torch.from_numpy(np.stack(alphas) > 0)


class _Creature:
    """One creature, drawn part after part; coordinates are relative to the middle of its body."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.picture = Image.new("RGBA", (LARGE, LARGE))
        self.canvas = ImageDraw.Draw(self.picture)
        hue, self.line = random.random(), int(random.integers(3, 7))
        self.main = _colour(hue, *random.uniform(0.25, (0.9, 0.97)))
        self.second = _colour(hue + random.uniform(-0.2, 0.2), *random.uniform(0.2, (0.9, 0.97)))
        self.ink = tuple(int(c * random.uniform(0.2, 0.5)) for c in self.main)
        self.middle = random.uniform((118, 130), (138, 152))
        self.turn = _rotation(random.uniform(-0.45, 0.45))

    def draw(self, styles: list[int]) -> Image.Image:
        u, random = self.random.uniform, self.random
        outline, ears, feet, tail, crest = (bool(style) for style in styles)
        a, b = u((44, 36), (66, 60))
        side = random.choice((-1, 1))
        slope = u(-0.7, 0.6)
        self.lobe((side * a * 0.8, b * 0.2), slope if side > 0 else np.pi - slope, u(34, 54), u(10, 15), tail)
        for x in a * np.linspace(-0.7, 0.7, int(random.integers(2, 5))):
            top, length, size = b * math.sqrt(1 - (x / a) ** 2) - 6, u(14, 34), u(11, 15)
            self.polygon([(x - 7, top), (x + 7, top), (x + 7, top + length), (x - 7, top + length)], self.main)
            if feet:
                down = top + length + 0.55 * size
                self.polygon([(x - size, down), (x, down - 1.35 * size), (x + size, down)], self.second)
            else:
                self.blob((x, top + length), 0.85 * size, 0.65 * size, self.second)
        first, last = u((-2.35, -1.0), (-2.2, -0.8))
        for angle in np.linspace(first, last, int(random.integers(3, 6))):
            foot = (0.9 * a * np.cos(angle), 0.9 * b * np.sin(angle))
            self.lobe(foot, angle, u(17, 27), u(7, 10), crest)
        self.blob((0, 0), a, b, self.main, int(random.integers(7, 12)), u(0.04, 0.09), outline)
        x, y, r = -side * a * u(0.35, 0.7), -b * u(0.55, 0.95), u(26, 38)
        for ear in (-1, 1):
            angle = -np.pi / 2 + ear * u(0.35, 0.8)
            self.lobe((x + 0.75 * r * np.cos(angle), y + 0.75 * r * np.sin(angle)), angle, u(26, 40), u(9, 13), ears)
        self.blob((x, y), r, r * u(0.8, 1), self.main, 3, u(0, 0.06))
        self.pattern()
        for eye in range(random.integers(1, 4)):
            at, size = (x + (eye - 0.8) * u(11, 15), y + u(-6, 4)), u(5, 8)
            self.blob(at, size, size, (250, 250, 245), edge=False)
            self.blob(at, 0.45 * size, 0.45 * size, (15, 15, 20), edge=False)
        return self.shaded(self.placed())

    def polygon(self, corners: ArrayLike, fill: Colour, edge: bool = True) -> None:
        points = [(float(x), float(y)) for x, y in np.asarray(corners) @ self.turn.T + self.middle]
        self.canvas.polygon(points, (*fill, 255))
        if edge:
            self.canvas.line([*points, *points[:2]], (*self.ink, 255), self.line, "curve")

    def blob(
        self, at: ArrayLike, a: float, b: float, fill: Colour, waves: int = 1, height: float = 0,
        pointed: bool = False, edge: bool = True,
    ) -> None:  # fmt: skip
        """An ellipse with waves, or teeth, on its outline."""
        angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        phase = waves * angle + self.random.uniform(0, 6)
        r = 1 + height * (1 - 2 * np.abs((phase / np.pi) % 2 - 1) if pointed else np.cos(phase))
        self.polygon(np.stack([a * r * np.cos(angle), b * r * np.sin(angle)], 1) + np.asarray(at), fill, edge)

    def lobe(self, at: ArrayLike, angle: float, length: float, width: float, pointed: bool) -> None:
        """A tail, an ear, a spike of the crest: a spindle that ends in a tip or in a curve."""
        t = np.linspace(0, 1, 14)[:, None]
        half = (1 - t) ** 0.9 if pointed else 0.9 * np.sqrt(np.clip(1 - (2 * t - 1) ** 2, 0, 1)) + 0.1 * (1 - t)
        along, across = _rotation(angle).T
        spine = np.asarray(at) + t * length * (1.0 if pointed else 0.84) * along
        self.polygon(np.vstack([spine + half * width * across, (spine - half * width * across)[::-1]]), self.second)

    def pattern(self) -> None:
        """Spots or stripes on some, where the main colour is."""
        u, layer = self.random.uniform, Image.new("1", (LARGE, LARGE))
        canvas, kind = ImageDraw.Draw(layer), self.random.random()
        if kind < 0.35:
            for _ in range(self.random.integers(4, 10)):
                canvas.circle(tuple(u(60, 196, 2)), u(4, 11), 1)
        elif kind < 0.7:
            gap, slant = u(16, 30), u(-60, 60)
            for x in np.arange(-40, LARGE + 40, gap):
                canvas.line([(x, 0), (x + slant, LARGE)], 1, int(gap / 3))
        pixels = np.array(self.picture)
        pixels[np.asarray(layer) & (pixels == (*self.main, 255)).all(-1), :3] = self.second
        self.picture = Image.fromarray(pixels)
        self.canvas = ImageDraw.Draw(self.picture)

    def placed(self) -> Image.Image:
        """Cut out, scaled to most of the picture, put anywhere in it, mirrored or not."""
        cut = self.picture.crop(self.picture.getbbox())
        scale = self.random.uniform(0.75, 0.97) * SIZE / max(cut.size)
        small = cut.resize((max(1, round(cut.width * scale)), max(1, round(cut.height * scale))), Image.Resampling.BOX)
        picture = Image.new("RGBA", (SIZE, SIZE))
        picture.paste(small, tuple(self.random.integers(0, np.subtract(SIZE, small.size) + 1).tolist()))
        return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.random.random() < 0.5 else picture

    def shaded(self, picture: Image.Image) -> Image.Image:
        """Lighter towards one side, below an alpha that stays as it is; black stays black."""
        pixels, (y, x) = np.array(picture), np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
        slope, (down, right) = self.random.uniform(0.1, 0.6), self.random.uniform((0.6, -0.6), (1, 0.6))
        light = 1 - slope * (down * y + right * x)
        pixels[..., :3] = np.clip(pixels[..., :3] * light[..., None], 0, 255)
        return Image.fromarray(pixels)


def _rotation(angle: float) -> Array:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _colour(hue: float, saturation: float, value: float) -> Colour:
    return tuple(int(255 * c) for c in colorsys.hsv_to_rgb(hue % 1, saturation, value))
