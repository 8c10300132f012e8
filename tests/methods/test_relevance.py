"""LRP and DeepLIFT: each rule on paper, what is conserved, and every way in which a network can be written."""

import copy

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from course_lib import networks
from course_lib.methods.gradients import integrated_gradients
from course_lib.methods.relevance import (
    alpha_beta_rule,
    deep_lift,
    epsilon_rule,
    lrp_alpha_beta,
    lrp_epsilon,
    lrp_z_plus,
    relevance,
)
from course_lib.recording import INPUT, record

RULES = {
    "epsilon 0": epsilon_rule(0.0),
    "epsilon 1": epsilon_rule(1.0),
    "alpha 2": alpha_beta_rule(2.0),
    "z+": alpha_beta_rule(1.0),
}


def linear(*rows: list[float], bias: list[float] | None = None) -> nn.Linear:
    layer = nn.Linear(len(rows[0]), len(rows), bias is not None)
    layer.weight.data = torch.tensor(rows)
    if bias is not None:
        layer.bias.data = torch.tensor(bias)
    return layer


def paper() -> nn.Sequential:
    """x = (2, 1): z = (3, -2, 2), a = (3, 0, 2), S = 2·3 - 1·2 + 1 = 5."""
    first = linear([1.0, 1.0], [-1.0, 0.0], [2.0, -1.0], bias=[0.0, 0.0, -1.0])
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), linear([2.0, 5.0, -1.0], bias=[1.0])).eval()


X = torch.tensor([[[[2.0, 1.0]]]])


def test_epsilon_on_paper():
    """R of a: (6, 0, -2), the bias keeps 1. Neuron 0: 6 (2, 1)/3; neuron 2: -2 (4, -1)/2, and its bias +1."""
    shared, kept = relevance(paper(), X, 0, epsilon_rule(0.0))
    assert shared.flatten().tolist() == [4 - 4, 2 + 1] and kept.tolist() == [1 + 1]
    shared, kept = relevance(paper(), X, 0, epsilon_rule(1.0))  # logit 5 -> R of a: 5 (6, 0, -2) / 6
    expected = torch.tensor([5 * 2 / 4 - 5 / 3 * 4 / 3, 5 / 4 + 5 / 3 / 3])
    torch.testing.assert_close(shared.flatten(), expected)
    torch.testing.assert_close(kept + shared.sum(), torch.tensor([5.0]))


def test_alpha_beta_on_paper():
    """Parts 6 and bias 1 against 2: R of a = (2·5·6/7, 0, -5). Neuron 2: 4 for it, 1 and bias 1 against.

    z+: R of a = (5·6/7, 0, 0), neuron 0 shares by (2, 1).
    """
    shared, kept = relevance(paper(), X, 0, alpha_beta_rule(2.0))
    above = 60 / 7
    torch.testing.assert_close(shared.flatten(), torch.tensor([above * 2 / 3 - 10, above / 3 + 2.5]))
    torch.testing.assert_close(kept, torch.tensor([10 / 7 + 2.5]))
    torch.testing.assert_close(lrp_z_plus(paper(), X, 0).flatten(), torch.tensor([30 / 7 * 2 / 3, 30 / 7 / 3]))


def test_parts_of_one_sign_share_all_and_nothing_shares_nothing():
    model = nn.Sequential(nn.Flatten(), linear([-1.0, -3.0], [1.0, 3.0], [0.0, 0.0])).eval()
    for target, expected in enumerate(([-2.0, -3.0], [2.0, 3.0], [0.0, 0.0])):
        for method in (lrp_alpha_beta, lrp_z_plus, lrp_epsilon):
            shared = method(model, X, target).flatten()
            torch.testing.assert_close(shared, torch.tensor(expected), rtol=1e-5, atol=0)


def test_deep_lift_on_paper():
    """From (0, 1): z' = (1, 0, -2), a' = (1, 0, 0), S' = 3. Δa = (2, 0, 2), R of a: (4, 0, -2), Δx = (2, 0)."""
    baseline = torch.tensor([[[[0.0, 1.0]]]])
    assert deep_lift(paper(), X, 0, baseline).flatten().tolist() == [4 - 2, 0]


class Maximum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, (1, 3)).flatten(1)


@pytest.mark.parametrize(
    ("x", "start", "expected"),
    [([1, 5, 2], [4, 0, 0], [0, 1, 0]), ([1, 3, 2], [4, 0, 0], [-1, 0, 0]), ([1, 5, 2], [0, 5, 9], [0, 0, -4])],
)
def test_of_two_maxima_the_cell_of_the_larger_gets_the_difference(x, start, expected):
    x, start = (torch.tensor([[[values]]], dtype=torch.float32) for values in (x, start))
    assert deep_lift(Maximum(), x, 0, start).flatten().tolist() == expected
    assert lrp_epsilon(Maximum(), x, 0, 0.0).flatten().tolist() == [value * (value == x.max()) for value in x.flatten()]


class Written(nn.Module):
    """A residual block with BatchNorm, the ways of writing a step chosen by `style`."""

    def __init__(self, style: str, bias: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.style = style
        self.one, self.two = nn.Conv2d(3, 4, 3, 1, 1, bias=bias), nn.Conv2d(4, 4, 3, 1, 1, bias=bias)
        self.norm = nn.BatchNorm2d(4) if bias else nn.Identity()
        self.relu, self.pool = nn.ReLU(inplace=style == "in place"), nn.MaxPool2d(2)
        self.fc = nn.Linear(4, 5, bias)
        for values in (self.norm.parameters(), self.norm.buffers()):
            for value in values:
                if value.is_floating_point():
                    nn.init.uniform_(value, 0.5, 1.5)
        self.register_buffer("mean", torch.full((3, 1, 1), 0.25 if bias else 0.0))
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        relu = {"function": F.relu, "method": lambda y: y.relu()}.get(self.style, self.relu)
        y = relu(self.one((x - self.mean) / 0.5))
        out = self.norm(self.two(y))
        if self.style == "in place":
            out += y
        else:
            out = torch.add(out, y) if self.style == "function" else out + y
        out = relu(out)
        out = F.max_pool2d(out, 2) if self.style == "function" else self.pool(out)
        if self.style == "function":
            return self.fc(torch.flatten(F.adaptive_avg_pool2d(out, 1), 1))
        return self.fc(out.mean((2, 3)) if self.style == "method" else F.avg_pool2d(out, 4).view(out.shape[0], -1))


def pictures(number: int = 3) -> Tensor:
    return torch.rand(number, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_however_it_is_written(rule):
    expected = relevance(Written("modules"), pictures(), 2, rule)
    assert expected[0].std() > 0
    for style in ("in place", "function", "method"):
        torch.testing.assert_close(relevance(Written(style), pictures(), 2, rule), expected)


def conserved(model: nn.Module, x: Tensor, target: int) -> None:
    """Σ R + what biases absorbed = the logit, by each rule; DeepLIFT: the logit less the baseline's."""
    logit = model(x)[:, target].detach()
    for name, rule in RULES.items():
        shared, kept = relevance(model, x, target, rule)
        torch.testing.assert_close(shared.sum((1, 2, 3)) + kept, logit, rtol=1e-9, atol=1e-12)
        assert shared.shape == x.shape and shared.flatten(1).std(1).all() and kept.all(), name
    for baseline in (0.0, 0.4):
        shared, kept = relevance(model, x, target, epsilon_rule(0.0), baseline)
        start = model(torch.full_like(x, baseline))[:, target].detach()
        torch.testing.assert_close(shared.sum((1, 2, 3)), logit - start, rtol=1e-9, atol=1e-12)
        assert not kept.any()


def test_conserved_in_a_residual_block():
    conserved(Written("in place"), pictures(), 4)


@pytest.mark.parametrize("name", ["scenes_gap", "scenes_two_fc", "vehicles"])
def test_conserved_in_the_courses_networks(name):
    size = networks.load(name).preprocessing.size
    x = torch.rand(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    conserved(networks.load(name).model.double(), x, 1)


def with_statistics(name: str) -> nn.Module:
    """A network of torchvision's with random weights, with BatchNorms and biases that do something."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = torchvision.models.get_model(name, num_classes=10).double().eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_var, 0.5, 1.5)
                nn.init.normal_(module.running_mean, 0, 0.1)
            if getattr(module, "bias", None) is not None:
                nn.init.normal_(module.bias, 0, 0.1)
    return model


@pytest.mark.parametrize("name", ["resnet18", pytest.param("vgg16", marks=pytest.mark.full)])
def test_conserved_in_torchvisions_networks(name):
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    conserved(with_statistics(name), x, 3)


def gradient_times(model: nn.Module, x: Tensor, seen: Tensor, target: int) -> Tensor:
    with record(model, INPUT) as tape:
        model(x)
    return seen * tape.gradients(target)[INPUT]


def test_without_epsilon_it_is_gradient_times_what_the_first_convolution_reads():
    """With biases, too: they only take a share. Without any, all of the logit arrives at the pixels."""
    x = pictures()
    shared, _ = relevance(Written("function"), x, 1, epsilon_rule(0.0))
    torch.testing.assert_close(shared, gradient_times(Written("function"), x, x - 0.25, 1))
    bare = Written("modules", bias=False)
    shared, kept = relevance(bare, x, 1, epsilon_rule(0.0))
    torch.testing.assert_close(shared, gradient_times(bare, x, x, 1))
    torch.testing.assert_close(shared.sum((1, 2, 3)), bare(x)[:, 1].detach())
    assert not kept.any()
    torch.testing.assert_close(integrated_gradients(bare, x, 1, steps=3), shared.sum(1))
    torch.testing.assert_close(deep_lift(bare, x, 1), shared.sum(1))


def test_z_plus_has_the_sign_of_the_score_and_alpha_1_is_z_plus():
    model, x = Written("modules"), pictures()
    for target in range(5):
        signs = model(x)[:, target].sign().view(-1, 1, 1)
        assert (lrp_z_plus(model, x, target) * signs).min() >= 0
    torch.testing.assert_close(lrp_alpha_beta(model, x, 0, alpha=1), lrp_z_plus(model, x, 0))


def test_pictures_do_not_touch_each_other_and_the_model_stays():
    model, x = Written("in place"), pictures()
    before, kept = model(x), copy.deepcopy(model.state_dict())
    for method in (lrp_epsilon, lrp_alpha_beta, deep_lift):
        whole = method(model, x, 2)
        torch.testing.assert_close(method(model, x, 2, batch=1), whole)
        torch.testing.assert_close(method(model, x[1:2], 2), whole[1:2])
        with torch.inference_mode():
            torch.testing.assert_close(method(model, x, 2), whole)
    starts = pictures().flip(0)
    torch.testing.assert_close(deep_lift(model, x, 2, starts, batch=2), deep_lift(model, x, 2, starts))
    assert model(x).equal(before) and all(value.equal(kept[name]) for name, value in model.state_dict().items())


class Forward(nn.Module):
    def __init__(self, forward, **parts: nn.Module) -> None:
        super().__init__()
        self.steps = forward
        for name, part in parts.items():
            setattr(self, name, part)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.steps(self, x).flatten(1)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (nn.Sequential(nn.Flatten(), nn.GELU()), "GELU \\('1'\\)"),
        (nn.Sequential(nn.BatchNorm2d(3), nn.Flatten()), "BatchNorm2d \\('0'\\)"),
        (Forward(lambda self, x: x * x), "mul"),
        (Forward(lambda self, x: 1 / x), "truediv"),
        (Forward(lambda self, x: x * x.relu()), "mul"),
        (Forward(lambda self, x: torch.add(x, x.relu(), alpha=2)), "add"),
        (Forward(lambda self, x: x.sigmoid()), "sigmoid"),
        (Forward(lambda self, x: self.rnn(x.flatten(2))[0], rnn=nn.GRU(64, 2, batch_first=True)), "getitem"),
    ],
)
def test_what_has_no_rule_is_named(model, name):
    with pytest.raises(ValueError, match=f"Relevance has no rule for {name}: there are rules for Linear, Conv2d"):
        lrp_epsilon(model.eval(), torch.rand(1, 3, 8, 8), 0)


def test_what_cannot_be_followed():
    def unused(self: nn.Module, x: Tensor) -> Tensor:
        y = x - 0.5
        F.relu(y, inplace=True)
        return y

    depends = Forward(lambda self, x: x if x.sum() > 0 else -x)
    with pytest.raises(ValueError, match="this Forward can't be followed .*; try integrated gradients."):
        lrp_epsilon(depends, torch.rand(1, 3, 2, 2), 0)
    with pytest.raises(ValueError, match="don't give its own logits"):
        lrp_epsilon(Forward(unused), torch.rand(1, 3, 2, 2), 0)
    assert not lrp_epsilon(Forward(lambda self, x: torch.ones(1, 2)), torch.rand(1, 3, 2, 2), 0).any()


def test_wrong_targets_rules_and_modes():
    with pytest.raises(ValueError, match="There is no class 5"):
        lrp_z_plus(Written("modules"), pictures(), 5)
    with pytest.raises(ValueError, match="so it is 0 or more, not -1"):
        lrp_epsilon(Written("modules"), pictures(), 0, epsilon=-1)
    with pytest.raises(ValueError, match="Alpha is 1 or more"):
        lrp_alpha_beta(Written("modules"), pictures(), 0, alpha=0.5)
    with pytest.raises(ValueError, match="train mode"):
        deep_lift(Written("modules").train(), pictures(), 0)
