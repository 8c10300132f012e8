"""What the table of tokens measures, on a grid of two by two whose numbers can be had on paper."""

import pytest
import torch

from course_lib.experiments.tokens import COLUMNS, token_columns


def test_on_paper():
    """One channel, A = (1, 2, 3, 4), g = (4, 0, 0, 0): α = 1, so Grad-CAM is A, which peaks elsewhere."""
    A, g = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.tensor([[[[4.0, 0.0], [0.0, 0.0]]]])
    mask, objects = torch.tensor([[[0.5, 0.0], [0.0, 0.0]]]), torch.tensor([[[0.5, 0.2], [0.0, 0.0]]])
    size, attention = torch.tensor([[[9.0, 7.0], [5.0, 1.0]]]), torch.tensor([[[0.8, 0.0], [0.0, 0.0]]])
    got = dict(zip(COLUMNS, token_columns(A, g, size, attention, mask, objects)[0].tolist(), strict=True))
    assert got == pytest.approx({
        "object area": 0.125, "background area": 0.5, "map on object": 0.05, "map on background": 0.7,
        "peak on object": 0, "peak on background": 1, "lowest on object": 1, "gradient on object": 0.5,
        "attention on object": 0.5, "truth correlation": -0.7745966, "norm correlation": -1,
        "gradient agreement": 1, "HiResCAM correlation": -0.7745966,
    }, abs=1e-6)  # fmt: skip
