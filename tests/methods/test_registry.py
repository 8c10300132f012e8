"""Every registered method on a model, and every sentence that a wrong input gives."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from course_lib.layers import Layer, layers
from course_lib.methods.cam import cam, grad_cam
from course_lib.methods.registry import (
    METHODS,
    explain,
    find_layer,
    find_method,
    map_from,
    register,
    words_for,
)
from course_lib.networks import untrained
from course_lib.recording import record


class Network(nn.Module):
    """Convolutions, then a head; `bend` comes between the pooled features and the linear layer."""

    def __init__(self, bend: nn.Module | None = None, bias: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(True))
        self.pool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.bend, self.fc = bend or nn.Identity(), nn.Linear(6, 5, bias)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.bend(self.flatten(self.pool(self.features(x)))))


class Returning(Network):
    """A network that packs its answer."""

    def __init__(self, pack: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.pack = pack

    def forward(self, x: Tensor) -> Any:
        return self.pack(super().forward(x))


def pictures(batch: int = 2) -> Tensor:
    return torch.rand(batch, 3, 12, 16, generator=torch.Generator().manual_seed(1))


# ---------------------------------------------------------------------------------------------------- what comes out


@pytest.mark.parametrize("name", METHODS)
def test_every_method_explains(name):
    attends = name in ("rollout", "class attention")
    model = untrained("scenes_vit").model if attends else Network()
    x = torch.nn.functional.interpolate(pictures(), (64, 64)) if attends else pictures()
    found = explain(model, x, 3, name)
    method = METHODS[name]
    assert found.method is method and found.target == 3 and found.words == ""
    fine = (8, 8) if attends else (12, 16) if method.kind in ("input", "model") else (6, 8)
    assert found.map.shape == (2, *fine)
    assert found.map.isfinite().all() and not found.map.requires_grad
    assert not found.logits.requires_grad and torch.allclose(found.logits, model(x))
    assert method.signed or found.map.min() >= 0
    tolerance = 1e-2 if name == "meaningful perturbation" else 1e-6  # a search carries rounding far
    for place in range(2):
        alone = explain(model, x[place], 3, name).map[0]
        torch.testing.assert_close(alone, found.map[place], rtol=1e-4, atol=tolerance)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_the_methods_of_the_course():
    assert list(METHODS) == [
        "CAM", "Grad-CAM", "HiResCAM", "Grad-CAM++", "LayerCAM", "XGrad-CAM",
        "saliency", "gradient x input", "integrated gradients", "saliency of the loss", "SmoothGrad",
        "occlusion", "prediction difference", "representation erasure", "meaningful perturbation", "RISE",
        "guided backpropagation", "deconvolution", "LRP epsilon", "LRP alpha-beta", "LRP z+", "DeepLIFT",
        "rollout", "class attention",
    ]  # fmt: skip
    assert {method.kind for method in METHODS.values()} == {"head", "layer", "input", "model"}
    measured_in = {method.units.split()[0] for method in METHODS.values()}
    assert measured_in == {"logits", "nats", "bits", "share"} and all(method.source for method in METHODS.values())


def test_cam_adds_up_to_the_logit_and_grad_cam_is_cam_by_z():
    model, x = Network(), pictures()
    for target in range(5):
        whole, by_gradient = explain(model, x, target, "CAM"), explain(model, x, target, "Grad-CAM")
        torch.testing.assert_close(whole.map.mean((1, 2)) + model.fc.bias[target], whole.logits[:, target])
        torch.testing.assert_close(by_gradient.map, whole.map / 48)
    assert whole.layer is not None and whole.layer.name == "features"


def test_cam_without_bias_and_with_a_convolution_for_a_linear_layer():
    explain(Network(bias=False), pictures(), 1, "CAM", "features.3")
    convolution = nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 5, 1), nn.Flatten())
    found = explain(convolution.eval(), pictures(), 1, "CAM", "0")
    torch.testing.assert_close(found.map.mean((1, 2)) + convolution[2].bias[1], found.logits[:, 1])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_cam_and_its_check_in_other_precisions(dtype):
    found = explain(Network().to(dtype), pictures().to(dtype), 2, "CAM")
    expected = explain(Network(), pictures(), 2, "CAM").map
    torch.testing.assert_close(found.map.float(), expected, rtol=0.1, atol=0.02)
    with pytest.raises(ValueError, match="CAM does not hold here"):
        for target in range(5):
            explain(Network(nn.LayerNorm(6)).to(dtype), pictures().to(dtype), target, "CAM")


def test_a_layer_by_name_by_module_and_without():
    model, x = Network(), pictures()
    expected = explain(model, x, 1, layer="features.1")
    assert expected.layer is not None and expected.layer.name == "features.1" and expected.layer.grid == (6, 8)
    assert explain(model, x, 1, layer=model.features[1]).map.equal(expected.map)
    assert not torch.equal(explain(model, x, 1).map, expected.map)


def test_layers_with_channels_last_and_tokens():
    torch.manual_seed(0)
    swin = torchvision.models.swin_t(num_classes=5).eval()
    found = explain(swin, torch.rand(1, 3, 64, 64), 2, layer="features.5")
    assert found.layer is not None and found.layer.layout == "BHWK" and found.map.shape == (1, 4, 4)
    with record(swin, "features.5") as tape:
        swin(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(5)))
    gradients = tape.gradients(2)["features.5"]
    by_hand = (gradients.mean((1, 2), keepdim=True) * tape.activations["features.5"]).sum(-1)
    raw = map_from(METHODS["Grad-CAM"], swin, tape, found.layer, 2, gradients)
    torch.testing.assert_close(raw, by_hand)


def test_grad_cam_by_hand():
    model, x = Network(nn.LayerNorm(6)), pictures()
    with record(model, "features.2") as tape:
        model(x)
    expected = grad_cam(tape.activations["features.2"], tape.gradients(4)["features.2"])
    assert explain(model, x, 4, "Grad-CAM", "features.2").map.equal(expected)


def test_one_registration_is_enough():
    try:

        @register("only activation", units="activation", source="nobody, 2026")
        def only_activation(activations: Tensor, gradients: Tensor) -> Tensor:
            return activations.sum(-3)

        assert find_method("only activation").function is only_activation
        assert explain(Network(), pictures(), 0, "only activation").map.min() >= 0
        with pytest.raises(ValueError, match="Two methods are called 'only activation'."):
            register("only activation", units="", source="")(grad_cam)
        with pytest.raises(ValueError, match="Two methods are called 'CAM'."):
            register("CAM", units="", source="")(only_activation)
        assert METHODS["CAM"].function is cam
    finally:
        METHODS.pop("only activation", None)


# ------------------------------------------------------------------------------------------------ what a zero map means


class ClassToken(nn.Module):
    """A head that reads only the first token of the last block."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.vit = torchvision.models.VisionTransformer(32, 8, 2, 2, 12, 24, num_classes=5)
        nn.init.normal_(self.vit.heads.head.weight)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.vit(x)


def test_the_last_block_of_a_vision_transformer_is_0_and_says_so():
    model, x = ClassToken(), torch.rand(2, 3, 32, 32)
    last, before = (f"vit.encoder.layers.encoder_layer_1{part}" for part in ("", ".ln_1"))
    found = explain(model, x, 2, layer=last)
    assert found.map.shape == (2, 4, 4) and not found.map.any()
    assert found.words.startswith(f"The gradient at every patch token of {last} is exactly 0: after it the head reads")
    earlier = explain(model, x, 2, layer=before)
    assert earlier.map.any() and earlier.words == ""


def test_a_logit_behind_a_relu_that_gives_0():
    model = Returning(torch.relu)
    model.fc.bias.data[:] = torch.tensor([-99.0, 1, 1, 1, 1])
    for name in ("Grad-CAM", "saliency"):
        found = explain(model, pictures(), 0, name)
        assert not found.map.any() and found.words.startswith(
            "The gradient is exactly 0 everywhere, so the map is 0 too"
        )
        assert explain(model, pictures(), 1, name).words == ""


def test_one_picture_of_a_batch_without_gradient_is_named():
    model = Network()
    for layer, weight, bias in ((model.features[0], 0.1, 0.0), (model.features[2], -1.0, 0.05)):
        nn.init.constant_(layer.weight, weight)
        nn.init.constant_(layer.bias, bias)
    x = torch.stack([torch.zeros(3, 12, 16), torch.ones(3, 12, 16), torch.zeros(3, 12, 16)])
    found = explain(model, x, 0, layer="features.2")
    assert [bool(one.any()) for one in found.map] == [True, False, True]
    assert found.words.startswith("pictures[1]: The gradient is exactly 0 everywhere")


def test_evidence_that_cancels_out_and_activations_of_0():
    model = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(12, 1, bias=False)).eval()
    model[2].weight.data[:] = torch.tensor([1.0, -1, 1, -1] * 3)
    found = explain(model, torch.rand(1, 3, 2, 2), 0, layer="0")
    assert found.map.abs().max() < 1e-7 and found.words.startswith("The map is exactly 0 everywhere: ")
    assert explain(model, torch.rand(1, 3, 2, 2), 0, "HiResCAM", "0").words == ""
    assert explain(model, torch.zeros(1, 3, 2, 2) - 1, 0, "HiResCAM", "0").words


def test_words_for_nothing():
    assert words_for(None, None) == "" == words_for(torch.ones(1, 2, 2, 2), None)
    assert words_for(torch.zeros(1, 2, 2, 2), None)
    assert words_for(None, None, torch.zeros(1, 2, 2)).startswith("The map is exactly 0")


# ------------------------------------------------------------------------------------------------------------ sentences


def squeezed() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()


def poisoned(value: float) -> nn.Module:
    model = Network()
    model.features[2].bias.data[1] = value
    return model


class RootOfNothing(nn.Module):
    """Finite itself, with an infinite slope."""

    def forward(self, features: Tensor) -> Tensor:
        return (0 * features).sqrt()


class Beside(Network):
    """`spare` runs, but nothing reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.spare(x)
        return super().forward(x)


WRONG: dict[str, tuple[Callable[[], nn.Module], dict[str, Any], type[Exception], str]] = {
    "no such layer": (Network, {"layer": "featurs"}, LookupError, "There is no layer 'featurs' .*nearest: 'features'"),
    "a layer that runs twice": (
        torchvision.models.resnet18,
        {"layer": "layer1.0.relu"},
        LookupError,
        "nearest: layer1.0.relu:2, layer1.0.relu:1",
    ),
    "a module of another network": (Network, {"layer": nn.ReLU()}, LookupError, "The layer ReLU is not part of this"),
    "a layer without a grid": (
        Network,
        {"layer": "pool"},
        ValueError,
        r"Layer 'pool' gives out \(6, 1, 1\): no grid .* before the pooling",
    ),
    "a layer without any place": (
        Network,
        {"layer": "fc"},
        ValueError,
        r"Layer 'fc' gives out \(5,\): no grid of places",
    ),
    "no layer with a grid": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(576, 5)), {}, ValueError, "No layer"),
    "no such method": (Network, {"method": "GradCAM"}, LookupError, "no method 'GradCAM'; there are Grad-CAM, "),
    "no method like it": (
        Network,
        {"method": "zzzz"},
        LookupError,
        "there are CAM, Grad-CAM, .*guided backpropagation",
    ),
    "two layers in the head": (
        lambda: Network(nn.Sequential(nn.Linear(6, 6), nn.ReLU())),
        {"method": "CAM"},
        ValueError,
        r"CAM does not hold here: mean\(map\) \+ bias = [-\d.e]+, but the logit is [-\d.e]+\. .* Try Grad-CAM\.",
    ),
    "a norm in the head": (lambda: Network(nn.LayerNorm(6)), {"method": "CAM"}, ValueError, "CAM does not hold here"),
    "a ReLU after the linear layer": (
        squeezed,
        {"method": "CAM", "layer": "1"},
        ValueError,
        r"mean\(map\) \+ bias = .*, but the logit is",
    ),
    "CAM at an early layer": (
        Network,
        {"method": "CAM", "layer": "features.1"},
        ValueError,
        "the linear layer reads 6 numbers and this layer has 4 channels",
    ),
    "CAM without a linear layer": (
        lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        {"method": "CAM"},
        ValueError,
        "CAM needs a last linear layer with a row for each class, and this model has none. Try Grad-CAM.",
    ),
    "a class out of range": (
        Network,
        {"target": 5},
        ValueError,
        "There is no class 5: the model gives 5 logits, 0 to 4.",
    ),
    "a negative class": (Network, {"target": -1}, ValueError, "There is no class -1"),
    "a name for a class": (
        Network,
        {"target": "tabby"},
        TypeError,
        "A target class is a whole number, .* not 'tabby'.",
    ),
    "a fraction": (Network, {"target": 1.5}, TypeError, "not 1.5."),
    "several classes": (Network, {"target": [1, 2]}, TypeError, r"A target class is a whole number, .* not \[1, 2\]."),
    "NaN in an activation": (
        lambda: poisoned(float("nan")),
        {},
        ValueError,
        "The activations of 'features' hold NaN or infinity",
    ),
    "infinity in an activation": (
        lambda: poisoned(float("inf")),
        {"method": "CAM"},
        ValueError,
        "The activations of 'features' hold NaN or infinity",
    ),
    "NaN in a gradient": (
        lambda: Network(RootOfNothing()),
        {},
        ValueError,
        "The gradient at 'features' holds NaN or infinity",
    ),
    "NaN after the layer": (
        lambda: poisoned(float("inf")),
        {"layer": "features.1"},
        ValueError,
        "The map of Grad-CAM or the logit holds NaN",
    ),
    "NaN in a method with passes of its own": (
        lambda: poisoned(float("nan")),
        {"method": "integrated gradients"},
        ValueError,
        "NaN or infinity",
    ),
    "a dict": (lambda: Returning(lambda out: {"out": out}), {}, ValueError, "The model returned a dict, not logits"),
    "nothing": (lambda: Returning(lambda out: None), {}, ValueError, "The model returned a NoneType, not logits"),
    "maps": (
        lambda: Returning(lambda out: out[:, :, None, None]),
        {"method": "saliency"},
        ValueError,
        r"The model returned a tensor \(2, 5, 1, 1\), not logits \(pictures, classes\)",
    ),
    "a tuple, with passes of its own": (
        lambda: Returning(lambda out: (out,)),
        {"method": "guided backpropagation"},
        ValueError,
        "returned a tuple",
    ),
    "beside the path": (Beside, {"layer": "spare"}, ValueError, "The score does not depend on 'spare'"),
    "no ReLU": (
        lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        {"method": "guided backpropagation"},
        ValueError,
        "no ReLU ran in this model",
    ),
    "an empty batch": (Network, {"pictures": torch.zeros(0, 3, 12, 16)}, ValueError, "holds no picture"),
    "a wrong rank": (
        Network,
        {"pictures": torch.zeros(12, 16)},
        ValueError,
        r"\(B, 3, height, width\), not \(12, 16\)",
    ),
    "channels last": (Network, {"pictures": torch.zeros(1, 12, 16, 3)}, ValueError, "the channels come before height"),
    "whole numbers": (
        Network,
        {"pictures": torch.zeros(1, 3, 12, 16, dtype=torch.uint8)},
        TypeError,
        "not torch.uint8; try pictures.float",
    ),
    "0 to 255": (Network, {"pictures": 255 * pictures()}, ValueError, "divide by 255"),
    "NaN in a picture": (Network, {"pictures": pictures().log().log()}, ValueError, "pixel values are NaN or infinite"),
    "double precision": (
        Network,
        {"pictures": pictures().double()},
        TypeError,
        r"pictures are torch.float64 on cpu, but .* torch.float32 on cpu: try pictures.to\(\"cpu\", torch.float32\).",
    ),
    "no tensor": (Network, {"pictures": [[1.0]]}, TypeError, "Pictures are a tensor"),
    "train mode": (
        torchvision.models.resnet18,
        {"train": True},
        ValueError,
        r"in train mode: .* Call model.eval\(\) first",
    ),
    "no model": (lambda: Network, {"model": "resnet18"}, TypeError, "A model is a torch.nn.Module, not a str."),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input(case):
    make, given, error, sentence = WRONG[case]
    given = dict(given)
    model: Any = given.pop("model") if "model" in given else make()
    if not given.pop("train", False) and isinstance(model, nn.Module):
        model.eval()
    arguments = {"pictures": pictures(), "target": 1} | given
    with pytest.raises(error, match=sentence) as raised:
        explain(model, **arguments)
    assert str(raised.value).endswith((".", ")")) and "\n" not in str(raised.value)
    if isinstance(model, nn.Module):
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
        assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert torch.is_grad_enabled()


def test_find_layer():
    listed = [Layer("a", "X", (4, 2, 2), (2, 2), (8, 8), "BKHW"), Layer("b", "X", (4,))]
    assert find_layer(listed, None).name == "a" and find_layer(listed, "b").name == "b"
    with pytest.raises(LookupError, match=r"There is no layer 'zz' .*layers\(model, picture\) lists"):
        find_layer(listed, "zz")


def test_a_layer_that_is_there_but_was_not_reached_or_gives_no_tensor():
    model = Network()
    model.add_module("spare", nn.Linear(2, 2))
    assert "spare" not in [layer.name for layer in layers(model, pictures())]
    with pytest.raises(LookupError, match="There is no layer 'spare' that can be explained"):
        explain(model, pictures(), 0, layer="spare")
