"""The same work done in several ways: by hand, by this library, and by its peers as their documentation calls them.

Peers are given their own objects beforehand where they allow it, so that only the explanation itself is timed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torchvision
from captum import attr
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam import methods as torchcam

from course_lib.methods.cam import grad_cam
from course_lib.methods.gradients import integrated_gradients, smooth_grad
from course_lib.methods.perturbation import occlusion, random_masks, rise
from course_lib.recording import record

TARGET = 3
LAYERS = {  # the stages of each network, from an early one to the last one
    "resnet18": ("layer1", "layer2", "layer3", "layer4"),
    "resnet50": ("layer1", "layer2", "layer3", "layer4"),
    "vgg16": ("features.4", "features.9", "features.16", "features.23", "features.30"),
    "squeezenet1_0": ("features.2", "features.6", "features.11", "features.12"),
    "mobilenet_v3_small": ("features.1", "features.3", "features.8", "features.12"),
    "densenet121": ("features.transition1", "features.transition2", "features.transition3", "features.denseblock4"),
    "convnext_tiny": ("features.1", "features.3", "features.5", "features.7"),
    "vit_b_16": tuple(f"encoder.layers.encoder_layer_{n}.ln_1" for n in (2, 5, 8, 11)),
}
Run = Callable[[Tensor], Any]
"""Explains a batch of pictures."""


@dataclass(frozen=True)
class Way:
    """One way to do the work: whose it is, how it is called, and a function that prepares it for a model."""

    name: str
    call: str
    prepare: Callable[..., Run]


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = torchvision.models.get_model(name, weights=None)
    for module in model.modules():
        if isinstance(module, nn.Linear) and not module.weight.any():  # the head of a ViT starts at 0
            nn.init.normal_(module.weight, std=0.02)
    return model.eval()


def on_grid(values: Tensor) -> Tensor:
    """The patch tokens of a transformer (B, 1 + h w, K) as (B, K, h, w); a convolution's output as it is."""
    if values.ndim == 4:
        return values
    side = int((values.shape[1] - 1) ** 0.5)
    return values[:, 1:].transpose(1, 2).unflatten(2, (side, side))


# ------------------------------------------------------------------------------------------------ Grad-CAM, one layer
def recorded_by_hand(model: nn.Module, layer: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """The forward pass, cut at the layer: nothing below it is differentiated. -> activation, logits."""
    kept: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        torch.set_grad_enabled(True)
        return kept[0]

    handle = model.get_submodule(layer).register_forward_hook(cut)
    try:
        with torch.no_grad():
            logits = model(x)
        return kept[0], logits
    finally:
        handle.remove()


def by_hand(model: nn.Module, layer: str) -> Run:
    for parameter in model.parameters():
        parameter.requires_grad_(False)

    def run(x: Tensor) -> Tensor:
        activation, logits = recorded_by_hand(model, layer, x)
        (gradient,) = torch.autograd.grad(logits[:, TARGET].sum(), activation)
        return (on_grid(activation.detach()) * on_grid(gradient).mean((2, 3), keepdim=True)).sum(1)

    return run


def ours(model: nn.Module, layer: str) -> Run:
    def run(x: Tensor) -> Tensor:
        with record(model, layer) as tape:
            model(x)
        return grad_cam(on_grid(tape.activations[layer]), on_grid(tape.gradients(TARGET)[layer]))

    return run


def captum(model: nn.Module, layer: str) -> Run:
    method = attr.LayerGradCam(model, model.get_submodule(layer))
    return lambda x: method.attribute(x, TARGET)


def torch_cam(model: nn.Module, layer: str) -> Run:
    extractor = torchcam.GradCAM(model, layer)
    return lambda x: extractor(TARGET, model(x))


def pytorch_grad_cam(model: nn.Module, layer: str) -> Run:
    method = GradCAM(model, [model.get_submodule(layer)], on_grid if layer.startswith("encoder") else None)
    return lambda x: method(x, [ClassifierOutputTarget(TARGET)] * len(x))


LIMIT = Way("the limit", "forward, detached at the layer; autograd.grad of the logit", by_hand)
GRAD_CAM = (
    LIMIT,
    Way("the limit again", "the same", by_hand),
    Way("this library", "with record(model, layer) as tape: model(x); grad_cam(A, tape.gradients(target))", ours),
    Way("captum", "LayerGradCam(model, layer).attribute(x, target)", captum),
    Way("torchcam", "GradCAM(model, layer)(target, model(x))", torch_cam),
    Way("pytorch-grad-cam", "GradCAM(model, [layer])(x, targets)", pytorch_grad_cam),
)


# -------------------------------------------------------------------------------------- all stages, or several classes
def all_by_earliest(model: nn.Module, layers: tuple[str, ...]) -> Run:
    return by_hand(model, layers[0])


def all_ours(model: nn.Module, layers: tuple[str, ...]) -> Run:
    def run(x: Tensor) -> list[Tensor]:
        with record(model, layers) as tape:
            model(x)
        gradients = tape.gradients(TARGET)
        return [grad_cam(on_grid(tape.activations[name]), on_grid(gradients[name])) for name in layers]

    return run


def one_by_one(prepare: Callable[[nn.Module, str], Run]) -> Callable[[nn.Module, tuple[str, ...]], Run]:
    def prepared(model: nn.Module, layers: tuple[str, ...]) -> Run:
        runs = [prepare(model, layer) for layer in layers]
        return lambda x: [run(x) for run in runs]

    return prepared


def all_torch_cam(model: nn.Module, layers: tuple[str, ...]) -> Run:
    extractor = torchcam.GradCAM(model, list(layers))
    return lambda x: extractor(TARGET, model(x))


STAGES = (
    Way("the limit", "the limit of the earliest stage", all_by_earliest),
    Way("the limit again", "the same", all_by_earliest),
    Way("this library", "with record(model, layers) as tape: model(x); tape.gradients(target)", all_ours),
    Way("captum", "LayerGradCam for each layer", one_by_one(captum)),
    Way("torchcam", "GradCAM(model, layers)(target, model(x))", all_torch_cam),
    Way("pytorch-grad-cam", "GradCAM(model, [layer]) for each layer (a list would average the maps)",
        one_by_one(pytorch_grad_cam)),
)  # fmt: skip
CLASSES = list(range(10))


def classes_by_hand(model: nn.Module, layer: str, batched: bool = False) -> Run:
    for parameter in model.parameters():
        parameter.requires_grad_(False)

    def run(x: Tensor) -> Tensor:
        activation, logits = recorded_by_hand(model, layer, x)
        scores = logits[:, CLASSES].sum(0)
        if batched:
            (gradients,) = torch.autograd.grad(scores, activation, torch.eye(len(scores)), is_grads_batched=True)
        else:
            passes = [torch.autograd.grad(score, activation, retain_graph=True)[0] for score in scores]
            gradients = torch.stack(passes)
        return (activation.detach() * gradients.mean((3, 4), keepdim=True)).sum(2)

    return run


def classes_ours(model: nn.Module, layer: str) -> Run:
    def run(x: Tensor) -> list[Tensor]:
        with record(model, layer) as tape:
            model(x)
        return [grad_cam(tape.activations[layer], one) for one in tape.gradients(CLASSES)[layer]]

    return run


def classes_captum(model: nn.Module, layer: str) -> Run:
    method = attr.LayerGradCam(model, model.get_submodule(layer))
    return lambda x: [method.attribute(x, target) for target in CLASSES]


def classes_torch_cam(model: nn.Module, layer: str) -> Run:
    extractor = torchcam.GradCAM(model, layer)

    def run(x: Tensor) -> list[Any]:
        logits = model(x)
        return [extractor(target, logits, retain_graph=True) for target in CLASSES]

    return run


def classes_pytorch_grad_cam(model: nn.Module, layer: str) -> Run:
    method = GradCAM(model, [model.get_submodule(layer)])
    return lambda x: [method(x, [ClassifierOutputTarget(target)] * len(x)) for target in CLASSES]


SEVERAL = (
    Way("the limit", "one forward pass, a backward pass for each class", classes_by_hand),
    Way("the limit again", "the same", classes_by_hand),
    Way("batched", "one backward pass with is_grads_batched", lambda *given: classes_by_hand(*given, batched=True)),
    Way("this library", "tape.gradients(list of classes)", classes_ours),
    Way("captum", "LayerGradCam for each class", classes_captum),
    Way("torchcam", "GradCAM(...)(target, logits, retain_graph=True) for each class", classes_torch_cam),
    Way("pytorch-grad-cam", "GradCAM(model, [layer])(x, targets) for each class", classes_pytorch_grad_cam),
)

# -------------------------------------------------------------------------------------------- passes of their own
BATCH, PATCH, STRIDE, STEPS, SAMPLES, MASKS = 16, 32, 16, 32, 32, 128


def rise_by_hand(model: nn.Module) -> Run:
    def run(x: Tensor) -> Tensor:
        total = torch.zeros_like(x[0, 0])
        with torch.no_grad():
            for masks in random_masks(x, MASKS, 7, 0.5, 0, BATCH):
                total += (model(masks[:, None] * x)[:, TARGET, None, None] * masks).sum(0)
        return total / MASKS

    return run


def of_captum(make: Callable[[nn.Module], Any], **given: Any) -> Callable[[nn.Module], Run]:
    def prepared(model: nn.Module) -> Run:
        for parameter in model.parameters():
            parameter.requires_grad_(False)  # the gradient of the pictures is all that is wanted
        method = make(model)
        return lambda x: method.attribute(x, target=TARGET, **given)

    return prepared


PASSES: dict[str, tuple[Way, Way]] = {
    "occlusion": (
        Way("captum", f"Occlusion(model).attribute(..., perturbations_per_eval={BATCH})", of_captum(
            attr.Occlusion, sliding_window_shapes=(3, PATCH, PATCH), strides=(3, STRIDE, STRIDE), baselines=0.5,
            perturbations_per_eval=BATCH)),
        Way("this library", f"occlusion(model, x, target, {PATCH}, {STRIDE}, batch={BATCH})", lambda model:
            lambda x: occlusion(model, x, TARGET, PATCH, STRIDE, 0.5, BATCH)),
    ),
    "integrated gradients": (
        Way("captum", f"IntegratedGradients(model).attribute(..., internal_batch_size={BATCH})", of_captum(
            attr.IntegratedGradients, n_steps=STEPS, method="riemann_middle", internal_batch_size=BATCH)),
        Way("this library", f"integrated_gradients(model, x, target, steps={STEPS}, batch={BATCH})", lambda model:
            lambda x: integrated_gradients(model, x, TARGET, 0.0, STEPS, BATCH)),
    ),
    "SmoothGrad": (
        Way("captum", f"NoiseTunnel(Saliency(model)).attribute(..., nt_samples_batch_size={BATCH})", of_captum(
            lambda model: attr.NoiseTunnel(attr.Saliency(model)), nt_samples=SAMPLES, stdevs=0.15, abs=False,
            nt_samples_batch_size=BATCH)),
        Way("this library", f"smooth_grad(model, x, target, samples={SAMPLES}, batch={BATCH})", lambda model:
            lambda x: smooth_grad(model, x, TARGET, 0.15, SAMPLES, 0, BATCH)),
    ),
    "RISE": (
        Way("by hand", "a loop over batches of the same masks", rise_by_hand),
        Way("this library", f"rise(model, x, target, masks={MASKS}, batch={BATCH})", lambda model:
            lambda x: rise(model, x, TARGET, MASKS, batch=BATCH)),
    ),
}  # fmt: skip
