"""Folders of pictures as a careless loader sees them, where the objects are, and what each intervention makes."""

import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import label

from course_lib.preprocessing import read_picture

LARGEST = 512  # pixels of the longer side: what is cut out and encoded again is at most so large
NEAR, BORDER = 24, 0.75  # a border is near-constant if 3 of 4 pixels are within 24 of 255 of its median colour
WHITE, BLACK, GREY = (255, 255, 255), (0, 0, 0), (128, 128, 128)
AS_THEY_ARE, FORMATS, BACKGROUNDS, RE_ENCODED = "as they are", "formats swapped", "backgrounds swapped", "re-encoded"
EQUAL = {"both white": WHITE, "both black": BLACK, "both grey": GREY}
INTERVENTIONS = (AS_THEY_ARE, FORMATS, BACKGROUNDS, *EQUAL, RE_ENCODED)
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
        several: whether more than one colour lies under transparent pixels
        format: of the file, and the quantization tables of a JPEG
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    transparent: bool
    background: Colour
    several: bool
    format: str
    tables: dict[int, list[int]] | None

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
        kinds: how many files of which format, transparent or not
    """

    path: Path
    found: int
    files: list[Path] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    without_mask: int = 0
    hidden: "Counter[Colour | None]" = field(default_factory=Counter)
    backgrounds: list[Colour] = field(default_factory=list)
    kinds: "Counter[tuple[str, bool]]" = field(default_factory=Counter)
    tables: dict[int, list[int]] | None = None

    @property
    def kind(self) -> tuple[str, bool]:
        """The most frequent format, and whether it is transparent."""
        return self.kinds.most_common(1)[0][0]


def read(path: Path) -> Picture:
    """Read a picture twice: as a careless loader does, and with its alpha. ValueError as `read_picture`."""
    read_picture(path)
    with Image.open(path) as file:
        naive, clear = file.convert("RGB"), file.convert("RGBA").getchannel("A")
        kind, tables = (file.format or "").replace("MPO", "JPEG"), getattr(file, "quantization", None)
    for part in (naive, clear):  # apart: resizing them as one would blacken what is hidden
        part.thumbnail((LARGEST, LARGEST))
    rgb, alpha = np.array(naive), np.array(clear) / 255
    hidden = rgb[alpha == 0]
    if len(hidden):
        colours, counts = np.unique(hidden, axis=0, return_counts=True)
        return Picture(rgb, alpha, True, _colour(colours[counts.argmax()]), len(colours) > 1, kind, tables)
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    median = np.median(border, 0)
    return Picture(rgb, _flood_filled(rgb, border, median), False, _colour(median), False, kind, tables)


def survey(path: Path, most: int, seed: int, seen: Callable[[Picture], object], tick: Callable[[], object]) -> Folder:
    """Read a folder once, one picture at a time; `seen` gets each, nothing else of it is kept.

    Raises:
        ValueError: if there is no such folder, it holds no picture, or fewer than two can be read
    """
    files = pictures_in(path)
    chosen = sorted(np.random.default_rng(seed).permutation(len(files))[:most])
    folder = Folder(path, len(files))
    for file in (files[place] for place in chosen):
        tick()
        try:
            picture = read(file)
        except ValueError as error:
            folder.unreadable[file.name] = str(error)
            continue
        folder.files.append(file)
        folder.backgrounds.append(picture.background)
        folder.without_mask += picture.alpha is None
        folder.kinds[picture.format, picture.transparent] += 1
        folder.tables = folder.tables or picture.tables
        if picture.transparent:
            folder.hidden[None if picture.several else picture.background] += 1
        seen(picture)
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


def interventions(picture: Picture, place: int, mine: Folder, other: Folder) -> dict[str, np.ndarray]:
    """The picture after each intervention that can be made on it, as a careless loader reads it: name -> (H, W, 3).

    Each swap takes the ground of one picture of the other folder. Without a known object only "as they are" and
    "re-encoded" are possible; folders of one format have none to swap. A flood fill leaves a rim of the old ground.
    """
    made = {AS_THEY_ARE: picture.rgb}
    if picture.alpha is not None:
        ground = other.backgrounds[place % len(other.backgrounds)]
        kind, transparent = other.kind
        if mine.kind != other.kind and transparent:
            # a PNG keeps all numbers, and the loader drops alpha: what is left of it is the colour put beneath
            made[FORMATS] = np.where((picture.alpha > 0)[..., None], picture.rgb, np.array(ground, np.uint8))
        elif mine.kind != other.kind:
            made[FORMATS] = encoded(picture.laid_on(ground), kind, other.tables)
        made[BACKGROUNDS] = picture.laid_on(ground)
        made |= {name: picture.laid_on(colour) for name, colour in EQUAL.items()}
    return made | {RE_ENCODED: repaired(picture)}


def repaired(picture: Picture) -> np.ndarray:
    """The repair of a loader: laid on white, and through the same JPEG as every other picture."""
    return encoded(picture.laid_on(WHITE), "JPEG")


def encoded(rgb: np.ndarray, kind: str, tables: dict[int, list[int]] | None = None) -> np.ndarray:
    """Written in a format and read back; a JPEG with these quantization tables."""
    buffer = io.BytesIO()
    options = {"qtables": tables} if kind == "JPEG" and tables and len(tables) > 1 else {}
    Image.fromarray(rgb).save(buffer, kind, **options)
    return np.array(Image.open(buffer).convert("RGB"))


def _flood_filled(rgb: np.ndarray, border: np.ndarray, colour: np.ndarray) -> np.ndarray | None:
    """1 where a ground of the border's colour, connected with the border, is not; None if there is no such ground."""
    if (np.abs(border - colour).max(-1) <= NEAR).mean() < BORDER:
        return None
    regions, _ = label(np.abs(rgb - colour).max(-1) <= NEAR)
    edges = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    inside = ~np.isin(regions, edges[edges > 0])
    return inside.astype(float) if 0.01 < inside.mean() < 0.99 else None


def _colour(values: Sequence[float] | np.ndarray) -> Colour:
    red, green, blue = (int(value) for value in values)
    return red, green, blue
