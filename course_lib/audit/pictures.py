"""Folders of pictures as a careless loader sees them, where the objects are, and what each intervention makes."""

import io
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin
from scipy.ndimage import label

from course_lib.preprocessing import read_picture

LARGEST = 512  # pixels of the longer side: what is cut out and encoded again is at most so large
NEAR, BORDER = 24, 0.75  # a border is near-constant if 3 of 4 pixels are within 24 of 255 of its median colour
QUALITY = 75  # of the last JPEG in the repair
WHITE, BLACK, GREY = (255, 255, 255), (0, 0, 0), (128, 128, 128)
AS_THEY_ARE, KNOWN, REPAIRED = "as they are", "as they are, object known", "repaired"
FORMATS, BACKGROUNDS = "formats swapped", "backgrounds swapped"
EQUAL = {"both white": WHITE, "both black": BLACK, "both grey": GREY}
INTERVENTIONS = (AS_THEY_ARE, KNOWN, FORMATS, BACKGROUNDS, *EQUAL, REPAIRED)
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm"}
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Picture:
    """One picture, read as `Image.open(file).convert("RGB")` reads it: transparency dropped, not laid on anything.

    Attributes:
        rgb: (H, W, 3) uint8, with whatever colour lies under transparent pixels
        alpha: (H, W) in [0, 1], 1 on the object: the file's own, or a flood fill's; None if neither tells
        transparent: whether the file has transparent pixels
        background: the most frequent colour under transparent pixels, else the border's median colour
        format: of the file
        jpeg: how a JPEG was encoded: quantization tables, sampling of colours
        several: whether more than one colour lies under transparent pixels
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    transparent: bool
    background: Colour
    format: str
    jpeg: dict[str, Any] | None = None
    several: bool = False

    def laid_on(self, colour: Colour) -> np.ndarray:
        """The object on a plain ground: alpha rgb + (1 - alpha) colour; without an alpha the picture as it is."""
        if self.alpha is None:
            return self.rgb
        share = self.alpha[..., None]
        return np.asarray(np.round(share * self.rgb + (1 - share) * np.array(colour)), np.uint8)


@dataclass
class Folder:
    """What a first pass through a folder found.

    Attributes:
        files: that can be read, at most `most`, drawn with a seed
        found: how many pictures the folder holds
        unreadable: file name -> why it was skipped
        without_mask: readable pictures whose object can't be told from the ground
        hidden: how many pictures have which one colour under their transparent pixels (None: several)
        backgrounds: of each readable picture
        jpegs: how each JPEG was encoded
        kinds: how many files of which format, transparent or not
    """

    path: Path
    found: int
    files: list[Path] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    without_mask: int = 0
    hidden: "Counter[Colour | None]" = field(default_factory=Counter)
    backgrounds: list[Colour] = field(default_factory=list)
    jpegs: list[dict[str, Any]] = field(default_factory=list)
    kinds: "Counter[tuple[str, bool]]" = field(default_factory=Counter)

    @property
    def kind(self) -> tuple[str, bool]:
        """The most frequent format, and whether it is transparent."""
        return self.kinds.most_common(1)[0][0]


def read(path: Path) -> Picture:
    """Read a picture as a careless loader does, and its alpha. Raises OSError, and ValueError as `read_picture`."""
    held = path.read_bytes()
    read_picture(held)
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(held)) as file:
        naive, clear = file.convert("RGB"), file.convert("RGBA").getchannel("A")
        kind, jpeg = (file.format or "").replace("MPO", "JPEG"), None
        if kind == "JPEG":
            tables, sampling = getattr(file, "quantization", {}), JpegImagePlugin.get_sampling(file)
            jpeg = {"qtables": tables, "subsampling": sampling} if len(tables) > 1 and sampling >= 0 else {}
    under = np.array(naive)[np.array(clear) == 0]
    for part in (naive, clear):  # apart: resizing them as one would blacken what is hidden
        part.thumbnail((LARGEST, LARGEST))
    rgb, alpha = np.array(naive), np.array(clear) / 255
    if len(under):
        colours, counts = np.unique(under @ np.array([1 << 16, 1 << 8, 1]), return_counts=True)
        most = int(colours[counts.argmax()])
        known = alpha if (alpha > 0.5).mean() > 0.01 else None
        return Picture(rgb, known, True, (most >> 16, most >> 8 & 255, most & 255), kind, jpeg, len(colours) > 1)
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    red, green, blue = (int(value) for value in np.median(border, 0))
    return Picture(rgb, _flood_filled(rgb, border, (red, green, blue)), False, (red, green, blue), kind, jpeg)


def survey(path: Path, files: Sequence[Path], most: int, seed: int, tick: Callable[[], object]) -> Folder:
    """Read a folder once, one picture at a time, and keep what `Folder` says; ValueError if fewer than two can be."""
    folder = Folder(path, len(files))
    for place in sorted(np.random.default_rng(seed).permutation(len(files))[:most]):
        tick()
        try:
            picture = read(files[place])
        except (ValueError, OSError) as error:
            folder.unreadable[files[place].name] = str(error)
            continue
        folder.files.append(files[place])
        folder.backgrounds.append(picture.background)
        folder.without_mask += picture.alpha is None
        folder.kinds[picture.format, picture.transparent] += 1
        folder.jpegs += [picture.jpeg] if picture.jpeg is not None else []
        if picture.transparent:
            folder.hidden[None if picture.several else picture.background] += 1
    if len(folder.files) < 2:
        reason = f" ({next(iter(folder.unreadable.values()))})" if folder.unreadable else ""
        found = f"{len(folder.files)} readable picture{'s' * (len(folder.files) != 1)} of {folder.found}"
        raise ValueError(f"An audit needs two pictures or more in each folder; {str(path)!r} holds {found}{reason}.")
    return folder


def pictures_in(path: Path) -> list[Path]:
    """The picture files of a folder, by their suffix, sorted; ValueError if there is no folder or no picture."""
    if not path.is_dir():
        raise ValueError(f"There is no folder {str(path)!r}; a relative path starts at {str(Path.cwd())!r}.")
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    if not files:
        raise ValueError(f"The folder {str(path)!r} holds no picture: no file ends in {', '.join(sorted(SUFFIXES))}.")
    return files


def interventions(picture: Picture, place: int, mine: Folder, other: Folder) -> dict[str, Picture]:
    """The picture after each intervention that can be made on it: name -> what a careless loader then reads.

    Each swap takes the ground (and the encoding) of one picture of the other folder. Without a known object nothing
    can be swapped; folders of one format have none to swap. What a JPEG did inside the object stays, and a flood fill
    leaves a rim of the old ground.
    """
    made = {AS_THEY_ARE: picture}
    if picture.alpha is not None:
        ground = other.backgrounds[place % len(other.backgrounds)]
        grounds = {BACKGROUNDS: ground} | EQUAL
        kind, transparent = other.kind
        made[KNOWN] = picture
        if mine.kind != other.kind and transparent:
            # a PNG keeps all numbers, and the loader drops alpha: what is left of it is the colour put beneath
            rgb = np.where((picture.alpha > 0)[..., None], picture.rgb, np.array(ground, np.uint8))
            made[FORMATS] = replace(picture, rgb=rgb, transparent=True, background=ground, format=kind, jpeg=None)
        elif mine.kind != other.kind:
            jpeg = other.jpegs[place % len(other.jpegs)] if kind == "JPEG" else None
            rgb = encoded(picture.laid_on(ground), kind, jpeg)
            made[FORMATS] = replace(picture, rgb=rgb, transparent=False, background=ground, format=kind, jpeg=jpeg)
        for name, colour in grounds.items():
            made[name] = replace(picture, rgb=picture.laid_on(colour), transparent=False, background=colour)
    return made


def repaired(picture: Picture, place: int, jpegs: Sequence[dict[str, Any]]) -> np.ndarray:
    """What a repaired loader reads: the object on white, and one history of JPEG for all, which ends in quality 75.

    A picture that was no JPEG is first encoded like one of `jpegs`, if there are any: else the others would have been
    through JPEG once more than it, which can be seen. What stands on near-white without transparency stays as it is.
    """
    white = not picture.transparent and min(picture.background) >= 255 - NEAR
    rgb = picture.rgb if white else picture.laid_on(WHITE)
    if picture.jpeg is None and jpegs:
        rgb = encoded(rgb, "JPEG", jpegs[place % len(jpegs)])
    return encoded(rgb, "JPEG", {"quality": QUALITY})


def encoded(rgb: np.ndarray, kind: str, options: dict[str, Any] | None = None) -> np.ndarray:
    """Written in a format, with these options, and read back."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, kind, **(options or {}))
    return np.array(Image.open(buffer).convert("RGB"))


def _flood_filled(rgb: np.ndarray, border: np.ndarray, colour: Colour) -> np.ndarray | None:
    """1 where a ground of the border's colour, connected with the border, is not; None if there is no such ground."""
    if (np.abs(border - np.array(colour)).max(-1) <= NEAR).mean() < BORDER:
        return None
    regions, _ = label(np.abs(rgb - np.array(colour)).max(-1) <= NEAR)
    edges = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    inside = ~np.isin(regions, edges[edges > 0])
    return inside.astype(float) if 0.01 < inside.mean() < 0.99 else None
