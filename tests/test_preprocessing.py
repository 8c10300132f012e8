"""Whatever is uploaded becomes a right picture, or one sentence; and the network's input equals torchvision's."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms._presets import ImageClassification

from course_lib.preprocessing import Preprocessing, check_pictures, read_picture

RED, WHITE = [255, 0, 0], [255, 255, 255]


@pytest.fixture(autouse=True)
def no_warning_leaks() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def file_of(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def noise(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"0" * 100)) + chunk(b"IEND", b"")


def test_a_picture_is_the_same_by_path_bytes_pil_and_array(tmp_path: Path) -> None:
    pixels = noise()
    path = tmp_path / "a picture.png"
    Image.fromarray(pixels).save(path)
    for source in (path, str(path), path.read_bytes(), Image.fromarray(pixels), pixels, pixels / 255.0):
        read = read_picture(source)
        assert read.dtype == np.uint8 and np.array_equal(read, pixels)


def test_transparency_is_laid_on_white() -> None:
    pixels = np.array([[[255, 0, 0, 255], [0, 0, 0, 0]], [[0, 0, 0, 51], [255, 0, 0, 255]]], dtype=np.uint8)
    expected = [[RED, WHITE], [[204] * 3, RED]]
    assert read_picture(pixels).tolist() == expected
    assert read_picture(file_of(Image.fromarray(pixels))).tolist() == expected
    bands = np.array([[[0, 0], [0, 9]], [[255, 0], [51, 255]]], dtype=np.uint8)
    grey = Image.merge("LA", [Image.fromarray(band) for band in bands])
    assert read_picture(file_of(grey))[..., 0].tolist() == [[0, 255], [204, 9]]


def test_a_palette_and_its_transparent_colour() -> None:
    picture = Image.new("P", (2, 2))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putdata([0, 1, 1, 0])
    assert read_picture(file_of(picture)).tolist() == [[RED, [0, 0, 255]], [[0, 0, 255], RED]]
    assert read_picture(file_of(picture, transparency=1)).tolist() == [[RED, WHITE], [WHITE, RED]]
    assert read_picture(file_of(picture, transparency=bytes([255, 0]))).tolist() == [[RED, WHITE], [WHITE, RED]]
    assert read_picture(file_of(picture, "GIF", transparency=1)).tolist() == [[RED, WHITE], [WHITE, RED]]


def test_a_transparent_colour_without_a_palette() -> None:
    picture = Image.new("RGB", (2, 2), tuple(RED))
    picture.putpixel((1, 0), (1, 2, 3))
    assert read_picture(file_of(picture, transparency=(1, 2, 3))).tolist() == [[RED, WHITE], [RED, RED]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_scaled_not_clipped(kind: str) -> None:
    values = np.array([[0, 257], [32896, 65535]], dtype=np.uint16)
    expected = [[0, 1], [128, 255]]
    assert read_picture(file_of(Image.fromarray(values), kind))[..., 0].tolist() == expected
    assert read_picture(values)[..., 2].tolist() == expected
    assert read_picture(Image.fromarray(values.astype(np.int32)))[..., 1].tolist() == expected


def test_a_float_tiff_holds_shares_of_white() -> None:
    assert read_picture(file_of(Image.fromarray(np.full((2, 2), 0.2, np.float32)), "TIFF"))[0, 0].tolist() == [51] * 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3)
    turned = {
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
        5: stored.T, 6: np.rot90(stored, -1), 7: stored[::-1, ::-1].T, 8: np.rot90(stored),
    }  # fmt: skip
    assert np.array_equal(read_picture(file_of(Image.fromarray(stored), exif=exif))[..., 0], turned[orientation])


def test_cmyk_one_bit_and_grey() -> None:
    cmyk = file_of(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert np.abs(read_picture(cmyk).astype(int) - RED).max() <= 2
    one_bit = Image.fromarray(np.array([[True, False], [False, True]]))
    assert one_bit.mode == "1"
    for source in (one_bit, file_of(one_bit), np.array([[True, False], [False, True]])):
        assert read_picture(source)[..., 0].tolist() == [[255, 0], [0, 255]]
    for grey in (np.array([[1, 2], [3, 4]], np.uint8), np.array([[[1], [2]], [[3], [4]]], np.uint8)):
        assert read_picture(grey).tolist() == [[[1] * 3, [2] * 3], [[3] * 3, [4] * 3]]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    options = {"lossless": True} if kind == "WEBP" else {}
    read = read_picture(file_of(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert read.shape == (4, 4, 3) and read[0, 0].tolist() == RED


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.95])
def test_a_truncated_file_is_one_sentence(kind: str, share: float) -> None:
    whole = file_of(Image.fromarray(noise()), kind)
    with pytest.raises(ValueError, match=r"not a picture|damaged or cut short|can't be opened") as raised:
        read_picture(whole[: int(share * len(whole))])
    assert str(raised.value).count(". ") == 0 and str(raised.value).endswith(".")


def test_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("not a picture")
    for source in (tmp_path / "notes.png", b"", b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
        with pytest.raises(ValueError, match="is not a picture that can be read; PNG, JPEG"):
            read_picture(source)
    with pytest.raises(ValueError, match=r"There is no file .*missing\.png"):
        read_picture(tmp_path / "missing.png")
    with pytest.raises(ValueError, match="can't be opened"):
        read_picture(tmp_path)


@pytest.mark.parametrize("side", [7_100, 10_000, 50_000])
def test_a_claim_of_too_many_pixels_is_refused_before_decoding(side: int) -> None:
    with pytest.raises(ValueError, match="more than 50 megapixels"):
        read_picture(png_that_claims(side, side))
    with pytest.raises(ValueError, match="more than 50 megapixels"):
        read_picture(np.broadcast_to(np.uint8(0), (side, side)))


def test_tiny_pictures() -> None:
    for source in (np.zeros((1, 1, 3), np.uint8), np.zeros((0, 5), np.uint8), file_of(Image.new("RGB", (1, 9)))):
        with pytest.raises(ValueError, match="at least 2 x 2"):
            read_picture(source)
    assert Preprocessing(size=8)(np.zeros((2, 2), np.uint8)).shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((3, 8, 8), np.uint8), r"not \(3, 8, 8\); the channels come last"),
        (np.zeros(8, np.uint8), r"not \(8,\)"),
        (np.zeros((8, 8), np.int64), "not int64"),
        (np.full((8, 8), 255.0), "255 came where 0 to 1 was meant; divide by 255"),
        (np.full((8, 8), -1.0), "from -1 to -1 came where 0 to 1 was meant"),
        (np.full((8, 8), np.nan), "64 of 64 pixel values are NaN or infinite"),
    ],
)
def test_wrong_arrays(array: np.ndarray, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_picture(array)


@pytest.mark.parametrize(
    ("pictures", "error", "sentence"),
    [
        ([[1.0]], TypeError, "not list; try torch.stack"),
        (torch.zeros(8, 8), ValueError, r"not \(8, 8\)"),
        (torch.zeros(1, 1, 3, 8, 8), ValueError, r"not \(1, 1, 3, 8, 8\)"),
        (torch.zeros(2, 8, 8, 3), ValueError, r"try movedim\(-1, -3\)"),
        (torch.zeros(2, 1, 8, 8), ValueError, r"try repeat_interleave\(3, -3\)"),
        (torch.zeros(2, 4, 8, 8), ValueError, r"not \(2, 4, 8, 8\)\."),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), TypeError, r"not torch.uint8; try pictures.float\(\) / 255"),
        (torch.zeros(0, 3, 8, 8), ValueError, r"\(0, 3, 8, 8\) holds no picture"),
        (torch.full((3, 8, 8), float("nan")), ValueError, "192 of 192 pixel values are NaN or infinite"),
        (torch.full((3, 8, 8), -float("inf")), ValueError, "NaN or infinite"),
        (torch.full((3, 8, 8), 255.0), ValueError, "0 to 1 was meant; divide by 255"),
    ],
)
def test_wrong_tensors(pictures: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        check_pictures(pictures)


def test_normalized_pictures_pass_unless_the_unit_range_was_meant() -> None:
    normalized = torch.full((3, 8, 8), -2.1)
    assert check_pictures(normalized).shape == (1, 3, 8, 8)
    with pytest.raises(ValueError, match="0 to 1 was meant"):
        check_pictures(normalized, unit_range=True)
    batch = torch.rand(2, 3, 8, 8, dtype=torch.float16, generator=torch.Generator().manual_seed(0))
    assert check_pictures(batch, unit_range=True) is batch


@pytest.mark.parametrize("shape", [(300, 400), (401, 333), (224, 224), (100, 90), (37, 640)])
@pytest.mark.parametrize(("size", "resize"), [(224, 256), (224, 232), (64, 64)])
def test_equal_to_torchvision(shape: tuple[int, int], size: int, resize: int) -> None:
    picture = Image.fromarray(noise(*shape))
    theirs = ImageClassification(crop_size=size, resize_size=resize)
    mine = Preprocessing(size, resize, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert mine(picture).equal(theirs(picture))
    pixels = torch.from_numpy(noise(*shape)).permute(2, 0, 1) / 255
    torch.testing.assert_close(mine(pixels), theirs(pixels), rtol=0, atol=1e-6)
    without_crop = Preprocessing(size, size, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert resize == size or not mine(picture).equal(without_crop(picture))  # the comparison can fail


def test_undo_is_the_way_back() -> None:
    pixels = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    network_like = Preprocessing(16, None, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    torch.testing.assert_close(network_like.undo(network_like(pixels)), pixels)
    torch.testing.assert_close(network_like.undo(network_like(pixels)[None].expand(2, -1, -1, -1))[1], pixels)
    assert Preprocessing(16)(pixels).equal(pixels)


def test_preprocessing_refuses_in_words() -> None:
    prepare = Preprocessing(16)
    with pytest.raises(ValueError, match="divide by 255"):
        prepare(torch.full((3, 16, 16), 255.0))
    with pytest.raises(ValueError, match="a batch of 2"):
        prepare(torch.zeros(2, 3, 16, 16))
    with pytest.raises(ValueError, match="2 x 50 pixels: one side is over 20 times the other"):
        prepare(np.zeros((50, 2), np.uint8))
