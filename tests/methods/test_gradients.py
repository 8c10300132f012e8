"""Methods that look at the picture itself."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from course_lib.methods.gradients import gradient_times_input, integrated_gradients, saliency
from course_lib.recording import INPUT, record


class Function(nn.Module):
    """A function of the picture, (B, C, H, W) -> (B, classes), as a model that counts its calls."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.batches = function, []

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(len(x))
        return self.function(x)


def pixel(*values: float) -> Tensor:
    """A picture of each value, of one pixel."""
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1)


def test_on_paper():
    x = torch.tensor([[[1.0, -2.0]], [[3.0, 0.0]]])
    g = torch.tensor([[[2.0, 1.0]], [[-5.0, 7.0]]])
    assert saliency(x, g).tolist() == [[5.0, 7.0]]
    assert gradient_times_input(x, g).tolist() == [[2.0 - 15.0, -2.0]]
    assert saliency(x, -3 * g).equal(3 * saliency(x, g))
    batched = gradient_times_input(x.expand(4, 2, 1, 2), g.expand(4, 2, 1, 2))
    assert batched.shape == (4, 1, 2)


def test_a_cube_and_a_logarithm():
    cube = integrated_gradients(Function(lambda x: (x**3).flatten(1)), pixel(8), 0, 0.0, steps=1000)
    torch.testing.assert_close(cube, torch.full((1, 1, 1), 512.0).double(), rtol=1e-6, atol=0)
    log = integrated_gradients(Function(lambda x: x.log().flatten(1)), pixel(8), 0, 1.0, steps=1000)
    torch.testing.assert_close(log, pixel(8).log()[:, 0], rtol=1e-5, atol=0)


def test_saturation_has_no_gradient_but_a_path():
    """F = 1 - ReLU(1 - x) from 0 to 2: the gradient at 2 is 0, the integral 1."""
    model = Function(lambda x: (1 - (1 - x).relu()).flatten(1))
    with record(model, INPUT) as tape:
        model(pixel(2))
    assert tape.gradients(0)[INPUT].item() == 0
    assert integrated_gradients(model, pixel(2), 0, steps=100).item() == pytest.approx(1)


def test_a_product_is_shared_and_a_pixel_at_the_baseline_gets_nothing():
    model = Function(lambda x: x.flatten(1).prod(1, keepdim=True))
    x = torch.tensor([[[[3.0, 5.0]]], [[[3.0, 0.0]]]])
    attributed = integrated_gradients(model, x, 0, steps=10)
    torch.testing.assert_close(attributed, torch.tensor([[[7.5, 7.5]], [[0.0, 0.0]]]))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(4 * 2 * 3, 5)
    ).double().eval()  # fmt: skip


def test_complete_for_each_picture_and_each_baseline():
    model, x = network(), torch.randn(3, 2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for baseline in (0.0, -0.5, torch.full((2, 4, 5), 0.25), x.flip(0)):
        attributed = integrated_gradients(model, x, 4, baseline, steps=400)
        assert attributed.shape == (3, 4, 5)
        start = torch.as_tensor(baseline, dtype=torch.float64).expand_as(x)
        gained = (model(x) - model(start))[:, 4]
        torch.testing.assert_close(attributed.sum((1, 2)), gained.detach(), rtol=1e-4, atol=1e-6)


def test_how_the_path_is_cut_makes_no_difference_and_bounds_the_batch():
    x = torch.randn(3, 2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = integrated_gradients(network(), x, 1, steps=7, batch=1000)
    for batch, largest in ((1, 3), (3, 3), (8, 6), (32, 21)):
        model = Function(network())
        torch.testing.assert_close(integrated_gradients(model, x, 1, steps=7, batch=batch), expected)
        assert max(model.batches) == largest and sum(model.batches) == 21
    torch.testing.assert_close(integrated_gradients(network(), x[1:2], 1, steps=7), expected[1:2])


def test_any_score_and_under_inference_mode():
    x = torch.randn(2, 2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = integrated_gradients(network(), x, 3, steps=5)
    torch.testing.assert_close(integrated_gradients(network(), x, lambda out: out[:, 3].sum(), steps=5), expected)
    with torch.inference_mode():
        y = x + 0
    model = network()
    with torch.inference_mode():
        torch.testing.assert_close(integrated_gradients(model, y, 3, steps=5), expected)
    assert not integrated_gradients(model, x.clone().requires_grad_(), 3, steps=5).requires_grad


def test_wrong_steps_and_scores():
    x = torch.zeros(1, 2, 4, 5, dtype=torch.float64)
    with pytest.raises(ValueError, match="need at least one step, not 0"):
        integrated_gradients(network(), x, 0, steps=0)
    with pytest.raises(ValueError, match="explain one score at a time; call them for each class"):
        integrated_gradients(network(), x, [0, 1])
    with pytest.raises(ValueError, match="There is no class 5"):
        integrated_gradients(network(), x, 5)
