"""A learner's own model: every file that fits is loaded, every other is refused in one sentence, and no code runs."""

import pickle
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from course_lib.networks import Network, load
from course_lib.networks.own import own, reinitialized
from course_lib.preprocessing import Preprocessing

SMALL, NAMES = Preprocessing(8), ("cat", "dog")


class Mine(nn.Module):
    def __init__(self, classes: int = 2, width: int = 4) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU())
        self.fc = nn.Linear(width, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.fc(self.features(pictures).mean((2, 3)))


def made(seed: int = 1, **options: int) -> Mine:
    torch.manual_seed(seed)
    return Mine(**options)


def wrapped(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in weights.items()}


FILES = {
    "state dict": lambda weights: weights,
    "DataParallel": lambda weights: wrapped(weights, "module."),
    "Lightning": lambda weights: {"epoch": 3, "state_dict": wrapped(weights, "model."), "optimizer_states": [{}]},
    "compiled, in parallel": lambda weights: {"model_state_dict": wrapped(weights, "module._orig_mod."), "loss": 0.1},
    "model": lambda weights: {"model": weights, "optimizer": {"lr": 0.1}},
}


@pytest.mark.parametrize("kind", FILES)
def test_every_usual_file_gives_the_same_logits(kind, tmp_path):
    trained = made(1).eval()
    torch.save(FILES[kind](trained.state_dict()), tmp_path / "mine.pt")
    network = own(made(2), tmp_path / "mine.pt", NAMES, SMALL)
    x = torch.rand(2, 3, 8, 8)
    assert network.model(x).equal(trained(x)) and not network.model.training
    assert isinstance(network, Network) and network.classes == NAMES and network.name == "mine"


@pytest.mark.parametrize("name", ["mine.safetensors", "mine.pt"])
def test_safetensors_are_known_by_their_content(name, tmp_path):
    trained = made(1).eval()
    save_file(trained.state_dict(), tmp_path / name)
    x = torch.rand(1, 3, 8, 8)
    assert own(made(2), str(tmp_path / name), NAMES, SMALL).model(x).equal(trained(x))


class Runs:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (Path.write_text, (self.trace, "ran"))


def test_no_code_of_the_file_runs(tmp_path):
    trace, plain = tmp_path / "trace", tmp_path / "plain.pt"
    plain.write_bytes(pickle.dumps({"state_dict": Runs(trace)}, protocol=2))
    torch.save({"state_dict": Runs(trace)}, tmp_path / "mine.pt")
    for path in (plain, tmp_path / "mine.pt"):
        with pytest.raises(ValueError, match="would run code from the file"):
            own(made(), path, NAMES, SMALL)
    assert not trace.exists()
    pickle.loads(plain.read_bytes())
    assert trace.exists(), "the file is one that runs code where it is loaded as a pickle"


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.replace("fc.", "fcs."): value for key, value in weights.items()}


REFUSED = {
    "a whole model": (lambda w: made(), "'mine.pt' holds more than numbers .a whole model.*model.state_dict"),
    "other objects": (lambda w: {"state_dict": w, "hyper": Namespace(a=1)}, "holds more than numbers"),
    "a list": (lambda w: [1, 2], "holds a list, not a state dict"),
    "no weights": (lambda w: {"epoch": 3, "accuracy": 0.9}, "holds a dict with 'epoch', 'accuracy', not a state dict"),
    "nothing": (lambda w: {}, "not a state dict"),
    "another name": (
        renamed,
        r"the model's 'fc.bias', 'fc.weight' isn't in it; nearest to 'fc.bias' is 'fcs.bias'; the model has no "
        "'fcs.bias', 'fcs.weight'",
    ),
    "a part": (lambda w: {"fc.bias": w["fc.bias"]}, "'features.0.bias', 'features.0.weight' and 5 more isn't in it"),
    "more": (lambda w: w | {"extra.weight": torch.ones(1)}, "the model has no 'extra.weight'. Build the model"),
    "other classes": (
        lambda w: made(classes=5).state_dict(),
        r"'fc.weight' is \(5, 4\), not \(2, 4\).*Build the model with 5 classes",
    ),
    "other widths": (
        lambda w: made(width=6).state_dict(),
        r"'features.0.weight' is \(6, 3, 3, 3\), not \(4, 3, 3, 3\).*Build the model that was trained",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_fit_is_refused_in_one_sentence_and_changes_nothing(kind, tmp_path):
    content, sentence = REFUSED[kind]
    torch.save(content(made(1).state_dict()), tmp_path / "mine.pt")
    model = made(2)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=sentence) as raised:
        own(model, tmp_path / "mine.pt", NAMES, SMALL)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400
    assert all(value.equal(before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("cut", [0, 8, 9, 700])
def test_damaged_files_are_refused(cut, tmp_path):
    torch.save(made().state_dict(), tmp_path / "mine.pt")
    (tmp_path / "mine.pt").write_bytes((tmp_path / "mine.pt").read_bytes()[:cut])
    with pytest.raises(ValueError, match="'mine.pt' (can't be read as weights|holds more than numbers)"):
        own(made(), tmp_path / "mine.pt", NAMES, SMALL)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_damaged_safetensors_and_torchscript(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"\x10" + 7 * b"\0" + b"{aaaa")
    with pytest.raises(ValueError, match="can't be read as weights"):
        own(made(), tmp_path / "a.safetensors", NAMES, SMALL)
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "script.pt"))
    with pytest.raises(ValueError, match="holds more than numbers"):
        own(made(), tmp_path / "script.pt", NAMES, SMALL)


def test_a_file_that_is_not_there_and_a_folder(tmp_path):
    for path, hint in ((tmp_path / "none.pt", "none.pt'.$"), (tmp_path, "'.$"), ("none.pt", "relative path starts at")):
        with pytest.raises(ValueError, match=f"There is no file .*{hint}"):
            own(made(), path, NAMES, SMALL)


class Gives(Mine):
    """A model that returns something else than logits."""

    def __init__(self, what) -> None:
        super().__init__()
        self.what = what

    def forward(self, pictures):
        return self.what(super().forward(pictures), pictures)


FORWARDS = [
    (lambda z, x: {"out": z}, NAMES, "gives dict for one picture, not logits"),
    (lambda z, x: z[0], NAMES, r"gives \(2,\) for one picture"),
    (lambda z, x: z, ("cat", "dog", "bird"), "gives 2 logits, and 3 classes are named"),
    (lambda z, x: x.reshape(1, 3, 16, 16), NAMES, r"can't take a picture of 3 x 8 x 8 \(shape .*size of training"),
]


@pytest.mark.parametrize(("what", "names", "sentence"), FORWARDS)
def test_what_the_model_gives_is_checked(what, names, sentence, tmp_path):
    torch.save(made().state_dict(), tmp_path / "mine.pt")
    with pytest.raises(ValueError, match=sentence):
        own(Gives(what), tmp_path / "mine.pt", names, SMALL)


def test_a_class_is_no_model_and_a_string_no_list_of_names(tmp_path):
    with pytest.raises(TypeError, match=r"built from its class first, as in MyNetwork\(\)"):
        own(Mine, tmp_path / "mine.pt", NAMES, SMALL)
    with pytest.raises(TypeError, match="one string 'cats'"):
        own(made(), tmp_path / "mine.pt", "cats", SMALL)


def test_the_control_has_the_same_numbers_in_another_order():
    network = load("scenes_gap")
    random_state = torch.get_rng_state()
    control = reinitialized(network, seed=3)
    assert torch.get_rng_state().equal(random_state)
    for (name, a), b in zip(network.model.named_parameters(), control.model.parameters(), strict=True):
        assert a.flatten().sort().values.equal(b.flatten().sort().values)
        assert not a.equal(b), name
    assert not network.model.fc.weight.equal(control.model.fc.weight)
    assert control.model.fc.weight.equal(reinitialized(network, seed=3).model.fc.weight)
    assert not control.model.fc.weight.equal(reinitialized(network, seed=4).model.fc.weight)
    assert control.model.fc.weight.requires_grad and not control.model.training


@pytest.mark.full
def test_a_real_file_gives_what_torchvision_gives(tmp_path):
    from torchvision.models import squeezenet1_0

    from tests.real.material import folder, squeezenet

    with squeezenet(tmp_path) as expected:
        weights = folder() / "weights" / "squeezenet1_0.pth"
        network = own(squeezenet1_0(), weights, expected.classes, expected.preprocessing)
        x = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
        assert network.model(x).equal(expected.model(x))
        with pytest.raises(ValueError, match=r"'classifier.1.weight' is \(1000, .*Build the model with 1000 classes"):
            own(squeezenet1_0(num_classes=10), weights, NAMES, expected.preprocessing)
