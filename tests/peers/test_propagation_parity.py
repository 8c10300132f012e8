"""The gradient and propagation family beside captum's, in float64: max |a - b| <= 1e-4 max |b|; a wrong method fails.

What captum takes differently is kept out of the way. Its LRP needs modules that run once and stabilizes a max-pooling,
too, and its z+ leaves negative inputs and biases aside: chains, pictures without negative values. Its DeepLIFT loses
the rule of a max-pooling that reads a ReLU's output itself (both hook one tensor), and of overlapping windows that
share their winner it keeps one: something that does nothing is put between the two, and no windows overlap.
"""

import copy
from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from captum import attr
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule
from torch import Tensor, nn

from course_lib.methods.gradients import integrated_gradients, loss_saliency, saliency, smooth_grad
from course_lib.methods.propagation import deconvolution, guided_backpropagation
from course_lib.methods.relevance import deep_lift, lrp_alpha_beta, lrp_epsilon, lrp_z_plus
from tests.peers.test_parity import difference, random_network, varies, without_in_place

pytestmark = [
    pytest.mark.full,
    pytest.mark.filterwarnings("ignore:Setting (forward, )?backward hooks"),
    pytest.mark.filterwarnings("ignore:Setting forward"),
]
TARGET = 3


class Chain(nn.Module):
    """Convolutions, ReLUs, max-poolings, two linear layers."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=bias), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, bias=bias), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.one, self.relu, self.two = nn.Linear(12 * 5 * 7, 20, bias), nn.ReLU(), nn.Linear(20, 5, bias)
        self.double().eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.relu(self.one(self.features(x).flatten(1))))


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 1.0


def apart(model: nn.Module) -> nn.Module:
    """The same network with nothing between each ReLU and the max-pooling after it."""
    changed = without_in_place(model)
    changed.features = nn.Sequential(
        *(nn.Sequential(Nothing(), part) if isinstance(part, nn.MaxPool2d) else part for part in changed.features)
    )
    return changed


def with_biases(name: str) -> nn.Module:
    """A network with random weights; without biases most of these methods are one and the same."""
    model = random_network(name, num_classes=10).double().requires_grad_(False)
    random = torch.Generator().manual_seed(0)
    for key, value in model.named_parameters():
        if key.endswith("bias"):
            value.copy_(0.1 * torch.randn(value.shape, generator=random, dtype=torch.float64))
    return model


def pictures(height: int = 24, width: int = 32) -> Tensor:
    return torch.rand(2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def agree(ours: Tensor, theirs: Tensor, wrong: Tensor) -> None:
    assert ours.dtype == torch.float64 and varies(ours) and varies(theirs)
    print(f"{difference(ours, theirs):.1e}; a wrong method: {difference(wrong, theirs):.1e}")
    assert difference(ours, theirs.detach()) <= 1e-4
    assert difference(wrong, theirs) > 1e-2


def with_rule(model: nn.Module, rule: Callable[[], object]) -> nn.Module:
    changed = copy.deepcopy(model)
    for module in changed.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.AdaptiveAvgPool2d | nn.MaxPool2d):
            module.rule = EpsilonRule(1e-15) if isinstance(module, nn.MaxPool2d) else rule()
    return changed


@pytest.mark.parametrize("epsilon", [1e-9, 0.05])
def test_lrp_epsilon(epsilon):
    peer = attr.LRP(with_rule(Chain(), lambda: EpsilonRule(epsilon))).attribute(pictures(), TARGET).sum(1)
    agree(lrp_epsilon(Chain(), pictures(), TARGET, epsilon), peer, lrp_epsilon(Chain(), pictures(), TARGET, 0.5))


def test_lrp_z_plus_without_biases():
    peer = attr.LRP(with_rule(Chain(False), Alpha1_Beta0_Rule)).attribute(pictures(), TARGET).sum(1)
    agree(lrp_z_plus(Chain(False), pictures(), TARGET), peer, lrp_alpha_beta(Chain(False), pictures(), TARGET))


@pytest.mark.parametrize("baseline", [0.0, 0.5])
def test_deep_lift_on_a_chain(baseline):
    start = torch.full_like(pictures()[:1], baseline)
    peer = attr.DeepLift(apart(Chain())).attribute(pictures(), start, TARGET).sum(1)
    wrong = integrated_gradients(Chain(), pictures(), TARGET, baseline, steps=200)
    agree(deep_lift(Chain(), pictures(), TARGET, baseline), peer, wrong)


def test_why_something_is_put_between_a_relu_and_a_max_pooling():
    """(2, 1, 3, -1) from (-1, .5, -1, 5): maxima (2, 3) from (.5, 5), so 1.5 and -2, at cells 0 and 3."""
    model = nn.Sequential(OrderedDict(features=nn.Sequential(nn.ReLU(), nn.MaxPool2d((1, 2))), end=nn.Flatten()))
    x, start = (torch.tensor([[[values]]]) for values in ([2.0, 1.0, 3.0, -1.0], [-1.0, 0.5, -1.0, 5.0]))
    both = [
        [attr.DeepLift(one).attribute(x, start, target).flatten().tolist() for one in (apart(model), model)]
        for target in (0, 1)
    ]
    ours = [deep_lift(model, x, target, start).flatten().tolist() for target in (0, 1)]
    assert ours == [[1.5, 0, 0, 0], [0, 0, 0, -2]] == [one for one, _ in both]
    assert [sum(other) for _, other in both] != [1.5, -2], "captum's own no longer needs it: take `apart` away"


@pytest.fixture(scope="module", params=["resnet18", "vgg16"])
def network(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    return with_biases(request.param), pictures(64, 64)


def test_deconvolution_and_guided_backpropagation(network):
    model, x = network
    plain = without_in_place(model)
    deconvolved, guided = (ours(model, x, TARGET) for ours in (deconvolution, guided_backpropagation))
    agree(deconvolved, attr.Deconvolution(plain).attribute(x, TARGET).sum(1), guided)
    agree(guided, attr.GuidedBackprop(plain).attribute(x, TARGET).sum(1), deconvolved)


def test_smooth_grad_and_integrated_gradients(network):
    model, x = network
    plain = attr.Saliency(model).attribute(x, TARGET).amax(1)
    agree(smooth_grad(model, x, TARGET, noise=0.0, samples=2), plain, smooth_grad(model, x, TARGET, samples=2))
    random, spread = torch.Generator().manual_seed(0), x[:1].max() - x[:1].min()
    drawn = torch.stack([torch.randn(x.shape[1:], generator=random) for _ in range(4)]).to(x)
    signed = attr.Saliency(model).attribute(x[:1] + 0.15 * spread * drawn, TARGET, abs=False).mean(0, keepdim=True)
    agree(smooth_grad(model, x[:1], TARGET, samples=4), saliency(x[:1], signed), plain[:1])
    path = attr.IntegratedGradients(model).attribute(x, 0 * x, TARGET, n_steps=4, method="riemann_middle").sum(1)
    agree(integrated_gradients(model, x, TARGET, steps=4), path, integrated_gradients(model, x, TARGET, steps=1))


def test_saliency_of_the_loss(network):
    model, x = network

    def losses(pictures: Tensor) -> Tensor:
        return nn.functional.cross_entropy(model(pictures), torch.full((len(pictures),), TARGET), reduction="none")

    plain = attr.Saliency(model).attribute(x, TARGET).amax(1)
    agree(loss_saliency(model, x, TARGET), attr.Saliency(losses).attribute(x).amax(1), plain)


def test_deep_lift_on_vgg16():
    model, x = with_biases("vgg16"), pictures(64, 64)
    peer = attr.DeepLift(apart(model)).attribute(x, 0 * x, TARGET).sum(1)
    agree(deep_lift(model, x, TARGET), peer, integrated_gradients(model, x, TARGET, steps=4))


def test_lrp_epsilon_on_vgg16():
    model, x = with_biases("vgg16"), pictures(64, 64)
    peer = attr.LRP(with_rule(without_in_place(model), lambda: EpsilonRule(1e-9))).attribute(x, TARGET).sum(1)
    agree(lrp_epsilon(model, x, TARGET, 1e-9), peer, lrp_z_plus(model, x, TARGET))
