"""Grad-CAM on a real network and real photographs: SqueezeNet, trained on ImageNet."""

from collections.abc import Callable

import pytest
import skimage.data
import torch
from PIL import Image
from torch import Tensor

from course_lib.evaluation import pointing
from course_lib.layers import layers
from course_lib.methods.registry import METHODS, explain
from course_lib.methods.steps import upsample
from course_lib.networks import Network
from tests.real.material import folder, squeezenet

pytestmark = pytest.mark.full

BOXES = {"Chihuahua": (60, 45, 378, 516), "tabby": (400, 112, 655, 493)}
"""Where dog and cat are in catdog.jpg: x0, y0, x1, y1 in its own pixels."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    with squeezenet(tmp_path_factory.mktemp("hub")) as network:
        return network


@pytest.fixture(scope="module")
def catdog(network: Network) -> Tensor:
    return network.preprocessing(folder() / "pictures" / "catdog.jpg")[None]


def mask(network: Network, name: str) -> Tensor:
    """The box as the network sees it: the same resizing and cropping as for the picture."""
    with Image.open(folder() / "pictures" / "catdog.jpg") as picture:
        drawn = Image.new("RGB", picture.size)
    x0, y0, x1, y1 = BOXES[name]
    drawn.paste((255, 255, 255), (x0, y0, x1, y1))
    pixels = network.preprocessing.undo(network.preprocessing(drawn))
    return pixels.mean(0, keepdim=True) > 0.5


def peaks_in(network: Network, catdog: Tensor, target: str, box: str, method: str = "Grad-CAM") -> bool:
    found = explain(network.model, catdog, network.classes.index(target), method, "features.12")
    assert found.map.shape == (1, 13, 13) and found.words == ""
    return bool(pointing(upsample(found.map, (224, 224)), mask(network, box)))


def test_the_dog_is_where_the_dog_is_and_the_cat_where_the_cat_is(network: Network, catdog: Tensor) -> None:
    assert network.classes[int(network.model(catdog).argmax())] == "Chihuahua"
    assert not (mask(network, "Chihuahua") & mask(network, "tabby")).any()
    assert 0.1 < mask(network, "tabby").float().mean() < 0.4
    for name in BOXES:
        assert peaks_in(network, catdog, name, name)
    assert not peaks_in(network, catdog, "tabby", "Chihuahua")
    assert not peaks_in(network, catdog, "Chihuahua", "tabby")


def test_cam_refuses_with_both_numbers(network: Network, catdog: Tensor) -> None:
    """conv -> ReLU -> GAP: the ReLU between them is what makes mean(map) + bias another number than the logit."""
    best = network.model(catdog)[0].topk(5)
    for logit, target in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        with pytest.raises(ValueError, match=r"mean\(map\) \+ bias = .*, but the logit is") as raised:
            explain(network.model, catdog, target, "CAM", "features.12")
        assert f"but the logit is {logit:.4g}." in str(raised.value)
    with pytest.raises(ValueError, match="this layer has 1000 channels"):
        explain(network.model, catdog, 0, "CAM")


PHOTOGRAPHS: dict[str, tuple[Callable[[], object], str]] = {
    "chelsea": (skimage.data.chelsea, "Egyptian cat"),
    "coffee": (skimage.data.coffee, "espresso"),
    "rocket": (skimage.data.rocket, "missile"),
}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_that_every_reader_has(network: Network, name: str) -> None:
    read, answer = PHOTOGRAPHS[name]
    x = network.preprocessing(read())[None]  # type: ignore[arg-type]
    logits = network.model(x)[0].detach()
    assert network.classes[int(logits.argmax())] == answer
    print(f"{name}: {answer} {float(logits.softmax(0).max()):.2f}")
    for method in METHODS.values():
        if method.kind in ("layer", "input") or method.name in ("SmoothGrad", "guided backpropagation"):
            found = explain(
                network.model, x, int(logits.argmax()), method.name, "features.12" * (method.kind == "layer")
            )
            assert found.words == "" and found.map.amax() > found.map.amin()


def test_deconvolution_dies_on_its_way_down(network: Network) -> None:
    """It lets only positive values down, and below a layer whose weights sum them to nothing positive nothing is left.

    From a score above GAP the same value enters every cell: no part of the picture gates it. captum's is 0 as well.
    """
    x = network.preprocessing(skimage.data.chelsea())[None]
    found = explain(network.model, x, network.classes.index("Egyptian cat"), "deconvolution")
    assert not found.map.any() and found.words.startswith("The map is exactly 0 everywhere")


def test_a_class_whose_logit_is_0_has_no_gradient(network: Network) -> None:
    x = network.preprocessing(skimage.data.coffee())[None]
    silent = (network.model(x)[0] == 0).nonzero().flatten().tolist()
    assert silent, "SqueezeNet ends with a ReLU, and some logits are exactly 0"
    for target in silent:
        found = explain(network.model, x, target, layer="features.12")
        assert not found.map.any()
        assert found.words.startswith("The gradient is exactly 0 everywhere") and "a logit of 0" in found.words


def test_every_layer_with_a_grid_explains(network: Network, catdog: Tensor) -> None:
    with_grid = [layer for layer in layers(network.model, catdog) if layer.grid]
    assert [layer.name for layer in with_grid if "." not in layer.name] == ["features"]
    assert with_grid[-1].name == "classifier.2" and with_grid[-1].cell == (224 / 13, 224 / 13)
    for layer in with_grid[:: len(with_grid) // 8]:
        assert explain(network.model, catdog, 151, layer=layer.name).map.any()


def test_both_animals_are_found_by_their_classes(network: Network) -> None:
    """The picture of most Grad-CAM demonstrations: another class, another map."""
    x = network.preprocessing(folder() / "pictures" / "both.png")[None]
    dog, cat = (
        explain(network.model, x, network.classes.index(c), layer="features.12").map
        for c in ("bull mastiff", "tiger cat")
    )
    assert torch.corrcoef(torch.stack([dog.flatten(), cat.flatten()]))[0, 1] < 0.5
