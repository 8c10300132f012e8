"""Real material, in the folder that COURSE_REAL_DIR names: a SqueezeNet trained on ImageNet, and photographs."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from course_lib.networks import Network, pretrained


def folder() -> Path:
    """The folder, or the test is skipped."""
    if "COURSE_REAL_DIR" not in os.environ:
        pytest.skip("COURSE_REAL_DIR names no folder with the real network and pictures.")
    return Path(os.environ["COURSE_REAL_DIR"])


@contextmanager
def squeezenet(home: Path) -> Iterator[Network]:
    """SqueezeNet through torchvision's own loading, which finds the file in `home` where its download would be."""
    (home / "checkpoints").mkdir()
    shutil.copy(folder() / "weights" / "squeezenet1_0.pth", home / "checkpoints" / "squeezenet1_0-b66bff10.pth")
    before = torch.hub.get_dir()
    torch.hub.set_dir(home)
    try:
        yield pretrained("squeezenet1_0")
    finally:
        torch.hub.set_dir(before)
