"""Files of every kind that a learner uploads, damaged in many ways: `python -m tests.fuzz pictures 5000`.

It prints as JSON how many were taken or refused in a sentence, what was neither, the longest time and the memory.
"""

import copy
import io
import json
import random
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from torch import nn

from course_lib.audit.pictures import read as read_for_audit
from course_lib.classroom.grading.notebook import NotANotebook, read
from course_lib.networks.own import own
from course_lib.preprocessing import Preprocessing, read_picture

ROOT = Path(__file__).parents[1]
ODD: list[Any] = [None, True, -1, 2**70, 1e308, "", "\ud800", [], {}, [[]], {"": None}, "x" * 100_000]


def damaged(source: random.Random, file: bytes, other: bytes) -> bytes:
    """One to four damages: bits, bytes, numbers in a header, cuts, doubled and foreign parts."""
    data = bytearray(file)
    for _ in range(source.randint(1, 4)):
        place = source.randrange(min(len(data), 64) if source.random() < 0.5 else len(data)) if data else 0
        size = source.choice([1, 2, 4, 16, 256])
        damage = source.randrange(7)
        if damage == 0 and data:
            data[place] ^= 1 << source.randrange(8)
        elif damage == 1:
            data[place : place + size] = source.randbytes(size)
        elif damage == 2:  # a length or a side of a picture, largest or 0
            data[place : place + 4] = source.choice([0, 1 << 16, (1 << 31) - 1, (1 << 32) - 1]).to_bytes(4, "big")
        elif damage == 3:
            del data[place:]
        elif damage == 4:
            data[place:place] = data[place : place + size]
        elif damage == 5:
            data[place:] = other[place:]
        else:
            del data[place : place + size]
    return bytes(data)


def pictures() -> list[bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 4), dtype=np.uint8)
    rgba, rgb = Image.fromarray(noise), Image.fromarray(noise[..., :3].copy())
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    given: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (rgb, "PNG", {}), (rgba, "PNG", {}), (rgb.quantize(16), "PNG", {"transparency": 3}),
        (Image.fromarray(noise[..., 0].astype(np.uint16) * 257), "PNG", {}), (rgb, "JPEG", {"exif": exif}),
        (rgb.convert("CMYK"), "JPEG", {}), (rgb, "JPEG", {"progressive": True}), (rgb.quantize(8), "GIF", {}),
        (rgb.quantize(8), "GIF", {"save_all": True, "append_images": [rgb.quantize(4)]}), (rgb, "WEBP", {}),
        (rgba, "WEBP", {"lossless": True}), (rgb, "WEBP", {"save_all": True, "append_images": [rgb.rotate(90)]}),
        (rgb, "BMP", {}), (rgb, "TIFF", {}),
    ]  # fmt: skip
    files = []
    for picture, kind, options in given:
        file = io.BytesIO()
        picture.save(file, kind, **options)
        files.append(file.getvalue())
    return files


def try_picture(data: bytes, folder: Path) -> None:
    pixels = read_picture(data)
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    Preprocessing(16)(pixels)


def try_audit(data: bytes, folder: Path) -> None:
    (folder / "one.png").write_bytes(data)
    read_for_audit(folder / "one.png")


def notebooks() -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "exercises").glob("0[12]_*.ipynb"))]


def odd_notebook(source: random.Random, file: bytes, other: bytes) -> bytes:
    """JSON that is whole, in which some values are of another kind."""
    if source.random() < 0.3:
        return damaged(source, file, other)
    data = json.loads(file)
    for _ in range(source.randint(1, 6)):
        at = data
        while isinstance(at, dict | list) and at:
            key = source.choice(list(at) if isinstance(at, dict) else range(len(at)))
            if source.random() < 0.3 or not isinstance(at[key], dict | list):
                at[key] = copy.deepcopy(source.choice(ODD))
                break
            at = at[key]
    return json.dumps(data).encode()


def try_notebook(data: bytes, folder: Path) -> None:
    read(data).functions  # noqa: B018


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def weights() -> list[bytes]:
    plain = io.BytesIO()
    torch.save(network().state_dict(), plain)
    old = io.BytesIO()
    torch.save(network().state_dict(), old, _use_new_zipfile_serialization=False)
    return [plain.getvalue(), old.getvalue(), save(network().state_dict())]


def try_weights(data: bytes, folder: Path) -> None:
    (folder / "mine.pt").write_bytes(data)
    own(network(), folder / "mine.pt", ["cat", "dog"], Preprocessing(8))


Damage = Callable[[random.Random, bytes, bytes], bytes]
Attempt = Callable[[bytes, Path], None]
KINDS: dict[str, tuple[Callable[[], list[bytes]], Damage, Attempt, tuple[type[Exception], ...]]] = {
    "pictures": (pictures, damaged, try_picture, (ValueError,)),
    "audit": (pictures, damaged, try_audit, (ValueError,)),
    "notebooks": (notebooks, odd_notebook, try_notebook, (NotANotebook,)),
    "weights": (weights, damaged, try_weights, (ValueError,)),
}


def fuzzed(kind: str, count: int, seed: int = 0) -> dict[str, Any]:
    make, damage, attempt, refusals = KINDS[kind]
    files, source = make(), random.Random(seed)
    found: dict[str, Any] = {"taken": 0, "refused": 0, "wrong": [], "seconds": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        for data in files:
            attempt(data, Path(folder))  # whole files are taken
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(count):
            data = damage(source, source.choice(files), source.choice(files))
            start = time.perf_counter()
            try:
                attempt(data, Path(folder))
                found["taken"] += 1
            except refusals as error:
                found["refused"] += 1
                if not str(error).strip() or len(str(error)) > 600 or "Traceback" in str(error):
                    found["wrong"].append(f"{number}: no sentence: {error!r:.300}")
            except Exception as error:
                found["wrong"].append(f"{number}: {error!r:.300}")
            found["seconds"] = max(found["seconds"], time.perf_counter() - start)
    found["mib"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return found


if __name__ == "__main__":
    warnings.simplefilter("error")
    print(json.dumps(fuzzed(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)))
