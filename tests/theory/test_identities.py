"""Identities that no lesson prints but that lessons lean on, on running networks in float64."""

import pytest
import sympy as sp
import torch
from torch import nn

from course_lib.methods import cam, gradients, steps
from course_lib.recording import record
from course_lib.theory.approximation import averaging_gap, proportional_functions
from course_lib.theory.formula import gradient


def close(got, expected):
    torch.testing.assert_close(got, torch.as_tensor(expected, dtype=torch.float64), rtol=1e-10, atol=1e-12)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def trunk():
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU())


def gap_linear():
    return nn.Sequential(trunk(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)).double().eval()


def recorded(model, score=2, layer="0"):
    pictures = torch.rand(2, 3, 6, 9, dtype=torch.float64)
    with record(model, layer) as tape:
        logits = model(pictures)
    return tape.activations[layer], tape.gradients(score)[layer], logits.detach()


def test_grad_cam_is_cam_on_gap_and_one_linear_layer():
    model = gap_linear()
    A, g, logits = recorded(model)
    M, L = cam.cam(A, model[-1].weight[2].detach()), cam.grad_cam(A, g)
    cells, bias = A[0, 0].numel(), model[-1].bias[2].detach()
    close(L * cells, M)
    close(cam.hires_cam(A, g) * cells, M)
    close(L.sum((1, 2)) + bias, logits[:, 2])
    close(steps.normalize(steps.relu(L)), steps.normalize(steps.relu(M)))
    close(steps.relu(L).sum((1, 2)) - steps.counterfactual(L).sum((1, 2)), logits[:, 2] - bias)


def test_grad_cam_plus_plus_is_not_in_proportion_to_cam():
    model = gap_linear()
    A, g, _ = recorded(model)
    w, F = model[-1].weight[2].detach(), A.mean((2, 3))
    assert (w > 0).sum() > 1
    weights = w.clamp(min=0) / (2 + w * F)
    close(cam.grad_cam_plus_plus(A, g), cam.cam(A, weights))
    ratio = (weights / w)[0, w > 0]
    assert ratio.max() > 1.001 * ratio.min()


def test_after_gap_any_head_leaves_grad_cam_equal_to_hirescam():
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(5), nn.Linear(5, 4)
    model = nn.Sequential(trunk(), *head).double().eval()
    A, g, _ = recorded(model)
    close(cam.grad_cam(A, g), cam.hires_cam(A, g))
    assert cam.grad_cam(A, g).std() > 0


def test_after_gap_the_map_adds_up_just_when_the_head_scales_with_its_input():
    A = torch.rand(2, 3, 4, dtype=torch.float64) + 0.1

    def total(head):
        return cam.grad_cam(A, gradient(lambda at: head(at.mean((1, 2))), A)).sum(), head(A.mean((1, 2)))

    close(*total(lambda F: F[0] ** 2 / F[1]))
    for head in (lambda F: F[0] + 1, lambda F: F[0] ** 2):  # a bias, and degree 2
        got, expected = total(head)
        assert abs(got - expected) > 1e-3
    x = sp.Symbol("x", positive=True)  # and the other way: along a ray x h'(x) = h(x) has straight lines only
    assert sp.simplify((proportional_functions(1) / x).diff(x)) == 0


def two_layers(bias=True):
    head = nn.Sequential(nn.Flatten(), nn.Linear(5 * 4 * 7, 6, bias=bias), nn.ReLU(), nn.Linear(6, 4, bias=bias))
    return nn.Sequential(trunk(), head).double().eval()


def test_what_hirescam_leaves_out_belongs_to_the_biases():
    model = two_layers()
    A, g, logits = recorded(model)
    biases = [module.bias for module in model[1] if isinstance(module, nn.Linear)]
    hires = cam.hires_cam(A, g).sum((1, 2))
    slopes = [torch.autograd.grad(model[1](a[None])[0, 2], biases) for a in A]
    share = [sum((b * s).sum() for b, s in zip(biases, slope, strict=True)) for slope in slopes]
    close(hires + torch.stack(share).detach(), logits[:, 2])
    assert (hires - logits[:, 2]).abs().min() > 1e-3
    A, g, logits = recorded(two_layers(bias=False))
    close(cam.hires_cam(A, g).sum((1, 2)), logits[:, 2])


def test_gradient_times_input_and_the_biases_make_the_logit():
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).double().eval()
    pictures = torch.randn(1, 3, 1, 2, dtype=torch.float64)
    with record(model, "input") as tape:
        logit = model(pictures)[0, 1].detach()
    slope = tape.gradients(1)["input"]
    biases = [model[1].bias, model[3].bias]
    share = sum((b * s).sum() for b, s in zip(biases, torch.autograd.grad(model(pictures)[0, 1], biases), strict=True))
    close((slope * pictures).sum() + share.detach(), logit)
    assert abs((slope * pictures).sum() - logit) > 1e-3


def test_two_layers_make_the_gradient_differ_from_cell_to_cell():
    A, g, _ = recorded(two_layers())
    gap = cam.hires_cam(A, g).sum((1, 2)) - cam.grad_cam(A, g).sum((1, 2))
    close(gap, averaging_gap(A, g))
    assert gap.abs().min() > 1e-3


def test_max_pooling_lights_few_cells_and_grad_cam_paints_them_all():
    model = nn.Sequential(trunk(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(5, 4)).double().eval()
    A, g, logits = recorded(model)
    hires = cam.hires_cam(A, g)
    assert (hires != 0).sum((1, 2)).max() <= 5
    close(hires.sum((1, 2)) + model[-1].bias[2].detach(), logits[:, 2])
    close(cam.grad_cam(A, g), cam.cam(A, model[-1].weight[2].detach()) / A[0, 0].numel())


def test_xgrad_cam_sums_to_hirescam_and_layer_cam_is_hirescam_of_positive_gradients():
    A, g, _ = recorded(two_layers())
    close(cam.xgrad_cam(A, g).sum((1, 2)), cam.hires_cam(A, g).sum((1, 2)))
    close(cam.layer_cam(A, g.abs()), cam.hires_cam(A, g.abs()))
    assert not torch.allclose(cam.layer_cam(A, g), cam.hires_cam(A, g))


@pytest.mark.parametrize("m", [1, 5, 16])
def test_the_midpoint_rule_misses_a_cube_by_one_in_4_m_squared(m):
    cube = nn.Module()
    cube.forward = lambda pictures: (pictures**3).flatten(1)
    got = gradients.integrated_gradients(cube, torch.full((1, 1, 1, 1), 8.0, dtype=torch.float64), 0, steps=m)
    close(got, [[[512 * (1 - 1 / (4 * m**2))]]])
    j, n = sp.symbols("j n", positive=True)
    assert sp.simplify(sp.summation(3 * (j - sp.Rational(1, 2)) ** 2 / n**3, (j, 1, n)) - 1 + 1 / (4 * n**2)) == 0


def test_integrated_gradients_are_complete_on_a_relu_network():
    model = gap_linear()
    picture = torch.rand(1, 3, 6, 9, dtype=torch.float64)
    got = gradients.integrated_gradients(model, picture, 1, 0.0, steps=2000, batch=500).sum()
    expected = (model(picture) - model(torch.zeros_like(picture)))[0, 1].detach()
    assert abs(got - expected) < 1e-4 and abs(expected) > 1e-2


def test_a_black_background_is_invisible_to_methods_that_start_from_black():
    """Where x equals the baseline both methods give exactly 0, though the network reads the place."""
    model = gap_linear()
    picture = torch.rand(1, 3, 6, 9, dtype=torch.float64)
    picture[..., :4] = 0
    with record(model, "input") as tape:
        model(picture)
    slope = tape.gradients(1)["input"]
    assert not gradients.gradient_times_input(picture, slope)[..., :4].any()
    assert not gradients.integrated_gradients(model, picture, 1)[..., :4].any()
    assert slope[..., :3].any() and gradients.integrated_gradients(model, picture, 1, baseline=0.5)[..., :3].any()


def _probability(z, V, F):
    """The first class's probability, as a function of activations whose means are F where the logits are z."""
    return lambda at: (z + V @ (at.mean((1, 2)) - F)).softmax(0)[0]


def test_the_loss_and_the_probability_fade_where_the_network_is_sure():
    z = torch.tensor([9.0, 0.5, -1.0], dtype=torch.float64)
    p = z.softmax(0)
    label = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    close(gradient(lambda at: -at.log_softmax(0)[0], z), p - label)
    for scale in (0.1, 1.0, 3.0):
        p = (scale * z).softmax(0)
        A, V = torch.rand(2, 3, 4, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
        alphas = V / 12
        F = A.mean((1, 2))
        alpha = cam.neuron_importance(gradient(_probability(scale * z, V, F), A))
        close(alpha, p[0] * (alphas[0] - p @ alphas))
        assert (alpha.abs() <= p[0] * (1 - p[0]) * (alphas[0] - alphas[1:]).abs().amax(0) + 1e-15).all()


def test_where_inputs_repeat_each_other_many_weights_give_one_output():
    x1 = torch.tensor([1.0, 2.0, -1.0])
    x2 = 2 * x1
    for t in (0.0, 1.0, -3.0):
        assert torch.equal((5 + 2 * t) * x1 + (1 - t) * x2, 7 * x1)


def test_nearest_upsampling_keeps_sum_and_peak_and_bilinear_only_the_sum():
    raw = torch.tensor([[0.0, 1.0, 5.0], [2.0, 0.0, 1.0]], dtype=torch.float64)
    nearest, bilinear = (steps.upsample(raw, (8, 12), mode) for mode in ("nearest", "bilinear"))
    assert nearest.sum() == 16 * raw.sum() and (nearest == 5).sum() == 16 and (nearest[:4, 8:] == 5).all()
    assert bilinear.sum() == 16 * raw.sum() and (bilinear == 5).sum() < 16
    assert steps.upsample(raw, (7, 11)).sum() != 7 * 11 / 6 * raw.sum(), "by no whole factor, not even the sum"
