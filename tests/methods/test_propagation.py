"""Guided backpropagation and deconvolution: one changed rule, at each ReLU however it is written."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.methods.propagation import deconvolution, guided_backpropagation, guided_grad_cam, guided_gradient
from course_lib.recording import INPUT, record


def ignoring_what_it_returns(x: Tensor) -> Tensor:
    y = x + 0
    F.relu(y, inplace=True)
    return y


def keyword(x: Tensor) -> Tensor:
    y = x + 0
    F.relu(input=y, inplace=True)
    return y


RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, True),
    "F.relu in place, its result unused": ignoring_what_it_returns,
    "F.relu in place by keyword": keyword,
    "torch.relu": torch.relu,
    "torch.relu_": lambda x: torch.relu_(x + 0),
    "Tensor.relu": lambda x: x.relu(),
    "Tensor.relu_": lambda x: (x + 0).relu_(),
}


class Sandwich(nn.Module):
    """W ReLU(V x) for pictures of two pixels; V and W are given."""

    def __init__(self, relu: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.relu = relu
        self.register_buffer("V", torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 0.0]]))
        self.register_buffer("W", torch.tensor([[2.0, -3.0, 5.0], [-1.0, 4.0, 1.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x.flatten(1) @ self.V.T) @ self.W.T


@pytest.mark.parametrize("relu", RELUS.values(), ids=RELUS)
def test_on_paper(relu):
    """x = (2, 1): V x = (3, 1, -2); class 0 sends (2, -3, 5) back: only the first is positive above and below."""
    model, x = Sandwich(relu).eval(), torch.tensor([[[[2.0, 1.0]]]])
    expected = model(x)
    assert guided_backpropagation(model, x, 0).tolist() == [[[2.0, 2.0]]]
    assert guided_backpropagation(model, x, 1).tolist() == [[[4.0, -4.0]]]
    assert deconvolution(model, x, 0).tolist() == [[[2.0 - 5.0, 2.0]]], "the third, shut on the way up, passes 5 down"
    assert deconvolution(model, x, 1).tolist() == [[[4.0 - 1.0, -4.0]]]
    with record(model, INPUT) as tape:
        model(x)
    assert tape.gradients(0)[INPUT].tolist() == [[[[-1.0, 5.0]]]]
    assert model(x).equal(expected), "the rule is changed for one pass only"


def network(inplace: bool) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(inplace), nn.Conv2d(6, 6, 3), nn.ReLU(inplace), nn.Flatten(), nn.Linear(24, 4)
    ).eval()


@pytest.mark.parametrize("inplace", [False, True])
def test_the_rule_layer_by_layer(inplace):
    model, x = network(inplace), torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    plain = network(False)
    with record(plain, ["0", "2"]) as tape:
        plain(x)
    above = tape.gradients(1)["2"].clone()  # with the plain rule: the factor [x > 0] is in it already
    above = above.clamp(min=0)
    below = F.conv_transpose2d(above, plain[2].weight.detach()).clamp(min=0) * (tape.activations["0"] > 0)
    expected = F.conv_transpose2d(below, plain[0].weight.detach())
    torch.testing.assert_close(guided_gradient(model, x, 1), expected)
    torch.testing.assert_close(guided_backpropagation(model, x, 1), expected.sum(1))


def test_deconvolution_layer_by_layer():
    model, x = network(False), torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    above = model[5].weight.detach()[1].clamp(min=0).view(1, 6, 2, 2)
    below = F.conv_transpose2d(above, model[2].weight.detach()).clamp(min=0)
    expected = F.conv_transpose2d(below, model[0].weight.detach()).sum(1)
    torch.testing.assert_close(deconvolution(model, x, 1), expected.expand(2, 6, 6))  # without a pooling: of no picture


def test_pictures_do_not_touch_each_other():
    model, x = network(True), torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    both = guided_gradient(model, x, 1)
    torch.testing.assert_close(guided_gradient(model, x[1:], 1), both[1:])


def test_a_network_without_relus():
    with pytest.raises(ValueError, match="changes the rule at ReLUs, and no ReLU ran in this model."):
        guided_backpropagation(nn.Sequential(nn.Flatten(), nn.GELU()), torch.ones(1, 3, 2, 2), 0)
    with pytest.raises(ValueError, match="Deconvolution changes the rule at ReLUs, and no ReLU ran in this model."):
        deconvolution(nn.Sequential(nn.Flatten(), nn.GELU()), torch.ones(1, 3, 2, 2), 0)


def test_guided_grad_cam_keeps_edges_where_the_map_is_positive():
    guided = torch.randn(2, 3, 4, 5)
    coarse = torch.randn(2, 4, 5)
    product = guided_grad_cam(guided, coarse)
    assert product.shape == guided.shape
    assert product[:, 1].equal(guided[:, 1] * coarse.clamp(min=0))
