"""Networks to explain: the course's own, with their trained weights, and torchvision's."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
from safetensors.torch import load_file
from torch import nn

from course_lib.networks.recipes import RECIPES
from course_lib.preprocessing import Preprocessing

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Network:
    """A network and what is needed to use it.

    Attributes:
        model: in eval mode, (B, 3, H, W) -> logits (B, classes)
        classes: their names, in the order of the logits
        preprocessing: from a picture to what the model takes, and back
        name: as `load` or `pretrained` knows it
    """

    model: nn.Module
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    name: str


def load(name: str) -> Network:
    """One of the course's own networks, with the weights that are shipped (read as numbers; no code is executed).

    Raises:
        LookupError: for a name that isn't in `RECIPES` (with the nearest ones)

    >>> load("scenes_gap").classes
    ('circle', 'square', 'triangle', 'star', 'cross', 'ring')
    """
    network = untrained(name)
    network.model.load_state_dict(load_file(WEIGHTS / f"{name}.safetensors"))
    return network


def untrained(name: str, seed: int = 0) -> Network:
    """The same network with random weights: the control that every explanation is held against.

    Raises:
        LookupError: as `load`
    """
    check_name(name)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = RECIPES[name].build().eval()
    return Network(model, RECIPES[name].classes, Preprocessing(RECIPES[name].size), name)


def check_name(name: str, names: Iterable[str] = RECIPES) -> str:
    """The name, if it is one of the names (the course's networks); else LookupError with the nearest ones."""
    names = list(names)
    if name not in names:
        near = difflib.get_close_matches(name, names, 3, 0.5) or names
        raise LookupError(f"There is no network {name!r}; there are {', '.join(near[:12])}.")
    return name


def pretrained(name: str) -> Network:
    """One of torchvision's networks with weights trained on ImageNet, through torchvision's own loading code.

    The first call downloads the weights (with a progress bar) to where torch keeps them; later ones read them there.

    Raises:
        LookupError: for a name that torchvision doesn't have (with the nearest ones)
        ConnectionError: if the weights are neither there nor to be had, with what works offline
    """
    import torchvision  # here: its import takes as long as torch

    check_name(name, torchvision.models.list_models(module=torchvision.models))
    weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    try:
        model = torchvision.models.get_model(name, weights=weights).eval()
    except (URLError, OSError) as error:
        raise ConnectionError(
            f"The weights of {name!r} aren't on this machine, and the download failed ({error}). Offline, the course's "
            f"own networks work: {', '.join(RECIPES)}."
        ) from None
    steps = weights.transforms()
    preprocessing = Preprocessing(steps.crop_size[0], steps.resize_size[0], tuple(steps.mean), tuple(steps.std))
    return Network(model, tuple(weights.meta["categories"]), preprocessing, name)
