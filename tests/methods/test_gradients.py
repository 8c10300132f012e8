"""Methods that look at the picture itself."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from course_lib.methods.gradients import (
    gradient_times_input,
    integrated_gradients,
    loss_saliency,
    saliency,
    smooth_grad,
)
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


def test_the_midpoint_rule_on_a_cube():
    """The relative error is exactly 1 / (4 m²)."""
    cube = Function(lambda x: (x**3).flatten(1))
    for steps in (1, 2, 7, 50):
        got = integrated_gradients(cube, pixel(8), 0, steps=steps).item()
        assert (512 - got) / 512 == pytest.approx(1 / (4 * steps**2), rel=1e-9)


def test_complete_for_a_relu_network_up_to_the_steps():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1)).double().eval()
    x = torch.randn(1, 1, 2, 3, dtype=torch.float64)
    gained = (model(x) - model(0 * x)).item()
    sums = [integrated_gradients(model, x, 0, steps=m, batch=4096).sum().item() for m in (10, 1000, 50000)]
    gaps = [abs(total - gained) for total in sums]
    assert gaps[2] < 1e-4 and gaps[2] < gaps[1] < gaps[0]


# ------------------------------------------------------------------------------------------------ SmoothGrad, the loss


def saliency_of(model: nn.Module, x: Tensor, target: int) -> Tensor:
    with record(model, INPUT) as tape:
        model(x)
    return saliency(x, tape.gradients(target)[INPUT])


def test_smooth_grad_without_noise_and_of_a_line_is_the_saliency():
    x = torch.randn(3, 2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(smooth_grad(network(), x, 3, noise=0.0, samples=3), saliency_of(network(), x, 3))
    line = nn.Sequential(nn.Flatten(), nn.Linear(40, 5)).double().eval()
    torch.testing.assert_close(smooth_grad(line, x, 3, noise=5.0, samples=3), saliency_of(line, x, 3))


def test_smooth_grad_of_a_relu_is_the_normal_distribution():
    """At x of a range of 1, with σ = 1/2: the share of x + e above 0, Φ(2x)."""
    x = torch.tensor([-0.5, -0.2, 0.0, 0.3, 0.5], dtype=torch.float64)
    model = Function(lambda y: y.relu().sum((1, 2, 3))[:, None])
    got = smooth_grad(model, x.view(1, 1, 1, 5), 0, 0.5, 40_000, batch=8000)
    expected = torch.distributions.Normal(0.0, 1.0).cdf(2 * x)
    assert (got.flatten() - expected).abs().max() < 4 * 0.5 / 40_000**0.5  # four standard errors


def test_smooth_grad_takes_its_noise_from_the_seed_and_the_pictures_range():
    x = torch.rand(2, 2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = smooth_grad(network(), x, 1, samples=7, batch=1000)
    for batch, largest in ((1, 2), (5, 4), (32, 14)):
        model = Function(network())
        torch.testing.assert_close(smooth_grad(model, x, 1, samples=7, batch=batch), expected)
        assert max(model.batches) == largest and sum(model.batches) == 14
    torch.testing.assert_close(smooth_grad(network(), x[1:], 1, samples=7), expected[1:])
    assert (smooth_grad(network(), x, 1, samples=7, seed=1) - expected).abs().max() > 1e-4
    random = torch.Generator().manual_seed(0)
    e = torch.stack([torch.randn(2, 4, 5, generator=random) for _ in range(7)])
    noisy = x[:1] + 0.15 * (x[0].max() - x[0].min()) * e
    model = network()
    with record(model, INPUT) as tape:
        model(noisy)
    torch.testing.assert_close(saliency(x[0], tape.gradients(1)[INPUT].mean(0)), expected[0])


def test_the_loss_fades_where_the_label_is_sure_and_the_score_does_not():
    """L = -ln p_c: the logits' gradients weighed by p - y; nothing is left at p = 1, all of it at a sure mistake."""
    x = torch.randn(2, 2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model = network()
    with record(model, INPUT) as tape:
        logits = model(x)
    slopes = tape.gradients(list(range(5)))[INPUT]
    factor = logits.detach().softmax(1) - torch.eye(5)[2]
    torch.testing.assert_close(loss_saliency(model, x, 2), saliency(x, torch.einsum("bs,sbchw->bchw", factor, slopes)))
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False)).double().eval()
    model[1].weight.data = torch.tensor([[1.0], [-1.0]]).double()
    maps = [loss_saliency(model, pixel(1, 5, 10), label).flatten() for label in (0, 1)]
    torch.testing.assert_close(maps[0], 2 * torch.sigmoid(-2 * pixel(1, 5, 10).flatten()))
    torch.testing.assert_close(maps[1], 2 * torch.sigmoid(2 * pixel(1, 5, 10).flatten()))
    assert saliency_of(model, pixel(1, 5, 10), 0).flatten().tolist() == [1, 1, 1]


def test_wrong_samples_noise_and_labels():
    x = torch.zeros(1, 2, 4, 5, dtype=torch.float64)
    for options in ({"samples": 0}, {"noise": -0.1}):
        with pytest.raises(ValueError, match="at least one sample and noise of 0 or more"):
            smooth_grad(network(), x, 0, **options)
    with pytest.raises(ValueError, match="Smoothed gradients explain one score at a time"):
        smooth_grad(network(), x, [0, 1])
    with pytest.raises(ValueError, match="There is no class 5"):
        loss_saliency(network(), x, 5)


def test_of_a_linear_function_all_agree():
    """gradient x (input - baseline) = integrated gradients = what emptying the pixel costs; the sum is the climb."""
    torch.manual_seed(0)
    line = nn.Sequential(nn.Flatten(), nn.Linear(6, 3)).double().eval()
    x, start = torch.randn(2, 1, 1, 2, 3, dtype=torch.float64)
    with record(line, INPUT) as tape:
        line(x)
    expected = gradient_times_input(x - start, tape.gradients(1)[INPUT])
    torch.testing.assert_close(integrated_gradients(line, x, 1, start, steps=2), expected)
    costs = [line(x) - line(torch.where(torch.arange(6).view(1, 1, 2, 3) == i, start, x)) for i in range(6)]
    torch.testing.assert_close(torch.stack(costs)[:, 0, 1].detach(), expected.flatten())
    torch.testing.assert_close(expected.sum(), (line(x) - line(start))[0, 1].detach())
