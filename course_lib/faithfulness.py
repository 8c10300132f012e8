"""Does an explanation say what the model does? Scores that need no true answer: they change picture or model."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

FILLS = ("mean", "black", "blur")


def filling(pictures: Tensor, fill: str = "mean") -> Tensor:
    """What pixels are replaced by: each picture's mean colour, black, or the picture blurred beyond recognition.

    (B, C, H, W) -> (B, C, H, W); "blur" is a Gaussian with a standard deviation of an eighth of the picture's height.
    Raises ValueError for another fill.

    >>> filling(torch.tensor([[[[1.0, 3.0]]]]))
    tensor([[[[2., 2.]]]])
    """
    if fill not in FILLS:
        raise ValueError(f"Pixels are filled by {', '.join(FILLS)}, not by {fill!r}.")
    if fill == "blur":
        from torchvision.transforms.functional import gaussian_blur  # here: its import takes as long as torch

        side = pictures.shape[-2]
        return torch.as_tensor(gaussian_blur(pictures, [side // 2 * 2 - 1] * 2, [side / 8] * 2))
    return (pictures.mean((-2, -1), keepdim=True) if fill == "mean" else torch.zeros(())).expand_as(pictures)


@torch.no_grad()
def deletion_curve(
    model: nn.Module, pictures: Tensor, target: Tensor, maps: Tensor, fill: str = "mean", insert: bool = False,
    steps: int = 10, batch: int = 32, progress: bool = False,
) -> Tensor:  # fmt: skip
    """The probability of the class while the pixels go, the highest of the map first, (B, steps + 1).

    With `insert` they come instead, into the filled picture. The area under the curve (`torch.trapezoid` with
    dx=1/steps) is the score: a map is good where it is small for deletion and large for insertion. Equal values go in
    a random order that is the same for every map.

    Args:
        model: pictures -> logits (B, classes)
        pictures: (B, C, H, W)
        target: the class of each picture, (B,)
        maps: (B, H, W), at the size of the pictures
        fill: as in `filling`; the ranking of methods can depend on it
        steps: in how many equal portions
        batch: pictures in one pass, which bounds the memory

    Raises:
        ValueError: if the maps don't have the size of the pictures, or for an unknown fill

    Source: Petsiuk, Das, Saenko, RISE, BMVC 2018, section 4.2.

    >>> model = lambda x: torch.stack([x.sum((1, 2, 3)), torch.zeros(len(x))], 1)
    >>> args = model, torch.tensor([[[[9.0, 0.0]]]]), torch.tensor([0]), torch.tensor([[[1.0, 0.0]]])
    >>> deletion_curve(*args, fill="black", steps=2).round(decimals=2)
    tensor([[1.0000, 0.5000, 0.5000]])
    """
    if maps.shape != pictures[:, 0].shape:
        raise ValueError(f"Maps {tuple(maps.shape)} must have the pictures' size, {tuple(pictures[:, 0].shape)}.")
    shuffled = torch.randperm(maps[0].numel(), generator=torch.Generator().manual_seed(0)).to(maps.device)
    order = shuffled[maps.detach().flatten(1)[:, shuffled].argsort(dim=1, descending=True, stable=True)]
    rank = order.argsort(1).view_as(maps)[:, None]  # 0 at the highest value
    empty, points = filling(pictures, fill), []
    for step in tqdm(range(steps + 1), desc="insertion" if insert else "deletion", disable=not progress):
        first = rank < round(step * maps[0].numel() / steps)
        points.append(_scores(model, torch.where(first == insert, pictures, empty), target, batch, softmax=True))
    return torch.stack(points, 1)


@torch.no_grad()
def occlusion_drops(
    model: nn.Module, pictures: Tensor, target: Tensor, cells: int = 8, fill: str = "mean", batch: int = 32,
    progress: bool = False,
) -> Tensor:  # fmt: skip
    """What the logit loses when one cell of the picture is filled, (B, cells, cells), in logits.

    The yardstick for a map's order of places: `evaluation.rank_correlation` of the drops with the map's mean over each
    cell (`cell_means`). Source: Zeiler and Fergus, ECCV 2014; as a yardstick: Selvaraju et al., ICCV 2017.

    Args:
        model, pictures, target, fill, batch: as in `deletion_curve`
        cells: how many cells in each direction

    >>> model = lambda x: x.sum((1, 2, 3), keepdim=False)[:, None]
    >>> occlusion_drops(model, torch.tensor([[[[1.0, 0.0], [2.0, 5.0]]]]), torch.tensor([0]), cells=2, fill="black")
    tensor([[[1., 0.],
             [2., 5.]]])
    """
    full, empty, drops = _scores(model, pictures, target, batch), filling(pictures, fill), []
    for cell in tqdm(range(cells**2), desc="occlusion", disable=not progress):
        gone = F.interpolate(F.one_hot(torch.tensor(cell), cells**2).view(1, 1, cells, cells).float(),
                             pictures.shape[-2:]).bool().to(pictures.device)  # fmt: skip
        drops.append(full - _scores(model, torch.where(gone, empty, pictures), target, batch))
    return torch.stack(drops, 1).view(-1, cells, cells)


def cell_means(maps: Tensor, cells: int = 8) -> Tensor:
    """A map's mean over each of cells x cells parts: (B, H, W) -> (B, cells, cells).

    >>> cell_means(torch.tensor([[[1.0, 3.0], [0.0, 0.0]]]), 1)
    tensor([[[1.]]])
    """
    return F.adaptive_avg_pool2d(maps, cells)


def _scores(model: nn.Module, pictures: Tensor, target: Tensor, batch: int, softmax: bool = False) -> Tensor:
    logits = torch.cat([model(part) for part in pictures.split(batch)])
    return (logits.softmax(1) if softmax else logits).gather(1, target[:, None])[:, 0]


def cascade(model: nn.Module, seed: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """Draw the parameters anew, layer after layer from the last one down: (name of the layer, the model so far).

    What is yielded is always the same copy, a little more random each time; the model given stays as it is. A layer
    draws as it does when it is made (`reset_parameters`); one that can't has its own numbers shuffled. "Last" is
    in the order in which the layers are registered. A map that stays the same doesn't depend on what was learnt.
    Source: Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018, section 3.1.

    >>> [name for name, _ in cascade(nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Linear(2, 2)))]
    ['2', '0']
    """
    changed = copy.deepcopy(model)
    for place, (name, layer) in reversed(list(enumerate(changed.named_modules()))):
        if not (own := list(layer.parameters(recurse=False))):
            continue
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed + place)
            if reset := getattr(layer, "reset_parameters", None) or getattr(layer, "_reset_parameters", None):
                reset()
            else:
                for values in own:
                    values.copy_(values.flatten()[torch.randperm(values.numel())].view_as(values))
        yield name, changed


@dataclass
class Passes:
    """How many pictures went through a model, forward and backward."""

    forward: int = 0
    backward: int = 0


@contextmanager
def count_passes(model: nn.Module) -> Iterator[Passes]:
    """Count the pictures that go through the model while the block runs: the price of an explanation.

    A gradient counts as a pass wherever it stops. What a method computes on single layers, past the model, isn't seen.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    >>> with count_passes(model) as passes:
    ...     model(torch.ones(4, 3, 1, 1)).sum().backward()
    >>> passes
    Passes(forward=4, backward=4)
    """
    passes = Passes()

    def back(gradient: Tensor) -> None:
        passes.backward += len(gradient)

    def note(module: nn.Module, args: Any, output: Tensor) -> None:
        passes.forward += len(output)
        if output.requires_grad:
            output.register_hook(back)

    handle = model.register_forward_hook(note)
    try:
        yield passes
    finally:
        handle.remove()
