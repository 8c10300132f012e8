"""Explaining leaves nothing behind: no hook, no memory, no changed number; after an exception wherever it is raised."""

import gc
import weakref
from typing import Any

import psutil
import pytest
import torch
from torch import Tensor, nn

from course_lib.layers import layers
from course_lib.methods.registry import explain
from course_lib.recording import record
from tests.networks.limit import fingerprint

TARGET = 1
METHODS = ("Grad-CAM", "HiResCAM", "saliency", "guided backpropagation")
MIB = 2**20


def network(width: int = 4) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(width, 3),
        ).eval()  # fmt: skip


def pictures(side: int = 8) -> Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.full
def test_a_thousand_explanations_leave_no_hook_and_no_growth():
    model, x = network(width=32), pictures(64)  # half a MiB each activation: kept, it would be seen
    before = fingerprint(model)
    process = psutil.Process()

    def memory(times: int) -> float:
        for number in range(times):
            explain(model, x, TARGET, METHODS[number % len(METHODS)])
        gc.collect()
        return float(process.memory_info().rss / MIB)

    first = memory(200)
    assert memory(1000) < first + 30
    assert fingerprint(model) == before


class Fails(torch.autograd.Function):
    """The identity, whose backward pass raises."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        raise ArithmeticError("on the way back")


class FailsOnTheWayBack(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Fails.apply(x)


@pytest.mark.parametrize("place", range(1, 9))
def test_an_exception_in_the_backward_pass_leaves_nothing(place):
    """Raised between any two layers; below the first recorded one nothing is differentiated."""
    model, x = network(), pictures()
    names = [layer.name for layer in layers(model, x) if layer.grid]
    right = explain(model, x, TARGET, layer=names[0]).map
    model.insert(place, FailsOnTheWayBack())
    before = fingerprint(model)
    with record(model, [str(number) for number in range(len(model))]) as tape:
        output = model(x)
    with pytest.raises(ArithmeticError, match="on the way back"):
        tape.gradients(TARGET)
    kept = [weakref.ref(value) for value in tape.activations.values()]
    del tape, output
    gc.collect()
    assert not any(reference() is not None for reference in kept)
    assert fingerprint(model) == before
    del model[place]
    assert torch.equal(explain(model, x, TARGET, layer=names[0]).map, right)
