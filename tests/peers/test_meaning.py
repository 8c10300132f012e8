"""Where the request "Grad-CAM at this layer" can mean two things, the peers give two maps; ours says which it is.

Before an operation in place, ours is the layer's own output, as it was. A layer that runs twice has two names.
"""

import copy
from functools import partial

import pytest
import torch
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn
from torchcam import methods as torchcam

from course_lib.layers import layers
from course_lib.methods.cam import grad_cam
from course_lib.methods.registry import explain
from tests.networks.limit import limit
from tests.peers.test_parity import TARGET, captum_grad_cam, difference, from_grad_cam, from_torchcam

pytestmark = pytest.mark.full

PEERS = {
    "captum": captum_grad_cam,
    "torchcam": partial(from_torchcam, torchcam.GradCAM),
    "pytorch-grad-cam": partial(from_grad_cam, GradCAM),
}


class Twice(nn.Module):
    """A convolution that runs twice, and may be followed by a ReLU in place."""

    def __init__(self, inplace: bool, times: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.relu, self.head, self.times = nn.ReLU(inplace), nn.Linear(8, 5), times

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.a(x))
        for _ in range(self.times):
            x = self.relu(self.b(x))
        return self.head(x.mean((2, 3)))


def pictures() -> Tensor:
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()


def by_hand(model: nn.Module, name: str) -> Tensor:
    return grad_cam(*limit(model, pictures(), name, lambda output: output[:, TARGET].sum()))


def of_peers(model: nn.Module, name: str, possible: dict[str, Tensor]) -> dict[str, str | None]:
    """Which of the possible maps each peer gives (None: another)."""
    given = {}
    for peer, draw in PEERS.items():
        fresh = copy.deepcopy(model)
        drawn = draw(fresh, pictures().requires_grad_(), fresh.get_submodule(name), TARGET).detach().double()
        given[peer] = next((what for what, right in possible.items() if difference(drawn, right) < 1e-5), None)
    return given


def test_before_an_operation_in_place():
    model = Twice(inplace=True, times=1).double().eval()
    possible = {"before": by_hand(model, "b"), "after": by_hand(model, "relu:2")}
    assert difference(possible["after"], possible["before"]) > 0.1
    peers = of_peers(model, "b", possible)
    print(peers)
    assert len(set(peers.values())) > 1, "the peers agree now: say so in the README"
    assert difference(explain(model, pictures(), TARGET, layer="b").map, possible["before"]) < 1e-12
    assert difference(explain(model, pictures(), TARGET, layer="relu:2").map, possible["after"]) < 1e-12


def test_where_a_layer_runs_twice():
    model = Twice(inplace=False, times=2).double().eval()
    possible = {name: by_hand(model, name) for name in ("b:1", "b:2")}
    assert difference(possible["b:1"], possible["b:2"]) > 0.1
    peers = of_peers(model, "b", possible)
    print(peers)
    assert len(set(peers.values())) > 1, "the peers agree now: say so in the README"
    assert {"b:1", "b:2"} <= {layer.name for layer in layers(model, pictures()[:1])}
    for name, right in possible.items():
        assert difference(explain(model, pictures(), TARGET, layer=name).map, right) < 1e-12
    with pytest.raises(LookupError, match="nearest: b:"):
        explain(model, pictures(), TARGET, layer="b")
