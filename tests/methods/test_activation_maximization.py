"""Activation maximization: the linear case has closed forms, each regularizer does what it says."""

import pytest
import torch
from torch import Tensor, nn

from course_lib.methods.activation_maximization import activation_maximization


def line() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).double().eval()
    return model, model[1].weight.detach()[1].view(1, 3, 2, 2)


START = torch.full((1, 3, 2, 2), 0.5, dtype=torch.float64)


def test_a_line_with_decay_ends_at_w_by_2_lambda():
    model, w = line()
    found = activation_maximization(model, START, 1, steps=400, rate=0.1, decay=0.7)
    torch.testing.assert_close(found, START + w / (2 * 0.7))


def test_a_line_on_a_ball_ends_at_its_edge_in_the_direction_of_w():
    model, w = line()
    found = activation_maximization(model, START, 1, radius=1.5)
    torch.testing.assert_close(found, START + 1.5 * w / w.norm())
    other = START + 1.5 * nn.functional.normalize(torch.randn(100, 12).double()).view(100, 3, 2, 2)
    assert model(found)[0, 1] > model(other)[:, 1].max(), "no other point of the ball does better"


def test_a_line_without_an_end_goes_on_and_limits_stop_it():
    model, w = line()
    torch.testing.assert_close(activation_maximization(model, START, 1, steps=30, rate=0.1), START + 3 * w)
    found = activation_maximization(model, START, 1, steps=500, rate=1.0, limits=(0, 1))
    assert found.equal((w > 0).double())


def convolutions() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Softplus(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 4)
    ).double().eval()  # fmt: skip


def roughness(x: Tensor) -> float:
    """The size of the steps between neighbours, in units of the picture's own contrast."""
    return float((x.diff(dim=-1).abs().mean() + x.diff(dim=-2).abs().mean()) / x.std())


def test_the_score_climbs_blur_smoothes_and_jitter_follows_the_seed():
    model, start = convolutions(), torch.full((1, 3, 16, 16), 0.5).double()
    score = lambda x: float(model(x)[0, 2].detach())  # noqa: E731
    plain = activation_maximization(model, start, 2, 30, rate=3.0)
    blurred = activation_maximization(model, start, 2, 30, rate=3.0, blur=1.0)
    shaken = [activation_maximization(model, start, 2, 30, rate=3.0, jitter=3, seed=seed) for seed in (0, 0, 1)]
    assert score(plain) > score(blurred) > score(start) and score(shaken[0]) > score(start)
    assert roughness(blurred) < 0.8 * roughness(plain)
    assert shaken[0].equal(shaken[1]) and (shaken[0] - shaken[2]).abs().max() > 1e-3
    both = activation_maximization(model, torch.cat([start, start + 0.1]), 2, 30, rate=3.0)
    torch.testing.assert_close(both[:1], plain)
    assert not plain.requires_grad and start.unique().tolist() == [0.5]


def test_a_channel_can_be_the_score():
    model, start = convolutions(), torch.full((1, 3, 16, 16), 0.5).double()
    first = model[:1]
    found = activation_maximization(first, start, lambda maps: maps[:, 3].mean(), 20)
    assert first(found)[:, 3].mean() > first(start)[:, 3].mean()


def test_wrong_steps_and_what_runs_to_infinity():
    model, _ = line()
    with pytest.raises(ValueError, match="at least one step, not 0"):
        activation_maximization(model, START, 1, steps=0)
    with pytest.raises(ValueError, match="run to infinity: try a rate below 1e\\+200, or limits such as"):
        activation_maximization(model, START, 1, rate=1e200, decay=1.0)
