"""Our maps beside those of captum, torchcam and pytorch-grad-cam: raw and signed, before any ReLU and normalization.

Where a peer shows only a finished map, the step before is called: torchcam's ReLU is switched off, pytorch-grad-cam's
`get_cam_image` is what it computes before ReLU and scaling. torchcam has no HiResCAM, captum no LayerCAM:
pytorch-grad-cam stands in. HiResCAM is gradient x activation of captum, summed over the channels.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch
import torchvision
from captum import attr
from pytorch_grad_cam import GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam import methods as torchcam

from course_lib.methods.cam import grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, xgrad_cam
from course_lib.methods.gradients import gradient_times_input, integrated_gradients, saliency
from course_lib.methods.propagation import guided_gradient
from course_lib.recording import INPUT, record
from tests.real.material import folder, squeezenet

pytestmark = pytest.mark.full

TARGET, CHIHUAHUA = 3, 151
LAYERS = {  # none is followed by an operation in place; from each the gradient differs from cell to cell
    "resnet18": ("layer2", "layer3"),
    "vgg16": ("features.23", "features.30"),
    "mobilenet_v3_small": ("features.3", "features.8"),
    "convnext_tiny": ("features.3", "features.5"),
}
Map = Callable[[nn.Module, Tensor, nn.Module, int], Tensor]


def captum_grad_cam(model: nn.Module, x: Tensor, layer: nn.Module, target: int) -> Tensor:
    return attr.LayerGradCam(model, layer).attribute(x, target, relu_attributions=False)[:, 0]


def captum_hires_cam(model: nn.Module, x: Tensor, layer: nn.Module, target: int) -> Tensor:
    return attr.LayerGradientXActivation(model, layer).attribute(x, target).sum(1)


def from_torchcam(kind: type, model: nn.Module, x: Tensor, layer: nn.Module, target: int) -> Tensor:
    with kind(model, layer) as extractor:
        extractor._relu = False
        return extractor(target, model(x), normalized=False)[0]


def from_grad_cam(kind: type, model: nn.Module, x: Tensor, layer: nn.Module, target: int) -> Tensor:
    seen = []

    class Raw(kind):  # type: ignore[misc]
        def get_cam_image(self, *args: object) -> object:
            seen.append(super().get_cam_image(*args))
            return seen[-1]

    with Raw(model, [layer]) as extractor:
        extractor(x, [ClassifierOutputTarget(target)] * len(x))
    return torch.as_tensor(seen[0])


CASES: dict[str, tuple[Callable[..., Tensor], Map, Callable[..., Tensor]]] = {  # ours, theirs, a wrong method
    "Grad-CAM, captum": (grad_cam, captum_grad_cam, hires_cam),
    "Grad-CAM, torchcam": (grad_cam, partial(from_torchcam, torchcam.GradCAM), hires_cam),
    "HiResCAM, captum": (hires_cam, captum_hires_cam, grad_cam),
    "HiResCAM, pytorch-grad-cam": (hires_cam, partial(from_grad_cam, HiResCAM), grad_cam),
    "LayerCAM, torchcam": (layer_cam, partial(from_torchcam, torchcam.LayerCAM), hires_cam),
    "LayerCAM, pytorch-grad-cam": (layer_cam, partial(from_grad_cam, LayerCAM), hires_cam),
    "Grad-CAM++, pytorch-grad-cam": (
        partial(grad_cam_plus_plus, epsilon=1e-6),
        partial(from_grad_cam, GradCAMPlusPlus),
        grad_cam,
    ),
    "XGrad-CAM, pytorch-grad-cam": (partial(xgrad_cam, epsilon=1e-7), partial(from_grad_cam, XGradCAM), grad_cam),
}


def compare(
    case: str,
    model: nn.Module,
    x: Tensor,
    name: str,
    tensors: tuple[Tensor, Tensor],
    limit: float,
    target: int = TARGET,
) -> None:
    """Ours and theirs agree, and a wrong method would not."""
    ours, theirs, wrong = CASES[case]
    peer = theirs(model, x.detach().requires_grad_(), model.get_submodule(name), target).detach()
    raw, other = ours(*tensors), wrong(*tensors)
    print(f"{name}, {case}: {difference(raw, peer):.1e}; a wrong method: {difference(other, peer):.1e}")
    assert varies(raw) and varies(peer)
    assert difference(raw, peer) <= limit
    assert difference(other, peer) > limit


def difference(ours: Tensor, theirs: Tensor) -> float:
    """max |a - b| / max |b|, for the picture where it is largest."""
    assert ours.shape == theirs.shape
    return float(((ours - theirs).abs().amax((1, 2)) / theirs.abs().amax((1, 2))).max())


def varies(raw: Tensor) -> bool:
    return bool(((raw.amax((1, 2)) - raw.amin((1, 2))) > 0.05 * raw.abs().amax((1, 2))).all())


def random_network(name: str, **given: object) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torchvision.models.get_model(name, **given).eval()


Recorded = tuple[nn.Module, Tensor, dict[str, tuple[Tensor, Tensor]]]


@pytest.fixture(scope="module", params=LAYERS)
def recorded(request: pytest.FixtureRequest) -> Recorded:
    """A network with random weights, two pictures, and what was recorded at its layers, in float64."""
    model = random_network(request.param, num_classes=10).double().requires_grad_(False)
    x = torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(1)).double()
    return model, x, at_layers(model, x, LAYERS[request.param])


def at_layers(
    model: nn.Module, x: Tensor, names: Sequence[str], target: int = TARGET
) -> dict[str, tuple[Tensor, Tensor]]:
    with record(model, names) as tape:
        model(x)
    gradients = tape.gradients(target)
    return {name: (tape.activations[name], gradients[name]) for name in names}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("place", [0, 1], ids=["earlier", "later"])
def test_maps_of_random_networks(recorded: Recorded, place: int, case: str) -> None:
    model, x, layers = recorded
    name, tensors = list(layers.items())[place]
    assert tensors[0].dtype == torch.float64
    compare(case, model, x, name, tensors, 1e-5)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The real SqueezeNet and two photographs, in float32."""
    with squeezenet(tmp_path_factory.mktemp("hub")) as network:
        pictures = [network.preprocessing(folder() / "pictures" / name) for name in ("catdog.jpg", "both.png")]
    x = torch.stack(pictures)
    return network.model.requires_grad_(False), x, at_layers(network.model, x, ("features.7", "features.12"), CHIHUAHUA)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("place", [0, 1], ids=["earlier", "later"])
def test_maps_of_the_real_squeezenet(real: Recorded, place: int, case: str) -> None:
    model, x, layers = real
    name, tensors = list(layers.items())[place]
    assert tensors[0].dtype == torch.float32
    compare(case, model, x, name, tensors, 1e-4, CHIHUAHUA)


def without_in_place(model: nn.Module) -> nn.Module:
    """captum's guided backpropagation needs it; ours is held against the network as it is."""
    changed = copy.deepcopy(model)
    for module in changed.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return changed


@pytest.fixture(scope="module", params=["resnet18", "vgg16"])
def with_relus(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    model = random_network(request.param, num_classes=10)
    assert any(isinstance(module, nn.ReLU) and module.inplace for module in model.modules())
    return model, torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU activations")
def test_guided_backpropagation(with_relus):
    model, x = with_relus
    expected = attr.GuidedBackprop(without_in_place(model)).attribute(x, TARGET)
    ours = guided_gradient(model, x, TARGET)
    assert ours.flatten(1).std(1).all()
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    with record(model, INPUT) as tape:
        model(x)
    plain = tape.gradients(TARGET)[INPUT]
    assert float((plain - expected).abs().max()) > 0.1 * float(expected.abs().max())


def test_gradients_at_the_picture(with_relus):
    model, x = with_relus
    with record(model, INPUT) as tape:
        model(x)
    gradients = tape.gradients(TARGET)[INPUT]
    expected = attr.Saliency(model).attribute(x, TARGET).amax(1)
    assert difference(saliency(x, gradients), expected) <= 1e-4
    expected = attr.InputXGradient(model).attribute(x, TARGET).sum(1)
    assert difference(gradient_times_input(x, gradients), expected) <= 1e-4
    assert difference(saliency(x, gradients), expected) > 0.1


@pytest.mark.parametrize("baseline", [0.0, "grey"])
def test_integrated_gradients(with_relus, baseline):
    model, x = with_relus
    start = torch.full_like(x[:1], 0.5) if baseline else torch.zeros_like(x[:1])
    peer = attr.IntegratedGradients(model)
    expected = peer.attribute(x, start, TARGET, n_steps=4, method="riemann_middle").sum(1)
    ours = integrated_gradients(model, x, TARGET, start if baseline else 0.0, steps=4, batch=7)
    assert difference(ours, expected) <= 1e-4
    assert difference(integrated_gradients(model, x, TARGET + 1, start, steps=4), expected) > 1e-2
