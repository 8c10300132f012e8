"""Networks and states that break other tools: each works, equal to the limit's map, or says in one sentence why not.

The two tables say which: WORKS and REFUSED. A layer's activation is what that call of it gave out, before anything
works on it in place; the map is Grad-CAM of that. Every door is tried: `layers`, `record`, `explain` and the picker.
"""

import copy
import string
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from course_lib.layers import layers
from course_lib.methods.registry import METHODS, explain
from course_lib.recording import record
from course_lib.widgets.layer_picker import pick_layers
from course_lib.widgets.picker_state import key
from tests.networks.every_network import ours
from tests.networks.limit import difference, fingerprint, grad_cam_by_hand, limit

SIDE, TARGET = 12, 1
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


class Net(nn.Module):
    """Two convolutions `a` and `b` with ReLUs in place, batch norm, a linear head; `run` says what happens."""

    def __init__(self, run: Callable[["Net", Tensor], Any] | None = None, **parts: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.b, self.relu = nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 4)
        for name, part in parts.items():
            setattr(self, name, part)
        self.run = run
        nn.init.normal_(self.norm.running_mean, std=0.1)
        self.eval()

    def features(self, x: Tensor) -> Tensor:
        return self.relu(self.b(self.relu(self.norm(self.a(x)))))

    def logits(self, features: Tensor) -> Tensor:
        """Not only the mean, so that the gradient differs from cell to cell."""
        return self.head(features.mean((2, 3)) + features[..., 0, 0] ** 2)

    def forward(self, x: Tensor) -> Any:
        return self.run(self, x) if self.run else self.logits(self.features(x))


@dataclass
class Answer:
    scores: Tensor
    other: None = None


def in_place_everywhere(m: Net, x: Tensor) -> Tensor:
    x = m.a(x)
    x += 0.1
    x = F.relu_(m.norm(x))
    skip = x.clone()
    x = m.b(x).mul_(0.5).add_(skip)
    x[..., 0] = 0  # a view of the layer's own output
    return m.logits(F.leaky_relu_(x, 0.1))


def twice(m: Net, x: Tensor) -> Tensor:
    return m.logits(m.relu(m.b(m.relu(m.b(m.relu(m.a(x)) - 0.1)) - 0.1)))


def skipping(m: Net, x: Tensor) -> Tensor:
    x = m.relu(m.a(x))
    return m.logits(m.b(x) if x.mean() > 1e6 else x)


def looping(m: Net, x: Tensor) -> Tensor:
    x = m.a(x)
    for _ in range(3):
        x = m.relu(x + m.b(x))
        if x.norm() > 1e6:
            break
    return m.logits(x)


def shared_weights() -> Net:
    model = Net(lambda m, x: m.logits(m.c(m.relu(m.b(m.relu(m.a(x)))))), c=nn.Conv2d(6, 6, 3, padding=1))
    model.c.weight = model.b.weight
    return model


def two_names() -> Net:
    model = Net(lambda m, x: m.logits(m.same(m.relu(m.a(x)))))
    model.same = model.b
    return model


class Symmetric(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return (weight + weight.flip(-1)) / 2


def parametrized() -> Net:
    model = Net()
    parametrize.register_parametrization(model.a, "weight", Symmetric())
    parametrizations.weight_norm(model.b)
    return model.eval()


def spectral(register: Callable[[nn.Module], nn.Module]) -> Net:
    model = Net()
    model.b = register(model.b)
    return model.eval()


def frozen() -> Net:
    model = Net().requires_grad_(False)
    model.norm.weight.requires_grad_(True)
    return model


def pruned() -> Net:
    model = Net()
    prune.l1_unstructured(model.b, "weight", 0.5)
    return model


def trained() -> Net:
    """With gradients, a hook of somebody else, and parts in train mode where that is no matter."""
    model = Net()
    model(pictures()).sum().backward()
    model.b.register_forward_hook(lambda module, given, output: 2 * output)
    model.relu.train()
    return model


class UnderNoGrad(Net):
    """`Net` whose forward pass forbids gradients."""

    forward = torch.no_grad()(Net.forward)  # type: ignore[assignment]


class Doubled(nn.Module):
    """One network within another, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) + self.net(x.flip(-1))


class Dictionary(nn.Module):
    """Its body gives a dict, as bodies for detection do, and takes its picture by name."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.top = Net(lambda m, x: {"early": m.a(x), "late": m.features(x)}), nn.Conv2d(6, 6, 1)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.body.logits(self.top(input=self.body(x=x)["late"]))


def averaged() -> nn.Module:
    return torch.optim.swa_utils.AveragedModel(Net()).eval()


def checkpointed(m: Net, x: Tensor) -> Tensor:
    return m.logits(torch.utils.checkpoint.checkpoint(m.b, m.relu(m.a(x)), use_reentrant=False))


def branched(m: Net, x: Tensor) -> Tensor:
    x = m.a(x)
    x[:, :3].mul_(0.5)
    x[:, 3:] *= -1
    return m.logits(m.b(x.relu_()))


def compiled_function() -> Net:
    model = Net()
    model.run = torch.compile(lambda m, x: m.logits(m.features(x)), backend="eager")
    return model


@dataclass
class Case:
    """A network that works; `score` where the output isn't logits, `needs` the sentence for a plain class there."""

    make: Callable[[], nn.Module]
    at: tuple[str, ...] = ("a", "b")
    score: Callable[[Any], Tensor] | None = None
    dtype: torch.dtype = torch.float32
    mode: Callable[[], AbstractContextManager[Any]] = nullcontext
    absent: tuple[str, ...] = ()
    picker: str = ""
    """why the picker can't show it, where it can't"""


LOGITS = "needs a model that gives logits"
WORKS = {
    "plain": Case(Net, ("a", "norm", "relu:1", "b", "relu:2")),
    "a layer used twice": Case(lambda: Net(twice), ("a", "b:1", "b:2", "relu:1", "relu:2", "relu:3")),
    "a loop": Case(lambda: Net(looping), ("a", "b:1", "b:3", "relu:2")),
    "a network called twice": Case(Doubled, ("net.a:1", "net.a:2", "net.relu:4")),
    "shared weights": Case(shared_weights, ("a", "b", "c")),
    "a module with two names": Case(two_names, ("a", "b"), absent=("same",)),
    "in place everywhere": Case(lambda: Net(in_place_everywhere), ("a", "norm", "b")),
    "in place on parts of an output": Case(lambda: Net(branched)),
    "a dict": Case(lambda: Net(lambda m, x: {"out": m.logits(m.features(x))}), picker=LOGITS,
                   score=lambda output: output["out"][:, TARGET].sum()),
    "a tuple": Case(lambda: Net(lambda m, x: (None, m.logits(m.features(x)))), picker=LOGITS,
                    score=lambda output: output[1][:, TARGET].sum()),
    "a dataclass": Case(lambda: Net(lambda m, x: Answer(m.logits(m.features(x)))), picker=LOGITS,
                        score=lambda output: output.scores[:, TARGET].sum()),
    "a number for each picture": Case(lambda: Net(lambda m, x: m.logits(m.features(x))[:, TARGET]), picker=LOGITS,
                                      score=torch.sum),
    "a dict inside": Case(Dictionary, ("body.relu:2", "top"), absent=("body",)),
    "a skipped layer": Case(lambda: Net(skipping), ("a", "relu"), absent=("b",)),
    "parametrized layers": Case(parametrized, absent=("a.parametrizations.weight", "a.parametrizations.weight.0")),
    "spectral norm": Case(partial(spectral, parametrizations.spectral_norm)),
    "spectral norm, the old one": Case(partial(spectral, nn.utils.spectral_norm)),
    "weight norm, the old one": Case(partial(spectral, nn.utils.weight_norm)),
    "pruned": Case(pruned),
    "frozen": Case(frozen),
    "trained, with somebody's hook": Case(trained, ("a", "relu:2")),
    "bfloat16": Case(lambda: Net().bfloat16(), dtype=torch.bfloat16),
    "half precision": Case(lambda: Net().half(), dtype=torch.half),
    "double precision": Case(lambda: Net().double(), dtype=torch.double),
    "under autocast": Case(Net, mode=lambda: torch.autocast("cpu", torch.bfloat16)),
    "channels last": Case(lambda: Net().to(memory_format=torch.channels_last)),
    "under no_grad": Case(Net, mode=torch.no_grad),
    "under inference_mode": Case(Net, mode=torch.inference_mode),
    "a forward that forbids gradients": Case(UnderNoGrad, picker="take no_grad and detach out of the model's forward"),
    "checkpointing": Case(lambda: Net(checkpointed)),
    "an average of models": Case(averaged, ("module.a", "module.b")),
    "a copy": Case(lambda: copy.deepcopy(Net())),
    "symbolically traced (fx)": Case(lambda: torch.fx.symbolic_trace(Net(lambda m, x: m.logits(m.features(x))))),
    "a compiled function inside": Case(compiled_function),
}  # fmt: skip


def pictures(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)).to(dtype)


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    yield
    torch.compiler.reset()


@pytest.mark.parametrize("name", WORKS)
def test_it_works(name):
    case = WORKS[name]
    model, x = case.make(), pictures(case.dtype)
    score = case.score or (lambda output: output[:, TARGET].sum())
    with torch.autocast("cpu", torch.bfloat16, enabled="autocast" in name):
        expected = {at: limit(model, x, at, score) for at in case.at}
    before = fingerprint(model)
    with case.mode():
        found = {layer.name: layer for layer in layers(model, x[0])}
        assert found.keys() >= set(case.at) and not found.keys() & set(case.absent)
        maps = {at: grad_cam_by_hand(*expected[at], found[at]) for at in case.at}
        for at, right in maps.items():
            assert difference(ours(model, x, found[at], score), right) == 0, at
            if case.score is None:
                assert difference(explain(model, x, TARGET, layer=at).map, right) == 0, at
            else:
                with pytest.raises(ValueError, match="so a class number doesn't name a score: record it"):
                    explain(model, x, TARGET, layer=at)
        with record(model, list(case.at)) as tape:
            model(x)
        together = tape.gradients(score)
        several = tape.gradients(lambda output: torch.stack([score(output), 2 * score(output)]))
        near = 1e-5 if case.dtype.itemsize > 2 and "autocast" not in name else 0.05
        for at, (activation, gradient) in expected.items():
            assert difference(tape.activations[at], activation) == 0 and difference(together[at], gradient) < 1e-5, at
            assert difference(several[at], torch.stack([gradient, 2 * gradient])) < near, at
    assert same(fingerprint(model), before)
    if case.picker:
        with pytest.raises(ValueError, match=case.picker):
            pick_layers(model, x[:1], target=TARGET, layers=case.at)
    else:
        with case.mode():
            picker = pick_layers(model, x[:1], target=TARGET, layers=case.at)
        for at, right in maps.items():
            drawn = picker._record(0).maps[key(found[at], METHODS["Grad-CAM"])]
            assert difference(drawn[None], right[:1]) < (1e-5 if case.dtype.itemsize > 2 else 0.05), at
    assert same(fingerprint(model), before)


def same(after: dict[str, Any], before: dict[str, Any]) -> bool:
    for what, value in before.items():
        assert after[what] == value, what
    return True


# ------------------------------------------------------------------------------------------------- what is refused


def without_torch(m: Net, x: Tensor) -> Tensor:
    return m.logits(torch.from_numpy(m.features(x).numpy()))


def overwriting_a_view(m: Net, x: Tensor) -> Tensor:
    first, second = m.a(x).chunk(2, 1)
    return m.logits(m.b(torch.cat([first.relu_(), second], 1)))


def overwriting_what_is_needed(m: Net, x: Tensor) -> Tensor:
    x = m.a(x).sigmoid()
    x *= 2
    return m.logits(m.b(x))


def inside(wrap: Callable[[nn.Module], nn.Module]) -> Net:
    """A network of which only the second convolution is wrapped."""
    model = Net()
    model.b = wrap(model.b)
    return model.eval()


def ending_without_gradients(m: Net, x: Tensor) -> Tensor:
    x = m.features(x)
    with torch.no_grad():
        return m.logits(x)


def quantized() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(Net(), {nn.Linear}, torch.qint8)


def compiled_forward() -> Net:
    model = Net()
    model.forward = torch.compile(model.forward, backend="eager")  # type: ignore[method-assign]
    return model


def compiled_in_place() -> Net:
    model = Net()
    model.compile()
    return model


def scripted() -> nn.Module:
    return torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval())


def made_in_inference_mode() -> Net:
    with torch.inference_mode():
        return Net()


class UnderInferenceMode(Net):
    forward = torch.inference_mode()(Net.forward)  # type: ignore[assignment]


DATA_PARALLEL = "DataParallel runs copies of the model that can't be recorded: "
SCRIPTED = "A scripted or traced model can't be recorded%s: pass the model it was made from."
COMPILED = "A compiled model skips what records it%s: pass the model it was compiled from."
QUANTIZED = "A quantized model has no gradient%s: pass the model it was made from."
OVERWRITES = "The model overwrites in place what its own backward pass needs, so there is no gradient"
AT_B = " ('b')"
REFUSED_ANYWHERE: dict[str, tuple[Callable[[], Any], str]] = {  # also by `layers`
    "DataParallel": (lambda: nn.DataParallel(Net()), DATA_PARALLEL + "pass model.module."),
    "DataParallel inside": (
        lambda: inside(nn.DataParallel), DATA_PARALLEL + "put model.b.module in the place of model.b."
    ),
    "scripted": (scripted, SCRIPTED % ""),
    "traced": (lambda: torch.jit.trace(Net(), pictures()), SCRIPTED % ""),
    "frozen by jit": (lambda: torch.jit.freeze(scripted()), SCRIPTED % ""),
    "scripted inside": (lambda: inside(torch.jit.script), SCRIPTED % AT_B),
    "compiled": (lambda: torch.compile(Net()), COMPILED % ""),
    "compiled in place": (compiled_in_place, COMPILED % ""),
    "compiled inside": (lambda: inside(torch.compile), COMPILED % AT_B),
    "a compiled forward": (compiled_forward, COMPILED % ""),
    "exported": (lambda: torch.export.export(Net(), (pictures(),)).module(), "An exported model has no layers to"),
    "quantized": (quantized, QUANTIZED % " ('head')"),
    "lazy": (lambda: nn.Sequential(nn.LazyConv2d(2, 3)), "The model has lazy layers without numbers yet: call it once"),
    "made in inference_mode": (made_in_inference_mode, "was made under inference_mode"),
    "train mode": (lambda: Net().train(), "The model is in train mode: 'norm' (BatchNorm2d) would change it"),
    "a function": (lambda: F.relu, "A model is a torch.nn.Module, not a function."),
    "a dict of weights": (lambda: Net().state_dict(), "A model is a torch.nn.Module, not a OrderedDict."),
}  # fmt: skip
REFUSED_AT_A: dict[str, tuple[Callable[[], Any], str]] = {  # `layers` lists them; at layer a there is no gradient
    "a forward in inference_mode": (UnderInferenceMode, "call the model outside of it (its forward, too)."),
    "detached": (
        lambda: Net(lambda m, x: m.logits(m.relu(m.b(m.a(x).detach())))),
        "take no_grad and detach out of the model's forward",
    ),
    "without gradients above": (lambda: Net(ending_without_gradients), "take no_grad and detach out of the model's"),
    "overwriting a view": (lambda: Net(overwriting_a_view), OVERWRITES),
    "overwriting what is needed": (lambda: Net(overwriting_what_is_needed), OVERWRITES),
    "another library between": (lambda: Net(without_torch), "Can't call numpy() on Tensor that requires grad"),
}


@pytest.mark.parametrize("name", REFUSED_ANYWHERE)
def test_it_is_refused_before_anything_runs(name):
    make, sentence = REFUSED_ANYWHERE[name]
    model, x = make(), pictures()
    # what jit freezes has no numbers left to compare, and a lazy layer none yet
    before = fingerprint(model) if isinstance(model, nn.Module) and name not in ("lazy", "frozen by jit") else None
    for door in (
        lambda: layers(model, x[0]),
        lambda: explain(model, x, TARGET),
        lambda: explain(model, x, TARGET, "RISE"),
        lambda: record(model, "a").__enter__(),
        lambda: pick_layers(model, x),
    ):
        with pytest.raises((ValueError, TypeError)) as caught:
            door()
        assert sentence in str(caught.value) and one_sentence(caught.value)
    assert before is None or same(fingerprint(model), before)


@pytest.mark.parametrize("name", REFUSED_AT_A)
def test_it_is_refused_where_there_is_no_gradient(name):
    make, sentence = REFUSED_AT_A[name]
    model, x = make(), pictures()
    before = fingerprint(model)
    assert "a" in [layer.name for layer in layers(model, x[0])]
    error = RuntimeError if "numpy" in sentence else ValueError
    for door in (lambda: explain(model, x, TARGET, layer="a"), lambda: pick_layers(model, x, layers=["a"])):
        with pytest.raises(error) as caught:
            door()
        assert sentence in str(caught.value) and one_sentence(caught.value)
        assert same(fingerprint(model), before)


def one_sentence(error: BaseException) -> bool:
    text = str(error)
    return text.startswith((*string.ascii_uppercase, "torch.")) and text.endswith(".") and "\n" not in text


def test_what_to_pass_instead_works():
    x = pictures()
    right = explain(Net(), x, TARGET, layer="b").map
    assert difference(explain(nn.DataParallel(Net()).module, x, TARGET, layer="b").map, right) == 0
    compiled = torch.compile(Net(), backend="eager")
    assert difference(explain(compiled._orig_mod, x, TARGET, layer="b").map, right) == 0
    lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    lazy(x)
    assert explain(lazy, x, TARGET).map.any()


@pytest.mark.parametrize("layer", ["b", "b:3", "c"])
def test_a_layer_that_was_not_reached_or_runs_twice_is_refused(layer):
    model, x = Net(skipping if layer == "b" else twice), pictures()
    with pytest.raises(LookupError, match=f"There is no layer '{layer}' "):
        explain(model, x, TARGET, layer=layer)
    with pytest.raises((LookupError, ValueError), match="There is no layer 'c'|did not reach 'b"):
        with record(model, layer) as tape:
            model(x)
        tape.gradients(TARGET)
    twofold = Net(twice)
    with record(twofold, "b"), pytest.raises(ValueError, match="'b' runs several times in one forward pass: say which"):
        twofold(x)


def test_a_compiled_function_is_as_before():
    """Recording runs what a compiled function was made from; afterwards the compiled one runs again, as before."""
    model, x = compiled_function(), pictures()
    plain = model(x).detach()
    assert difference(explain(model, x, TARGET, layer="a").map, explain(Net(), x, TARGET, layer="a").map) == 0
    assert model(x).detach().equal(plain)
