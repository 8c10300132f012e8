"""Your own network: from a class and a weights file, without executing a line of that file."""

import copy
import difflib
import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as parse_safetensors
from torch import Tensor, nn

from course_lib.networks import Network
from course_lib.preprocessing import Preprocessing

NESTED = ("state_dict", "model_state_dict", "model")  # where training loops put the weights beside other things


def own(model: nn.Module, weights_path: str | Path, classes: Sequence[str], preprocessing: Preprocessing) -> Network:
    """Your own model, with the weights of a file, ready for every method, the layer picker and the report.

    The file is read as numbers only: a state dict that `torch.save` or safetensors wrote, alone or inside a training
    loop's checkpoint ("state_dict"), also with a prefix before every name ("module." of DataParallel, "model." of
    Lightning). Nothing is loaded before everything fits. The model is put into eval mode, on the CPU.

    Args:
        model: built from its class, (B, 3, H, W) -> logits (B, classes)
        weights_path: the file
        classes: names of the classes, in the order of the logits
        preprocessing: how the model was fed in training

    Raises:
        TypeError: for a class instead of a model, or one string instead of the names
        ValueError: if the file isn't there, isn't a weights file or holds more than numbers; if weights are missing,
            unexpected (with the nearest names), or of another shape; if the model doesn't take a picture
            of this preprocessing, or gives no logits or another number of them

    >>> import tempfile
    >>> def build():
    ...     return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save(build().state_dict(), f"{folder}/mine.pt")
    ...     own(build(), f"{folder}/mine.pt", ["cat", "dog"], Preprocessing(32)).classes
    ('cat', 'dog')
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"The model is built from its class first, as in MyNetwork(); this is {model!r}.")
    if isinstance(classes, str):
        raise TypeError(f"The classes are a list of names in the order of the logits, not one string {classes!r}.")
    path, model = Path(weights_path), model.cpu().eval()
    found, expected = _unwrapped(_read(path), model, path.name), model.state_dict()
    _check_names(found, expected, path.name)
    _check_logits(model, len(classes), preprocessing.size)
    model.load_state_dict(found)
    return Network(model, tuple(classes), preprocessing, path.stem)


def reinitialized(network: Network, seed: int = 0) -> Network:
    """The same network with the numbers of every weight tensor in random order: a control that has learnt nothing.

    Its weights are as large as the trained ones, so that its maps vary as much as chance lets them; fresh ones make
    the activations of many networks fade to a constant, and a flat control proves little. What BatchNorm counted stays.
    Source: Adebayo et al., NeurIPS 2018 (randomized parameters).

    >>> net = Network(nn.Conv2d(3, 2, 3), ("a", "b"), Preprocessing(8), "net")
    >>> control = reinitialized(net)
    >>> bool(control.model.weight.sum().isclose(net.model.weight.sum())), control.model.weight.equal(net.model.weight)
    (True, False)
    """
    model, random = copy.deepcopy(network.model), torch.Generator().manual_seed(seed)
    for values in model.parameters():
        order = torch.randperm(values.numel(), generator=random).to(values.device)
        values.data = values.data.flatten()[order].view_as(values)
    return Network(model, network.classes, network.preprocessing, network.name)


def _read(path: Path) -> Any:
    """What the file holds. (By its content: safetensors begin with the length of a header in JSON.)"""
    if not path.is_file():
        hint = "" if path.is_absolute() else f"; a relative path starts at {str(Path.cwd())!r}"
        raise ValueError(f"There is no file {str(path)!r}{hint}.")
    try:
        with path.open("rb") as file:
            start = file.read(9)
        if start[8:] == b"{":
            return parse_safetensors(path.read_bytes())
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the readers raise nearly anything
        if isinstance(error, pickle.UnpicklingError) or "TorchScript" in str(error):
            raise ValueError(
                f"{path.name!r} holds more than numbers (a whole model, perhaps), and loading that would run code from "
                "the file: where it was made, call torch.save(model.state_dict(), ...), and use the new file."
            ) from None
        kinds = "neither a state dict of torch.save nor safetensors"
        raise ValueError(f"{path.name!r} can't be read as weights: it is damaged, or {kinds}.") from None


def _unwrapped(held: Any, model: nn.Module, name: str) -> dict[str, Tensor]:
    """The state dict inside a checkpoint, without the prefix that a wrapper put before every name."""
    for key in NESTED:
        if isinstance(held, dict) and isinstance(held.get(key), dict):
            held = held[key]
    if not isinstance(held, dict) or not held or not all(isinstance(value, Tensor) for value in held.values()):
        what = f"a dict with {_some(map(str, held))}" if isinstance(held, dict) else f"a {type(held).__name__}"
        raise ValueError(f"{name!r} holds {what}, not a state dict (names and tensors): save model.state_dict().")
    expected, weights = set(model.state_dict()), {str(key): value for key, value in held.items()}
    while not expected & set(weights):
        prefixes = {key.partition(".")[0] for key in weights if "." in key}
        if len(prefixes) != 1 or not all("." in key for key in weights):
            break
        weights = {key.partition(".")[2]: value for key, value in weights.items()}
    return weights


def _check_names(found: dict[str, Tensor], expected: dict[str, Tensor], name: str) -> None:
    missing, unexpected = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    faults = [f"the model's {_some(missing)} isn't in it"] if missing else []
    for near in difflib.get_close_matches(missing[0], unexpected or found, 1, 0.5) if missing else ():
        faults.append(f"nearest to {missing[0]!r} is {near!r}")
    faults += [f"the model has no {_some(unexpected)}"] if unexpected else []
    if faults:
        raise ValueError(f"{name!r} doesn't fit the model: {'; '.join(faults)}. Build the model that was trained.")
    shapes = {key: (tuple(found[key].shape), tuple(expected[key].shape)) for key in expected}
    wrong = {key: f"{key!r} is {got}, not {meant}" for key, (got, meant) in shapes.items() if got != meant}
    if wrong:
        head = all(key.rpartition(".")[0] == [*expected][-1].rpartition(".")[0] for key in wrong)
        which = f"with {len(found[next(iter(wrong))])} classes" if head else "that was trained"
        first = "; ".join([*wrong.values()][:2])
        raise ValueError(f"{name!r} doesn't fit the model: {first}. Build the model {which}.")


def _check_logits(model: nn.Module, classes: int, size: int) -> None:
    like = next((values for values in model.parameters() if values.is_floating_point()), torch.zeros(()))
    try:
        with torch.no_grad():
            logits = model(torch.zeros(1, 3, size, size, dtype=like.dtype))
    except Exception as error:  # whatever the learner's own forward raises
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"The model can't take a picture of 3 x {size} x {size} ({first}): give Preprocessing the size of training."
        ) from None
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        what = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"The model gives {what} for one picture, not logits (1, classes): return one tensor of them.")
    if logits.shape[1] != classes:
        raise ValueError(f"The model gives {logits.shape[1]} logits, and {classes} classes are named: name each.")


def _some(names: Iterable[str]) -> str:
    every = [*map(repr, names)]
    return ", ".join(every[:3]) + (f" and {len(every) - 3} more" if len(every) > 3 else "")
