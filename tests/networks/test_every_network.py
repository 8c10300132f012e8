"""One small network of each family of torchvision against the limit, and the kept table of all of them."""

import csv

import pytest
import torch
from torch import Tensor, nn

from course_lib.layers import Layer, layers
from course_lib.recording import record
from tests.networks.every_network import BODIES, COLUMNS, LIMIT, TABLE, largest, last_usable, make, names, row

FAMILIES = {  # the side of the picture: smaller than the network's own wherever it allows another
    "alexnet": 96, "convnext_tiny": 64, "densenet121": 64, "efficientnet_b0": 64, "efficientnet_v2_s": 64,
    "googlenet": 64, "inception_v3": 107, "maxvit_t": 224, "mnasnet0_5": 64, "mobilenet_v2": 64,
    "mobilenet_v3_small": 64, "regnet_x_400mf": 64, "regnet_y_400mf": 64, "resnet18": 64, "resnext50_32x4d": 64,
    "shufflenet_v2_x0_5": 64, "squeezenet1_1": 64, "swin_t": 64, "swin_v2_t": 64, "vgg11": 64, "vgg11_bn": 64,
    "vit_b_32": 224, "wide_resnet50_2": 64,
}  # fmt: skip

KINDS = ("resnet18", "densenet121", "googlenet", "shufflenet_v2_x0_5", "squeezenet1_1", "convnext_tiny", "swin_t",
         "maxvit_t", "vit_b_32")  # fmt: skip
"""One of each kind of grid: what follows asks more of them."""


def picture(size: int, seed: int = 2) -> Tensor:
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(seed))


def small(name: str) -> nn.Module:
    return make(name, num_classes=10)


@pytest.mark.full
@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_of_each_family(name):
    said = row(name, small(name), FAMILIES[name], batch=2)
    assert said["agrees"] == said["unchanged"] == "yes", said


@pytest.mark.full
@pytest.mark.parametrize("name", KINDS)
def test_the_gradient_is_the_slope_of_the_logit(name):
    """In float64, without any automatic differentiation: a step along a direction at the last usable layer."""
    model, x = small(name).double(), picture(FAMILIES[name]).double()
    score = largest(model, x)
    listed = [layer for layer in layers(model, x) if layer.grid]
    layer = last_usable(model, x, listed, score).name
    with record(model, layer) as tape:
        model(x)
    gradient = tape.gradients(score)[layer]
    rising = 1e-4 * tape.activations[layer].abs().max() * gradient / gradient.abs().max()

    def at(step: Tensor) -> Tensor:
        handle = model.get_submodule(layer.partition(":")[0]).register_forward_hook(lambda *given: given[2] + step)
        try:
            with torch.no_grad():
                return score(model(x))
        finally:
            handle.remove()

    if ":" in layer:
        pytest.fail("A layer that runs several times needs a hook that counts.")
    slope = (at(rising) - at(-rising)) / 2
    torch.testing.assert_close(slope, (gradient * rising).sum(), rtol=1e-3, atol=0)


@pytest.mark.full
@pytest.mark.parametrize("name", KINDS)
def test_a_grid_lies_over_the_picture(name):
    """What changes in a corner of the picture moves the change at a layer about as far down as across."""
    size, model = max(FAMILIES[name], 128), small(name)
    x, other = picture(size), picture(size, 3)
    listed = [layer for layer in layers(model, x) if layer.grid]
    plain = values(model, x, listed)
    centres = []
    for down, across in ((0, 0), (1, 0), (0, 1)):
        changed, half = x.clone(), size // 2
        rows, columns = (slice(half * start, half * start + half) for start in (down, across))
        changed[..., rows, columns] = other[..., rows, columns]
        centres.append([centre(a - b) for a, b in zip(values(model, changed, listed), plain, strict=True)])
    for layer, activation, corner, lower, right in zip(listed, plain, *centres, strict=True):
        assert layer.grid is not None and layer.grid[0] == layer.grid[1], layer
        down, across = lower - corner, right - corner
        assert down.isfinite().all() or not activation.any(), f"{layer} doesn't depend on the picture"
        if layer.grid[0] >= 4:  # a branch with kernels of 1 x 7 differs by 0.3; MaxViT's windows, taken as rows, by 0.5
            assert (down[0] - across[1]).abs() < 0.4, layer
    first = next(place for place, layer in enumerate(listed) if layer.grid and layer.grid[0] >= 4)
    moved = centres[1][first][0] - centres[0][first][0], centres[2][first][1] - centres[0][first][1]
    assert min(moved) > 0.4  # at the first layer the change stays where it was made


def values(model: nn.Module, x: Tensor, listed: list[Layer]) -> list[Tensor]:
    with record(model, [layer.name for layer in listed]) as tape:
        model(x)
    return [layer.to_grid(tape.activations[layer.name]) for layer in listed]


def centre(change: Tensor) -> Tensor:
    """Where it changed, (down, across), each from 0 to 1."""
    size = change.abs().sum((0, 1)).double()
    down, across = (torch.linspace(0, 1, cells, dtype=torch.float64) for cells in size.shape)
    return torch.stack([size.sum(1) @ down, size.sum(0) @ across]) / size.sum()


@pytest.mark.full
@pytest.mark.parametrize("name", ["lraspp_mobilenet_v3_large", "ssdlite320_mobilenet_v3_large"])
def test_segmentation_and_detection(name):
    said = row(name, make(name), 96)
    assert said["agrees"] == said["unchanged"] == "yes", said


def test_the_table_holds_every_network_and_no_false_map():
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [line["network"] for line in rows] == names() and len(rows) == len(names())
    assert set(names()) > {*FAMILIES, *BODIES}
    for line in rows:
        assert list(line) == COLUMNS and line["unchanged"] == "yes"
        if line["agrees"] == "yes":
            assert float(line["difference"]) <= LIMIT and float(line["middle_difference"]) <= LIMIT, line
            assert line["layer"] and line["middle"] and line["map"] and line["middle_map"]
        else:  # why there is none, in a sentence
            assert line["agrees"].count(".") >= 1 and line["agrees"][0].isupper() and not line["map"], line
