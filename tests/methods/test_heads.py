"""Heads of real networks: where CAM cannot go, and what holds there all the same."""

import pytest
import torch
import torchvision
from torch import Tensor, nn

from course_lib.methods.registry import explain


def network(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torchvision.models.get_model(name, num_classes=7).double().eval()


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0)).double()


def test_resnet_ends_as_cam_wants_it(x: Tensor) -> None:
    model = network("resnet18")
    maps = {name: explain(model, x, 3, name, "layer4").map for name in ("CAM", "Grad-CAM", "HiResCAM")}
    torch.testing.assert_close(maps["Grad-CAM"], maps["CAM"] / 6)
    torch.testing.assert_close(maps["HiResCAM"], maps["CAM"] / 6)


def test_convnext_has_a_norm_after_the_pooling(x: Tensor) -> None:
    """GAP -> LayerNorm -> linear: no CAM, yet the gradient is the same in each cell."""
    model = network("convnext_tiny")
    with pytest.raises(ValueError, match=r"CAM does not hold here: mean\(map\) \+ bias = .*, but the logit is"):
        explain(model, x, 3, "CAM", "features")
    grad_cam, hires_cam = (explain(model, x, 3, name, "features").map for name in ("Grad-CAM", "HiResCAM"))
    assert grad_cam.std() > 0
    torch.testing.assert_close(grad_cam, hires_cam)
    earlier = [explain(model, x, 3, name, "features.5").map for name in ("Grad-CAM", "HiResCAM")]
    assert not torch.allclose(*earlier)


def test_densenet_hides_a_relu_before_the_pooling(x: Tensor) -> None:
    """It is a function in the model's code, so no layer has its output: HiResCAM adds up there, Grad-CAM does not."""
    model = network("densenet121")
    with pytest.raises(ValueError, match=r"CAM does not hold here: mean\(map\) \+ bias = .*, but the logit is"):
        explain(model, x, 3, "CAM", "features")
    hires_cam, grad_cam = (explain(model, x, 3, name, "features") for name in ("HiResCAM", "Grad-CAM"))
    logit = hires_cam.logits[:, 3] - model.classifier.bias[3].detach()
    torch.testing.assert_close(hires_cam.map.sum((1, 2)), logit)
    assert not torch.allclose(grad_cam.map.sum((1, 2)), logit, rtol=1e-2)
