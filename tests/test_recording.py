"""Recording: the right gradients, at the cost of one pass each way, and a model that is left as it was found."""

import gc
import weakref
from collections import namedtuple
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torchvision.models import resnet18

from course_lib.recordable import check_model, find_module
from course_lib.recording import INPUT, check_logits, check_target, record

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def network(inplace: bool = False, classes: int = 5) -> nn.Sequential:
    """Convolution (0), BatchNorm (1), ReLU (2), convolution (3), ReLU (4), GAP (5), flatten (6), linear (7)."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace),
        nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(inplace),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes),
    )  # fmt: skip
    return model.eval()


def pictures(batch: int = 2, height: int = 6, width: int = 7) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


def by_hand(model: nn.Sequential, x: Tensor, layer: int, target: int) -> tuple[Tensor, Tensor]:
    """Activation and gradient at one layer, by cutting the network there."""
    activation = model[: layer + 1](x).detach().clone().requires_grad_()
    score = model[layer + 1 :](activation.clone())[:, target].sum()
    return activation.detach(), torch.autograd.grad(score, activation)[0]


def everything(model: nn.Module) -> dict[str, Any]:
    """All that must be the same afterwards."""
    hooks = [name for name in vars(nn.Module()) if "hooks" in name]
    return {
        "state": {
            name: (value.clone(), value.stride(), value.data_ptr()) for name, value in model.state_dict().items()
        },
        "requires_grad": {name: value.requires_grad for name, value in model.named_parameters()},
        "grads": {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()},
        "training": [module.training for module in model.modules()],
        "hooks": [[len(getattr(module, name)) for name in hooks] for module in model.modules()],
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.backends.cudnn.enabled),
        "random": torch.random.get_rng_state(),
    }


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return torch.equal(a, b) if isinstance(a, Tensor) else a == b


# ------------------------------------------------------------------------------------------------- the right numbers


def test_gradients_in_closed_form_at_gap_and_linear():
    model, x = network().double(), pictures().double()
    with record(model, ["4", "5", INPUT]) as tape:
        logits = model(x)
    gradients = tape.gradients(3)
    weight = model[7].weight[3].detach()
    torch.testing.assert_close(gradients["4"], (weight / 42)[None, :, None, None].expand(2, 6, 6, 7))  # Z = 6 x 7
    torch.testing.assert_close(gradients["5"], weight[None, :, None, None].expand(2, 6, 1, 1))
    assert tape.activations[INPUT].equal(x) and tape.output is logits
    assert list(gradients) == ["input", "4", "5"]


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("layer", range(7))
def test_each_layer_as_cut_by_hand(layer, inplace):
    model, x = network(inplace), pictures()
    with record(model, str(layer)) as tape:
        model(x)
    activation, gradient = by_hand(network(), x, layer, 2)
    torch.testing.assert_close(tape.activations[str(layer)], activation)
    torch.testing.assert_close(tape.gradients(2)[str(layer)], gradient)
    assert gradient.any()


def test_all_layers_at_once_as_one_by_one():
    model, x = network(True), pictures()
    with record(model, [INPUT, *map(str, range(8))]) as tape:
        model(x)
    together = tape.gradients(1)
    assert len(together) == 9
    for name, gradient in together.items():
        with record(model, name) as alone:
            model(x)
        torch.testing.assert_close(gradient, alone.gradients(1)[name])
        assert tape.activations[name].equal(alone.activations[name])


def test_recording_does_not_change_what_the_model_says():
    for inplace in (False, True):
        model, x = network(inplace), pictures()
        expected = model(x)
        with record(model, [INPUT, *map(str, range(8))]):
            assert model(x).equal(expected)


def test_several_classes_in_one_call():
    model, x = network(), pictures()
    with record(model, ["2", "4"]) as tape:
        logits = model(x)
    several = tape.gradients([4, 0, 4])
    assert several["2"].shape == (3, 2, 4, 6, 7) and several["4"].shape == (3, 2, 6, 6, 7)
    for place, target in enumerate([4, 0, 4]):
        torch.testing.assert_close(several["2"][place], tape.gradients(target)["2"])
    assert tape.gradients(range(2))["4"].shape[0] == 2
    stacked = torch.stack([logits[:, 4].sum(), logits[:, 0].sum()])
    assert tape.gradients(stacked)["2"].equal(several["2"][:2])


def test_a_picture_gets_the_gradient_of_its_own_logit():
    model, x = network(), pictures(3)
    with record(model, "2") as tape:
        model(x)
    of_each = tape.gradients(torch.tensor([4, 0, 1]))["2"]
    assert of_each.shape == (3, 4, 6, 7)
    for place, target in enumerate([4, 0, 1]):
        with record(model, "2") as alone:
            model(x[place : place + 1])
        torch.testing.assert_close(of_each[place], alone.gradients(target)["2"][0])


def test_any_scalar_function_of_the_output_inside_and_outside_the_with():
    model, x = network(), pictures()
    with record(model, "2") as tape:
        logits = model(x)
        inside = (logits[:, 1] ** 2).sum()
        during = tape.gradients(inside)["2"]
    outside = (logits[:, 1] ** 2).sum()
    assert during.equal(tape.gradients(outside)["2"])
    assert during.equal(tape.gradients(lambda output: (output[:, 1] ** 2).sum())["2"])
    torch.testing.assert_close(during, 2 * logits[:, 1].detach()[:, None, None, None] * tape.gradients(1)["2"])
    probability = tape.gradients(lambda output: output.softmax(1)[:, 1].sum())["2"]
    p = logits.detach().softmax(1)
    everyone = tape.gradients(range(5))["2"]
    expected = p[:, 1, None, None, None] * (everyone[1] - torch.einsum("bc,cbkhw->bkhw", p, everyone))
    torch.testing.assert_close(probability, expected)


def test_a_class_may_be_any_whole_number():
    model = network()
    with record(model, "4") as tape:
        model(pictures())
    expected = tape.gradients(3)["4"]
    for three in (np.int64(3), torch.tensor(3), np.array(3)):
        assert tape.gradients(three)["4"].equal(expected)


def test_linear_in_the_score():
    model = network().double()
    with record(model, ["0", "3"]) as tape:
        logits = model(pictures().double())
    mixed = tape.gradients((2 * logits[:, 0] - 3 * logits[:, 4]).sum())
    for name in mixed:
        torch.testing.assert_close(mixed[name], 2 * tape.gradients(0)[name] - 3 * tape.gradients(4)[name])


# ---------------------------------------------------------------------------------------------------------- the cost


class Counted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, counter: list[int]) -> Tensor:
        ctx.counter = counter
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        ctx.counter[1] += 1
        return gradients[0], None


class Counting(nn.Module):
    """The identity; it counts the passes that go through it, forward and backward."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = [0, 0]

    def forward(self, x: Tensor) -> Tensor:
        self.passes[0] += 1
        return Counted.apply(x, self.passes)


def counting_network() -> tuple[nn.Sequential, list[Counting]]:
    counters = [Counting() for _ in range(4)]
    parts = list(network())
    return nn.Sequential(
        counters[0], *parts[:2], counters[1], *parts[2:4], counters[2], *parts[4:7], counters[3], parts[7]
    ).eval(), counters


def test_all_layers_cost_one_forward_and_one_backward_pass():
    model, counters = counting_network()
    with record(model, [INPUT, *map(str, range(len(model)))]) as tape:
        model(pictures())
    tape.gradients(0)
    assert [counter.passes for counter in counters] == [[1, 1]] * 4


def test_only_what_lies_above_the_earliest_layer_is_differentiated():
    model, counters = counting_network()
    x = pictures().requires_grad_()
    with record(model, ["8", "5"]) as tape:  # 5 is the second convolution
        model(x)
    tape.gradients(0)
    assert [counter.passes for counter in counters] == [[1, 0], [1, 0], [1, 1], [1, 1]]
    assert x.grad is None

    nodes, open_nodes = set(), [tape.output.grad_fn]
    leaves = []
    while open_nodes:
        node = open_nodes.pop()
        if node not in nodes:
            nodes.add(node)
            open_nodes += [following for following, _ in node.next_functions if following is not None]
            leaves += [node.variable] if hasattr(node, "variable") else []
    assert len(leaves) == 1 and leaves[0].shape == (2, 6, 6, 7), "the graph ends at the earliest chosen layer"


def test_several_classes_cost_no_forward_pass_and_together_one_backward_pass(monkeypatch):
    model, counters = counting_network()
    with record(model, "3") as tape:  # the second counter itself
        model(pictures())
    together = tape.gradients([0, 1, 2])["3"]
    assert [counter.passes for counter in counters] == [[1, 0], [1, 0], [1, 1], [1, 1]]
    monkeypatch.setattr("course_lib.recording.TOGETHER", 2 * together[0].numel())  # larger layers: two, then one
    torch.testing.assert_close(tape.gradients([0, 1, 2])["3"], together)
    assert counters[3].passes == [1, 3]
    monkeypatch.setattr("course_lib.recording.TOGETHER", 1)
    torch.testing.assert_close(tape.gradients([0, 1, 2])["3"], together)
    assert counters[3].passes == [1, 6]


class OneAtATime(torch.autograd.Function):
    """Three times x; its backward pass asks for numbers, which a batch of gradients doesn't give."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 3 * x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return torch.from_numpy(3 * gradients[0].numpy())


def test_several_classes_where_a_backward_pass_takes_one_at_a_time():
    inner, x = network(), pictures()
    model = Model(lambda m, x: m.inner(OneAtATime.apply(x)), inner=inner).eval()
    with record(model, [INPUT, "inner.2"]) as tape:
        model(x)
    several = tape.gradients([3, 0])
    for place, target in enumerate((3, 0)):
        for name, gradient in tape.gradients(target).items():
            torch.testing.assert_close(several[name][place], gradient)


def test_a_released_tape_gives_its_memory_back_on_the_way_and_says_so():
    model, x = network(), pictures()
    with record(model, "2") as tape:
        model(x)
    expected = tape.gradients(1)["2"]
    assert tape.output.grad_fn._saved_mat2 is not None  # what the backward pass of the linear layer needs
    assert tape.gradients(1, release=True)["2"].equal(expected)
    with pytest.raises(RuntimeError, match="after they have already been freed"):
        tape.output.grad_fn._saved_mat2  # noqa: B018
    with pytest.raises(ValueError, match="The tape was released by an earlier call of gradients: leave out `release`"):
        tape.gradients(1)
    with record(model, "2") as tape:
        model(x)
    with pytest.raises(ValueError, match="There is no class 9"):
        tape.gradients(9, release=True)
    assert tape.gradients([1, 2], release=True)["2"][0].allclose(expected)
    with pytest.raises(ValueError, match="released"):
        tape.gradients(1)


def test_no_parameter_gets_a_gradient():
    model = network()
    with record(model, [INPUT, "0", "4"]) as tape:
        model(pictures())
        assert not any(parameter.requires_grad for parameter in model.parameters())
    tape.gradients(0)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_memory_is_given_back():
    model, x = network(), pictures()
    gc.collect()
    gc.disable()
    try:
        with record(model, ["0", "4"]) as tape:
            logits = model(x)
        gradients = tape.gradients(0)
        seen = [weakref.ref(tape), weakref.ref(tape._points["4"]), weakref.ref(gradients["4"]), weakref.ref(logits)]
        del tape, logits, gradients
        assert [reference() for reference in seen] == [None] * 4

        def explained(times: int) -> int:
            for _ in range(times):
                with record(model, [INPUT, "0", "4"]) as tape:
                    model(x)
                tape.gradients([0, 1])
            gc.collect()  # the small functions with which torch batches gradients know themselves
            return len(gc.get_objects())

        first = explained(3)
        assert explained(200) < first + 100  # one object kept each time would be 200; threads of other tests make a few
    finally:
        gc.enable()


# ---------------------------------------------------------------------------------- the model is left as it was found


class Raising(nn.Module):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        raise self.error


def lived_in() -> nn.Sequential:
    """A network with a past: some parameters frozen, gradients from training, a hook, a part in train mode."""
    model = network()
    model[0].weight.requires_grad_(False)
    model[7].bias.requires_grad_(False)
    model[3].register_forward_hook(lambda *_: None)
    F.cross_entropy(model(pictures()), torch.tensor([0, 1])).backward()
    model[2].train()
    return model.to(memory_format=torch.channels_last)


def test_the_model_is_as_before():
    model = lived_in()
    before = everything(model)
    assert any(before["requires_grad"].values()) and not all(before["requires_grad"].values())
    with record(model, [INPUT, "0", model[4], "7"]) as tape:
        model(pictures())
        tape.gradients(0)
    tape.gradients([1, 2])
    assert same(before, everything(model))


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()], ids=["error", "interrupt"])
@pytest.mark.parametrize("place", range(9))
def test_the_model_is_as_before_when_the_forward_pass_raises(place, error):
    model = lived_in()
    model.insert(place, Raising(error))
    before = everything(model)
    with pytest.raises(type(error)), record(model, [INPUT, *map(str, range(9))]):
        model(pictures())
    assert same(before, everything(model))


def test_the_model_is_as_before_when_the_body_raises():
    model = lived_in()
    before = everything(model)
    with pytest.raises(ZeroDivisionError), record(model, "4") as tape:
        model(pictures())
        tape.gradients(0)
        raise ZeroDivisionError
    assert same(before, everything(model))
    with pytest.raises(LookupError), record(model, ["4", "40"]):
        pass
    assert same(before, everything(model))


def test_after_a_failed_call_the_tape_is_empty_and_the_next_call_counts():
    model, x = network(), pictures()
    with record(model, "4") as tape:
        model(x)
        with pytest.raises(RuntimeError):
            model(x[:, :2])
        with pytest.raises(ValueError, match="Nothing is recorded yet"):
            tape.gradients(0)
        model(x[:1])
    assert tape.gradients(0)["4"].shape == (1, 6, 6, 7)


@pytest.mark.parametrize("mode", [nullcontext, torch.no_grad, torch.inference_mode])
def test_under_no_grad_and_inference_mode(mode):
    model = network()
    expected = by_hand(model, pictures(), 4, 1)[1]
    with mode():
        before, x = everything(model), pictures()
        with record(model, [INPUT, "4"]) as tape:
            logits = model(x)
        assert tape.gradients(1)["4"].equal(expected)
        assert tape.gradients(lambda output: output[:, 1].sum())["4"].equal(expected)
        assert tape.activations[INPUT].equal(x) and logits.shape == (2, 5)
        assert same(before, everything(model))
    assert tape.gradients(1)["4"].equal(expected)


def test_no_grad_inside_the_with_works_and_inference_mode_is_a_sentence():
    model, x = network(), pictures()
    with record(model, "2") as tape, torch.no_grad():
        model(x)
    assert tape.gradients(1)["2"].any()
    with record(model, "2"), torch.inference_mode(), pytest.raises(ValueError, match="call the model outside of it"):
        model(x)


def test_pictures_made_in_inference_mode_may_be_needed_above_the_layer():
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return (self.conv(x) * x).mean((2, 3))

    model = Gate().eval()
    with torch.inference_mode():
        x = pictures()
    with record(model, "conv") as tape:
        model(x)
    expected = torch.zeros(2, 3, 6, 7)
    expected[:, 1] = x[:, 1] / 42
    torch.testing.assert_close(tape.gradients(1)["conv"], expected)


def test_a_part_of_the_model_that_runs_under_no_grad_can_be_explained():
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = network()[:5], network()[5:]

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                features = self.body(x)
            return self.head(features)

    model = Frozen().eval()
    with record(model, ["body.3", "body"]) as tape:
        model(pictures())
    torch.testing.assert_close(tape.gradients(2)["body.3"], by_hand(network(), pictures(), 3, 2)[1])


def test_a_frozen_model():
    model = network().requires_grad_(False)
    with record(model, "4") as tape:
        model(pictures())
    assert tape.gradients(0)["4"].equal(by_hand(network(), pictures(), 4, 0)[1])
    assert not any(parameter.requires_grad for parameter in model.parameters())


# ----------------------------------------------------------------------------------------- dtype, device, memory format


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_dtype_and_device_follow_the_model(dtype, device):
    model, x = network().to(device, dtype), pictures().to(device, dtype)
    with record(model, [INPUT, "2", "4"]) as tape:
        model(x)
    gradients = tape.gradients(1)
    assert {(g.dtype, g.device.type) for g in gradients.values()} == {(dtype, device)}
    close = {"rtol": 0.1, "atol": 2e-3} if dtype in (torch.bfloat16, torch.float16) else {"rtol": 1e-4, "atol": 1e-6}
    expected = by_hand(network(), pictures(), 4, 1)[1]
    torch.testing.assert_close(gradients["4"].float().cpu(), expected, **close)


@pytest.mark.parametrize("device", DEVICES)
def test_a_recurrent_network_in_eval_mode(device):
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.rnn, self.fc = nn.Conv2d(3, 4, 3), nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)

        def forward(self, x: Tensor) -> Tensor:
            states, _ = self.rnn(self.conv(x).flatten(2).transpose(1, 2))
            return self.fc(states[:, -1])

    torch.manual_seed(0)
    model = Reader().eval().to(device)
    flags = torch.backends.cudnn.enabled
    with record(model, "conv") as tape:
        logits = model(pictures().to(device))
    gradient = tape.gradients(1)["conv"]
    assert torch.backends.cudnn.enabled is flags
    activation = tape.activations["conv"]
    step = 1e-3 * gradient / gradient.norm()
    states, _ = model.rnn((activation + step).flatten(2).transpose(1, 2))
    rise = (model.fc(states[:, -1]) - logits)[:, 1].sum()
    torch.testing.assert_close(rise, (gradient * step).sum(), rtol=0.05, atol=1e-6)
    with record(model, "rnn"), pytest.raises(ValueError, match="'rnn' gives out a tuple, not a tensor of floating"):
        model(pictures().to(device))


def test_channels_last_stays_channels_last():
    model, x = network().to(memory_format=torch.channels_last), pictures().to(memory_format=torch.channels_last)
    plain = model(x)
    with record(model, [INPUT, "0", "4"]) as tape:
        assert model(x).equal(plain)
    for name, activation in tape.activations.items():
        assert activation.is_contiguous(memory_format=torch.channels_last), name
    torch.testing.assert_close(tape.gradients(1)["0"], by_hand(network(), pictures(), 0, 1)[1])


# ----------------------------------------------------------------------------------------------------- kinds of models


class Model(nn.Module):
    """A convolution, a ReLU, a second convolution; `run` says what is done with them."""

    def __init__(self, run: Any, **parts: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.relu = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=True)
        for name, part in parts.items():
            self.add_module(name, part)
        self.run = run
        self.eval()

    def forward(self, x: Tensor, **given: Any) -> Any:
        return self.run(self, x, **given)


def test_a_layer_that_runs_twice_is_named_by_its_call():
    model = Model(lambda m, x: m.relu(m.conv(m.relu(m.conv(x)) - 0.2)).mean((2, 3)))
    x = pictures().double()
    model.double()
    with record(model, "relu"), pytest.raises(ValueError, match="say which call, 'relu:1', 'relu:2' ..."):
        model(x)
    with record(model, ["relu:1", "relu:2", "conv:2"]) as tape:
        model(x)
    gradients = tape.gradients(0)
    last = torch.zeros(2, 3, 6, 7, dtype=torch.float64)
    last[:, 0] = 1 / 42
    torch.testing.assert_close(gradients["relu:2"], last)
    torch.testing.assert_close(gradients["conv:2"], last * (tape.activations["conv:2"] > 0))
    expected = F.conv_transpose2d(gradients["conv:2"], model.conv.weight.detach(), padding=1)
    torch.testing.assert_close(gradients["relu:1"], expected)
    with record(model, "relu:3") as tape:
        model(x)
    with pytest.raises(ValueError, match="did not reach 'relu:3'"):
        tape.gradients(0)


def test_a_module_under_two_names_answers_to_both():
    shared = nn.Conv2d(3, 3, 1)
    model = Model(lambda m, x: m.b(m.relu(m.conv(x))).mean((2, 3)), a=shared, b=shared)
    with record(model, ["a", "b", shared]) as tape:
        model(pictures())
    gradients = tape.gradients(1)
    assert list(gradients) == ["a", "b"] and gradients["a"].equal(gradients["b"])
    twice = Model(lambda m, x: m.b(m.relu(m.a(x))).mean((2, 3)), a=shared, b=shared)
    with record(twice, ["a:1", "b:2"]) as tape:
        twice(pictures())
    assert set(tape.gradients(1)) == {"a:1", "b:2"}


def test_a_layer_that_is_asked_for_twice_is_recorded_once():
    model = network()
    with record(model, ["4", "4", model[4]]) as tape:
        model(pictures())
    assert list(tape.gradients(0)) == ["4"]


def test_a_module_called_input_is_not_the_pictures():
    model = Model(lambda m, x: m.input(m.conv(x)).mean((2, 3)), input=nn.ReLU())
    with record(model, ["input", "input:1"]) as tape:
        model(pictures())
    assert tape.activations["input"].equal(pictures())
    assert tape.activations["input:1"].min() == 0


def test_parallel_branches():
    model = Model(lambda m, x: (m.conv(x) + 2 * m.b(x)).mean((2, 3)), b=nn.Conv2d(3, 3, 1))
    with record(model, ["b", "conv"]) as tape:
        model(pictures())
    gradients = tape.gradients(0)
    torch.testing.assert_close(gradients["b"], 2 * gradients["conv"])
    assert list(tape.activations) == ["conv", "b"]  # as reached


def test_a_residual_sum_in_place():
    def run(m: Model, x: Tensor) -> Tensor:
        first = m.conv(x)
        second = m.b(F.relu(first))
        second += first
        return m.relu(second).mean((2, 3))

    model = Model(run, b=nn.Conv2d(3, 3, 1)).double()
    with record(model, ["conv", "b"]) as tape:
        model(pictures().double())
    gradients, activations = tape.gradients(2), tape.activations
    above = torch.zeros_like(gradients["b"])
    above[:, 2] = 1 / 42
    above *= activations["b"] + activations["conv"] > 0
    torch.testing.assert_close(gradients["b"], above)
    through = F.conv_transpose2d(above, model.b.weight.detach()) * (activations["conv"] > 0)
    torch.testing.assert_close(gradients["conv"], above + through)


Answer = namedtuple("Answer", ["logits", "boxes"])


@pytest.mark.parametrize(
    ("pack", "score"),
    [
        (lambda logits: {"logits": logits}, lambda output: output["logits"][:, 1].sum()),
        (lambda logits: (logits, None), lambda output: output[0][:, 1].sum()),
        (lambda logits: Answer(logits, None), lambda output: output.logits[:, 1].sum()),
        (lambda logits: logits[0], lambda output: output[1]),
    ],
    ids=["dict", "tuple", "dataclass", "vector"],
)
def test_what_a_model_returns_may_be_anything_with_a_score_function(pack, score):
    model = Model(lambda m, x: pack(m.conv(x).mean((2, 3))))
    with record(model, "conv") as tape:
        model(pictures(1))
    expected = torch.zeros(1, 3, 6, 7)
    expected[:, 1] = 1 / 42
    torch.testing.assert_close(tape.gradients(score)["conv"], expected)
    with pytest.raises(ValueError, match="a class number doesn't name a score"):
        tape.gradients(1)


def test_more_arguments_go_through():
    model = Model(lambda m, x, scale: scale * m.conv(x).mean((2, 3)))
    with record(model, [INPUT, "conv"]) as tape:
        model(pictures(), scale=3)
    torch.testing.assert_close(tape.gradients(0)["conv"].sum(), torch.tensor(6.0))


def test_the_last_of_several_calls_counts():
    model, x = network(), pictures()
    with record(model, "4") as tape:
        first = model(x)
        model(x[:1])
    assert tape.activations["4"].shape[0] == 1 and tape.gradients(0)["4"].shape[0] == 1
    with pytest.raises(ValueError, match="does not depend on '4'"):
        tape.gradients(first[:, 0].sum())


def test_a_part_that_is_called_by_itself_is_not_recorded():
    model, x = network(), pictures()
    with record(model, "4") as tape:
        model[:5](x)
        logits = model(x)
        expected = tape.gradients(0)["4"]
        model[:5](x[:1])
    assert tape.output is logits and tape.gradients(0)["4"].equal(expected)
    with record(model, "4") as tape:
        model[:5](x)
    assert tape.activations == {}


def test_a_network_within_a_network():
    inner, x = network(), pictures()
    head = nn.Linear(5, 2)
    with record(inner, "4") as tape:
        score = head(inner(x)).softmax(1)[:, 1].sum()
    assert tape.gradients(score)["4"].any()
    assert head.weight.grad is None


@pytest.mark.parametrize("inner", [INPUT, "0", "2", "4"])
@pytest.mark.parametrize("outer", [INPUT, "0", "2", "4"])
def test_nested(outer, inner):
    model, x = lived_in(), pictures()
    before = everything(model)
    with record(model, outer) as first:
        with record(model, inner) as second:
            model(x)
        inside = first.gradients(1)[outer]
    for tape, name in ((first, outer), (second, inner)):
        with record(model, name) as alone:
            model(x)
        torch.testing.assert_close(tape.gradients(1)[name], alone.gradients(1)[name])
    assert inside.equal(first.gradients(1)[outer])
    assert same(before, everything(model))


def test_a_checkpointed_part_runs_once_more_on_the_way_back():
    body = network()[:5]
    model = Model(lambda m, x: checkpoint(m.body, m.conv(x), use_reentrant=False).mean((2, 3)), body=body)
    with record(model, ["conv", "body"]) as tape:
        model(pictures())
        inside = tape.gradients(0)["conv"]
    plain = Model(lambda m, x: m.body(m.conv(x)).mean((2, 3)), body=body)
    with record(plain, "conv") as expected:
        plain(pictures())
    torch.testing.assert_close(inside, expected.gradients(0)["conv"])
    torch.testing.assert_close(tape.gradients(0)["conv"], inside)


def test_pictures_of_the_learner_stay_as_they_are():
    model, x = network(True), pictures().requires_grad_()
    copy = x.detach().clone()
    with record(model, [INPUT, "0"]) as tape:
        model(x)
    tape.gradients(0)
    assert x.requires_grad and x.grad is None and x.detach().equal(copy)


def test_a_transformer_shows_its_parts():
    torch.manual_seed(0)
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    model = Model(lambda m, x: m.encoder(m.conv(x).flatten(2).transpose(1, 2)).mean(1), conv=nn.Conv2d(3, 8, 1))
    model.add_module("encoder", encoder)
    with record(model, ["conv", "encoder.linear1"]) as tape:
        model(pictures())
    assert tape.gradients(0)["encoder.linear1"].shape == (2, 42, 16)


# ----------------------------------------------------------------------------------------------------------- sentences


def overwritten_by_the_model() -> Model:
    """The second module gives its input back, and the model then overwrites that."""

    def run(m: Model, x: Tensor) -> Tensor:
        kept = m.conv(x)
        m.keep(kept)
        kept.relu_()
        return kept.mean((2, 3))

    return Model(run, keep=nn.Identity())


def test_an_activation_that_was_overwritten():
    model = overwritten_by_the_model()
    with record(model, ["conv", "keep"]) as tape:
        model(pictures())
    with pytest.raises(ValueError, match="'keep' was overwritten in place .* choose the layer that overwrites it"):
        tape.gradients(0)
    with record(network(), "4") as tape:
        pass
    model = network()
    with record(model, "4") as tape:
        model(pictures())
    tape.activations["4"].zero_()
    with pytest.raises(ValueError, match="The activation of '4' was overwritten"):
        tape.gradients(0)


def test_a_model_that_overwrites_what_its_backward_pass_needs():
    def run(m: Model, x: Tensor) -> Tensor:
        squashed = m.conv(x).sigmoid()
        squashed *= 2
        return squashed.mean((2, 3))

    model = Model(run)
    with record(model, "conv") as tape:
        model(pictures())
    with pytest.raises(ValueError, match="overwrites in place what its own backward pass needs"):
        tape.gradients(0)


def filled() -> Any:
    model = network()
    with record(model, "4") as tape:
        model(pictures())
    return tape


@pytest.mark.parametrize(
    ("score", "error", "sentence"),
    [
        (5, ValueError, "There is no class 5: the model gives 5 logits, 0 to 4."),
        (-1, ValueError, "There is no class -1: the model gives 5 logits, 0 to 4."),
        ([0, 9], ValueError, "There is no class 9"),
        (torch.tensor([0, 9]), ValueError, "There is no class 9"),
        (torch.tensor([0, 1, 2]), ValueError, r"\(3,\) target classes don't fit 2 pictures: one for each."),
        ([], ValueError, "Name at least one target class."),
        ("tabby", TypeError, "A target class is a whole number, the place of its logit, not 'tabby'."),
        (1.0, TypeError, "is a whole number, the place of its logit, not 1.0."),
        (True, TypeError, "not True."),
        (None, TypeError, "not None."),
        (np.array([1, 2]), TypeError, "A target class is a whole number"),
        (lambda output: 3, TypeError, "The score function returned a int, not a tensor."),
        (
            lambda output: output,
            ValueError,
            r"A score is a scalar, or \(S,\) for several; this one is \(2, 5\). Sum it",
        ),
        (lambda output: output.detach().sum(), ValueError, "compute it inside the `with`"),
        (torch.tensor(1.0), ValueError, "The score does not depend on '4', so its gradient there says nothing"),
    ],
)
def test_wrong_scores(score, error, sentence):
    tape = filled()
    with pytest.raises(error, match=sentence):
        tape.gradients(score)
    assert tape.gradients(0)["4"].any(), "the tape stays usable"


def test_a_score_that_does_not_depend_on_a_layer():
    model = Model(lambda m, x: (m.b(x), m.conv(x).mean((2, 3)))[1], b=nn.Conv2d(3, 3, 1))
    with record(model, ["conv", "b"]) as tape:
        model(pictures())
    with pytest.raises(ValueError, match="The score does not depend on 'b', so .*choose an earlier one"):
        tape.gradients(0)
    with record(model, "b") as tape:
        model(pictures())
    with pytest.raises(ValueError, match="The score does not depend on 'b'"):
        tape.gradients(0)


@pytest.mark.parametrize(
    ("layers", "error", "sentence"),
    [
        ("layer4.1.conv3", LookupError, "There is no layer 'layer4.1.conv3' in this ResNet .nearest: 'layer4.1.conv"),
        ("Layer4", LookupError, "nearest: 'layer4', "),
        ("zzzzzzzz", LookupError, r"\(layers\(model, picture\) lists them\)"),
        ("layer4:0", LookupError, "There is no layer 'layer4:0'"),
        (nn.ReLU(), LookupError, "The layer ReLU is not part of this ResNet."),
        ([], ValueError, "Name at least one layer to record."),
        (None, TypeError, "A layer is a dotted name or a module of the model, not None."),
        ([3], TypeError, "A layer is a dotted name or a module of the model, not 3."),
    ],
)
def test_wrong_layers(layers, error, sentence):
    model = resnet18().eval()
    with pytest.raises(error, match=sentence), record(model, layers):
        pass


def test_find_module():
    model = network()
    assert find_module(model, "3") == ("3", model[3], None)
    assert find_module(model, model[3]) == ("3", model[3], None)
    assert find_module(model, "3:2") == ("3:2", model[3], 2)
    assert find_module(model, "") == ("", model, None)


def test_the_model_itself_is_a_layer():
    model = network()
    with record(model, model) as tape:
        logits = model(pictures())
    assert tape.activations[""].equal(logits)
    assert tape.gradients(2)[""].equal(F.one_hot(torch.tensor([2, 2]), 5).float())


def test_a_layer_without_a_gradient():
    model = Model(lambda m, x: m.b(m.conv(x)).float().sum((2, 3)), b=Model(lambda m, x: x > 0))
    with record(model, "b"), pytest.raises(ValueError, match="Layer 'b' gives out numbers of torch.bool, not a tensor"):
        model(pictures())
    model = Model(lambda m, x: (m.b(x), x.mean((2, 3)))[1], b=Model(lambda m, x: {"maps": x}))
    with record(model, "b"), pytest.raises(ValueError, match="gives out a dict, .* choose a layer inside or before it"):
        model(pictures())


def test_input_needs_the_pictures_in_first_place():
    model = Model(lambda m, x=None, **given: m.conv(given["pictures"]))
    with record(model, INPUT), pytest.raises(ValueError, match="with the pictures as its first argument"):
        model(None, pictures=pictures())


def test_nothing_recorded_yet():
    model = network()
    with record(model, "4") as tape, pytest.raises(ValueError, match="Nothing is recorded yet: call the model inside"):
        tape.gradients(0)


def made_in_inference_mode() -> nn.Module:
    with torch.inference_mode():
        return network()


def compiled_inside() -> nn.Module:
    model = network()
    model[3].compile()
    return model


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: "resnet18", TypeError, "A model is a torch.nn.Module, not a str."),
        (lambda: network().train(), ValueError, r"in train mode: '1' \(BatchNorm2d\) .* Call model.eval\(\) first."),
        (lambda: nn.Sequential(nn.Dropout(), nn.ReLU()), ValueError, r"in train mode: '0' \(Dropout\)"),
        (lambda: nn.Sequential(nn.LSTM(3, 3, 2, dropout=0.5)), ValueError, r"in train mode: '0' \(LSTM\)"),
        (lambda: nn.DataParallel(network()), ValueError, "DataParallel runs copies .* pass model.module."),
        (lambda: torch.compile(network()), ValueError, "A compiled model .* pass the model it was compiled from."),
        (compiled_inside, ValueError, "A compiled model skips what records it"),
        (lambda: torch.jit.trace(network(), pictures()), ValueError, "A scripted or traced model can't be recorded"),
        (made_in_inference_mode, ValueError, "The model was made under inference_mode"),
    ],
)
@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_models_that_cannot_be_recorded(make, error, sentence):
    model = make()
    with pytest.raises(error, match=sentence):
        check_model(model)
    with pytest.raises(error, match=sentence), record(model, "0"):
        pass


def test_buffers_made_in_inference_mode():
    model = network()
    with torch.inference_mode():
        model[1].running_mean = model[1].running_mean.clone()
    with pytest.raises(ValueError, match="The model was made under inference_mode"), record(model, "0"):
        model(pictures())


def test_train_mode_is_no_matter_where_nothing_depends_on_it():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).train()
    with record(model, "1") as tape:
        model(pictures())
    assert tape.gradients(0)["1"].any() and model.training


def test_logits_and_targets():
    logits = torch.zeros(2, 3)
    assert check_logits(logits) is logits and check_target(2, logits) == 2
    for output, what in ((None, "a NoneType"), ((logits,), "a tuple"), (logits[0], r"a tensor \(3,\)")):
        with pytest.raises(ValueError, match=f"The model returned {what}, not logits"):
            check_target(0, output)
