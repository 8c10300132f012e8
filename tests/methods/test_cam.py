"""CAM and its relatives as functions of tensors: answers on paper, and laws."""

import pytest
import torch
from torch import Tensor

from course_lib.methods.cam import (
    cam,
    grad_cam,
    grad_cam_plus_plus,
    hires_cam,
    layer_cam,
    neuron_importance,
    xgrad_cam,
)

OF_GRADIENTS = [grad_cam, hires_cam, grad_cam_plus_plus, layer_cam, xgrad_cam]
# two channels on a grid of 1 x 3; their sums are 6 and 0
A = torch.tensor([[[1.0, 2.0, 3.0]], [[4.0, 0.0, -4.0]]], dtype=torch.float64)
G = torch.tensor([[[3.0, 0.0, -1.0]], [[-2.0, 1.0, 4.0]]], dtype=torch.float64)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_on_paper():
    expected = {
        # α = (2/3, 1)
        grad_cam: [2 / 3 + 4, 4 / 3, 2 - 4],
        hires_cam: [3 - 8, 0, -3 - 16],
        layer_cam: [3, 0, -16],
        # channel 1: 9/(18 + 6*27) * 3 = 0.15; channel 2, whose sum is 0: 1/2 + 4/2 = 2.5
        grad_cam_plus_plus: [0.15 + 10, 0.3, 0.45 - 10],
        # channel 1: (3 + 0 - 3)/6 = 0; channel 2 has the sum 0 and is left out
        xgrad_cam: [0, 0, 0],
    }
    for method, row in expected.items():
        torch.testing.assert_close(method(A, G), torch.tensor([row], dtype=torch.float64), msg=method.__name__)
    assert neuron_importance(G).tolist() == [2 / 3, 1.0]
    assert cam(A, torch.tensor([2.0, -1.0])).tolist() == [[-2.0, 4.0, 10.0]]


def test_epsilon_as_other_implementations_add_it():
    squares = G**2
    shares = squares / (2 * squares + A.sum((1, 2), keepdim=True) * G**3 + 0.1)
    weights = (shares * G.clamp(min=0)).sum((1, 2))
    torch.testing.assert_close(grad_cam_plus_plus(A, G, epsilon=0.1), cam(A, weights))
    weights = (G * A).sum((1, 2)) / (A.sum((1, 2)) + 0.1)
    torch.testing.assert_close(xgrad_cam(A, G, epsilon=0.1), cam(A, weights))


def test_where_nothing_comes_in_nothing_comes_out():
    zero = torch.zeros(2, 3, 4, 5)
    for method in OF_GRADIENTS:
        for activations, gradients in ((zero, zero), (zero + 1, zero), (zero, zero + 1)):
            assert method(activations, gradients).equal(torch.zeros(2, 4, 5)), method.__name__


def test_pole_of_grad_cam_plus_plus_is_left_out():
    activations, gradients = torch.tensor([[[-1.0, 0.0]]]), torch.tensor([[[2.0, 1.0]]])  # 2 + Σ A g = 0 at the first
    torch.testing.assert_close(grad_cam_plus_plus(activations, gradients), torch.tensor([[-1.0, 0.0]]))


def test_linear_and_positively_homogeneous_in_the_gradient():
    activations, gradients, others = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1), random(2, 3, 4, 5, seed=2)
    for method in (grad_cam, hires_cam, xgrad_cam):
        both = method(activations, 2 * gradients - 3 * others)
        torch.testing.assert_close(both, 2 * method(activations, gradients) - 3 * method(activations, others))
    torch.testing.assert_close(layer_cam(activations, 7 * gradients), 7 * layer_cam(activations, gradients))
    for bent in (layer_cam, grad_cam_plus_plus):
        assert not torch.allclose(bent(activations, -gradients), -bent(activations, gradients))


@pytest.mark.parametrize("method", OF_GRADIENTS)
def test_laws(method):
    activations, gradients = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    raw = method(activations, gradients)
    assert raw.shape == (2, 4, 5)
    order = [2, 0, 1]
    torch.testing.assert_close(method(activations[:, order], gradients[:, order]), raw)
    torch.testing.assert_close(method(activations[1:], gradients[1:]), raw[1:])
    torch.testing.assert_close(method(activations[0], gradients[0]), raw[0])
    torch.testing.assert_close(method(activations.mT, gradients.mT), raw.mT)
    torch.testing.assert_close(method(activations.flip(-1), gradients.flip(-1)), raw.flip(-1))
    doubled = method(torch.cat([activations, activations], 1), torch.cat([gradients, gradients], 1))
    torch.testing.assert_close(doubled, 2 * raw)
    # rescaling a channel and its gradient inversely is the same network with other units
    scale = torch.tensor([0.5, 2.0, 10.0]).view(3, 1, 1).double()
    torch.testing.assert_close(method(activations * scale, gradients / scale), raw)


@pytest.mark.parametrize("method", OF_GRADIENTS)
def test_several_classes_at_once(method):
    activations, gradients = random(2, 3, 4, 5), random(6, 2, 3, 4, 5, seed=1)
    raw = method(activations, gradients)
    assert raw.shape == (6, 2, 4, 5)
    for place in range(6):
        torch.testing.assert_close(raw[place], method(activations, gradients[place]))


@pytest.mark.parametrize("method", OF_GRADIENTS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_dtype_follows_and_nothing_is_changed(method, dtype):
    activations, gradients = random(2, 3, 4, 5).abs().to(dtype), random(2, 3, 4, 5, seed=1).to(dtype)
    copies = activations.clone(), gradients.clone()
    raw = method(activations, gradients)
    assert raw.dtype == dtype and raw.isfinite().all()
    assert activations.equal(copies[0]) and gradients.equal(copies[1])


def test_a_map_has_one_value_a_cell_where_the_gradient_is_constant():
    """After global average pooling: Grad-CAM = HiResCAM = XGrad-CAM = CAM / Z."""
    activations, weights = random(2, 3, 4, 5), torch.tensor([1.0, -2.0, 0.5]).double()
    gradients = (weights / 20).view(3, 1, 1).expand(2, 3, 4, 5)
    for method in (grad_cam, hires_cam, xgrad_cam):
        torch.testing.assert_close(method(activations, gradients), cam(activations, weights) / 20)
    assert not torch.allclose(layer_cam(activations, gradients), cam(activations, weights) / 20)


@pytest.mark.parametrize("method", OF_GRADIENTS)
@pytest.mark.parametrize(
    ("activations", "gradients"),
    [((2, 3, 4, 5), (2, 3, 4, 6)), ((2, 3, 4, 5), (3, 4, 5)), ((4, 5), (4, 5)), ((2, 3, 4, 5), (2, 2, 4, 5))],
)
def test_shapes_that_do_not_fit(method, activations, gradients):
    with pytest.raises(ValueError, match=r"must have one shape, \(..., channels, height, width\)\.") as raised:
        method(torch.zeros(activations), torch.zeros(gradients))
    assert str(activations) in str(raised.value) and str(gradients) in str(raised.value)


def test_weights_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\(2, 3, 4, 5\) .* one weight for each channel, but the weights are \(4,\)"):
        cam(torch.zeros(2, 3, 4, 5), torch.zeros(4))
    for shape, weights in (((4, 5), 4), ((2, 3, 4, 5), 2), ((2, 3, 4, 5), ()), ((2, 3, 4, 5), (3, 3))):
        with pytest.raises(ValueError, match="one weight for each channel"):
            cam(torch.zeros(shape), torch.zeros(weights))
    assert cam(torch.zeros(2, 3, 4, 5), torch.zeros(6, 1, 3)).shape == (6, 2, 4, 5)  # for six classes


@pytest.mark.parametrize("total", [-2.0, -1.0, 0.0, 1.0])
def test_xgrad_cam_divides_by_what_the_channel_adds_up_to(total):
    activations = torch.tensor([[[[total - 2, 2.0]]]])
    gradients = torch.tensor([[[[1.0, 3.0]]]])
    weight = (total - 2 + 3 * 2) / total if total else 0.0
    torch.testing.assert_close(xgrad_cam(activations, gradients), weight * activations[:, 0])
