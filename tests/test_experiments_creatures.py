"""Lesson 5's tables: how a share is measured, and that the tables say what the lesson says."""

import pytest
import torch

from course_lib.experiments.creatures import COMPARED, CUES, EVIDENCE, NETWORKS, TESTS, centred, shares, swaps
from course_lib.methods.registry import METHODS
from course_lib.networks import load


def test_shares_of_a_flat_map_are_the_areas():
    shapes = torch.zeros(1, 40, 40, dtype=torch.bool)
    shapes[0, 18:22, 18:22] = True
    flat = shares(torch.ones(1, 40, 40), shapes)
    assert flat["background"] == pytest.approx(flat["area"]) == pytest.approx(1 - 16 / 1600)
    assert flat["far"] == pytest.approx(flat["far area"]) == pytest.approx(1 - (4 + 2 * 6) ** 2 / 1600)
    near = torch.zeros(1, 40, 40)
    near[0, 12, 20], near[0, 11, 20] = 3.0, 1.0  # 6 and 7 pixels above the first row of the shape
    assert shares(near, shapes)["far"] == pytest.approx(0.25) and shares(-near, shapes)["background"] == 0


def test_centring_leaves_the_probabilities():
    model, x = load("creatures").model, torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = model(x).softmax(1)
    after = centred(model)(x)
    assert after.sum(1).abs().max() < 1e-4 and torch.allclose(after.softmax(1), before, atol=1e-5)


def test_a_network_that_knows_the_background_alone():
    class Brightness(torch.nn.Module):
        def forward(self, x):
            dark = (x.amax(1) < 0.02).float().mean((1, 2)) - 0.2
            return torch.stack([dark, -dark], 1)

    got = swaps(Brightness().eval())
    assert got["i.i.d."] == 1 and got["formats swapped"] == got["backgrounds swapped"] == 0
    assert got["both white"] == got["both black"] == got["both grey"] == 0.5
    assert got["black picture"] == pytest.approx(1.6) and got["white picture"] == pytest.approx(-0.4)


def test_settings_name_what_exists():
    assert {method for method, _ in EVIDENCE.values()} <= set(METHODS)
    assert set(COMPARED) <= set(NETWORKS) and all(len(ways) == 2 for ways in TESTS.values()) and len(CUES) == 4
