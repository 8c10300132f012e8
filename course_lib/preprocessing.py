"""Pictures in: what a person has becomes what a network wants, or one sentence says why it can't; and the way back."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
MEGAPIXELS, ASPECT = 50, 20  # the most that is taken: a phone makes 48; a long strip, enlarged, would fill the memory
NORMALIZED = 25  # normalized pixels stay within 3 of 0, so what lies beyond this is 0 to 255
Source = str | Path | bytes | np.ndarray | Image.Image


def read_picture(source: Source) -> np.ndarray:
    """Read a picture as RGB, (H, W, 3) uint8: upright, transparency laid on white, the first frame of an animation.

    Args:
        source: a path, a file's bytes, a PIL picture, or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of truth
            values, uint8, uint16, or floats in [0, 1]

    Raises:
        ValueError: if it isn't a picture, is damaged, has less than 2 pixels on a side or more than 50 megapixels
            (seen before anything is decoded), or is an array of another shape or range

    >>> read_picture(np.array([[[255, 0, 0, 0]] * 2] * 2, dtype=np.uint8))[0, 0].tolist()
    [255, 255, 255]
    """
    if isinstance(source, np.ndarray):
        source = Image.fromarray(_bytes(source))
    with warnings.catch_warnings(action="ignore"):  # Pillow's warnings are of what is refused or repaired here
        picture = source if isinstance(source, Image.Image) else _open(source)
        _check_size(*picture.size)
        try:
            return _upright_rgb(picture)
        except Exception as error:  # a damaged file makes a decoder raise nearly anything
            raise ValueError(f"This picture may be damaged or cut short: it can't be decoded ({error}).") from None


def check_pictures(pictures: Tensor, unit_range: bool = False) -> Tensor:
    """Check pictures for a network: a float tensor (B, 3, H, W), or (3, H, W), which becomes (1, 3, H, W).

    Raises TypeError if it is no tensor or not of floats, and ValueError if rank, channels or range are wrong, the batch
    is empty, or a value is NaN or infinite. `unit_range` asks for [0, 1]; else values may be normalized ones as well.

    >>> check_pictures(torch.zeros(3, 8, 8)).shape
    torch.Size([1, 3, 8, 8])
    """
    if not isinstance(pictures, Tensor):
        raise TypeError(f"Pictures are a tensor (B, 3, height, width), not {type(pictures).__name__}; try torch.stack.")
    shape = tuple(pictures.shape)
    if pictures.ndim not in (3, 4) or shape[-3] != 3:
        hint = "; the channels come before height and width: try movedim(-1, -3)" if shape[-1:] == (3,) else ""
        hint = "; repeat a grey channel: try repeat_interleave(3, -3)" if shape[-3:-2] == (1,) else hint
        raise ValueError(f"Pictures are a tensor (B, 3, height, width), not {shape}{hint}.")
    if not pictures.is_floating_point():
        raise TypeError(f"Pixels are floats in [0, 1], not {pictures.dtype}; try pictures.float() / 255.")
    if pictures.numel() == 0:
        raise ValueError(f"A batch of shape {shape} holds no picture; it needs at least one.")
    _check_range(pictures.detach(), (0, 1) if unit_range else (-NORMALIZED, NORMALIZED))
    return pictures if pictures.ndim == 4 else pictures[None]


@dataclass(frozen=True)
class Preprocessing:
    """How a network wants its pictures: shorter side to `resize`, centre crop of `size`, (x - mean) / std.

    The same as torchvision's `weights.transforms()`: bilinear with antialiasing. Without `resize` the shorter side
    becomes `size`; mean 0 and standard deviation 1 leave [0, 1].

    >>> Preprocessing(size=32)(np.zeros((40, 80, 3), np.uint8)).shape
    torch.Size([3, 32, 32])
    """

    size: int
    resize: int | None = None
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __call__(self, picture: Source | Tensor) -> Tensor:
        """A picture, or a float tensor (3, H, W) in [0, 1], as the network takes it: (3, size, size).

        Raises ValueError or TypeError with the sentence of `read_picture` or `check_pictures`.
        """
        import torchvision.transforms.functional as F  # here: its import takes as long as torch

        if isinstance(picture, Tensor):
            batch = check_pictures(picture, unit_range=True)
            if len(batch) > 1:
                raise ValueError(f"One picture at a time: this is a batch of {len(batch)}.")
            upright: Tensor | Image.Image = batch[0]
        else:
            upright = Image.fromarray(read_picture(picture))
        width, height = F.get_image_size(upright)
        if max(width, height) > ASPECT * min(width, height):
            raise ValueError(f"{width} x {height} pixels: one side is over {ASPECT} times the other; cut a part out.")
        resized = F.center_crop(F.resize(upright, [self.resize or self.size], antialias=True), [self.size, self.size])
        pixels: Tensor = resized if isinstance(resized, Tensor) else F.to_tensor(resized)
        return (pixels - self._column(self.mean, pixels)) / self._column(self.std, pixels)

    def undo(self, pixels: Tensor) -> Tensor:
        """Pixels (..., 3, H, W) as the network takes them, back in [0, 1] for showing: x std + mean."""
        return (pixels.detach() * self._column(self.std, pixels) + self._column(self.mean, pixels)).clamp(0, 1)

    def _column(self, values: tuple[float, float, float], like: Tensor) -> Tensor:
        return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None, None]


def _open(source: str | Path | bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS)
    except Image.DecompressionBombError:
        raise ValueError(f"The picture has more than {MEGAPIXELS} megapixels; make it smaller first.") from None
    except FileNotFoundError:
        raise ValueError(f"There is no file {str(source)!r}; a relative path starts at {str(Path.cwd())!r}.") from None
    except UnidentifiedImageError:
        name = "This" if isinstance(source, bytes) else repr(str(source))
        raise ValueError(f"{name} is not a picture that can be read; {', '.join(FORMATS)} files can.") from None
    except Exception as error:  # a folder, a file without permission, a header that makes no sense
        raise ValueError(f"This can't be opened as a picture: {error}.") from None


def _check_size(width: int, height: int) -> None:
    if width * height > MEGAPIXELS * 10**6:
        raise ValueError(f"{width} x {height} pixels are more than {MEGAPIXELS} megapixels; make it smaller first.")
    if min(width, height) < 2:
        raise ValueError(f"The picture is {width} x {height} pixels; at least 2 x 2 are needed.")


def _check_range(values: Tensor, limits: tuple[float, float]) -> None:
    bad = int((~values.isfinite()).sum())
    if bad:
        raise ValueError(f"{bad} of {values.numel()} pixel values are NaN or infinite.")
    low, high = float(values.min()), float(values.max())
    if low < limits[0] or high > limits[1]:
        hint = "; divide by 255" if low >= 0 and 1 < high <= 255 else ""
        raise ValueError(f"Pixel values from {low:.4g} to {high:.4g} came where 0 to 1 was meant{hint}.")


def _upright_rgb(picture: Image.Image) -> np.ndarray:
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith(("I", "F")):  # more than 8 bits: Pillow would clip at 255 instead of scaling
        values = np.asarray(upright)
        upright = Image.fromarray(_bytes(values if values.dtype.kind == "f" else values.astype(np.uint16)))
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
    return np.array(upright.convert("RGB"))


def _bytes(array: np.ndarray) -> np.ndarray:
    """An array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) as uint8."""
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if array.ndim != 2 and (array.ndim != 3 or array.shape[2] not in (3, 4)):
        hint = "; the channels come last: try array.transpose(1, 2, 0)" if array.shape[:1] == (3,) else ""
        raise ValueError(f"A picture is an array (H, W), (H, W, 3) or (H, W, 4), not {array.shape}{hint}.")
    _check_size(array.shape[1], array.shape[0])
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind != "f" and array.dtype not in (np.bool_, np.uint16):
        raise ValueError(f"A picture's values are uint8, uint16, or floats in [0, 1], not {array.dtype}.")
    share = array / 65535 if array.dtype == np.uint16 else array.astype(np.float64)
    _check_range(torch.from_numpy(share), (0, 1))
    return np.round(255 * share).astype(np.uint8)
