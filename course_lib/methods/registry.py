"""The registry of methods, and the one way in which a method meets a model."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from course_lib.layers import Layer, layers
from course_lib.preprocessing import check_pictures
from course_lib.recordable import check_model, find_module
from course_lib.recording import INPUT, Tape, check_target, record

Kind = Literal["layer", "input", "head", "model"]
F = TypeVar("F", bound=Callable[..., Tensor])


@dataclass(frozen=True)
class Method:
    """A registered method.

    Attributes:
        name: as pickers and tables print it
        function: of kind "layer": (activations, gradients) on a layer's grid -> map; "input": (pixels, gradients) of
            the picture -> map; "head": (activations, the target class's weights) -> map, for a network that ends
            GAP -> linear; "model": (model, pictures, target class) -> map, with passes of its own
        signed: whether values below 0 mean evidence against the class
        units: of the raw map
        source: authors and year
    """

    name: str
    function: Callable[..., Tensor]
    kind: Kind
    signed: bool
    units: str
    source: str


METHODS: dict[str, Method] = {}
"""Every method by name, in the order of registration: picker, scoreboard and lessons read it."""


def register(name: str, *, kind: Kind = "layer", signed: bool = True, units: str, source: str) -> Callable[[F], F]:
    """Put a method into `METHODS`: all it takes to appear in the picker and in every comparison.

    Raises:
        ValueError: if another method has the name
    """

    def add(function: F) -> F:
        if name in METHODS and METHODS[name].function.__qualname__ != function.__qualname__:
            raise ValueError(f"Two methods are called {name!r}.")
        METHODS[name] = Method(name, function, kind, signed, units, source)
        return function

    return add


@dataclass(frozen=True)
class Explanation:
    """A map and what it is a map of.

    Attributes:
        map: (B, h, w), raw, in the method's units: on the layer's grid, or the picture's own for pixel methods
        method: how it was made
        layer: where, or None for the pictures themselves
        target: the class that is explained
        logits: (B, classes)
        words: what a reader must know to read it (no gradient, all zero ...), or ""
    """

    map: Tensor
    method: Method
    layer: Layer | None
    target: int
    logits: Tensor
    words: str = ""


def explain(
    model: nn.Module,
    pictures: Tensor,
    target: int,
    method: str = "Grad-CAM",
    layer: str | nn.Module | None = None,
    **options: Any,
) -> Explanation:
    """Explain one class by one registered method, from pictures to the raw map.

    Args:
        model: in eval mode, giving logits (B, classes)
        pictures: (B, 3, H, W), as the model takes them
        target: the class's place among the logits
        method: a name in `METHODS`
        layer: its dotted name, or the module; without it, the last layer with a grid
        options: what a method of kind "model" takes besides (steps, baseline, batch ...)

    Raises:
        LookupError: for an unknown method or layer (with the nearest names)
        ValueError: for pictures of a wrong shape or range, a layer without a grid, CAM on a head that isn't GAP + one
            linear layer, a score that does not depend on the layer, no logits, NaN or infinity on the way
        TypeError: for a target that isn't an index, or pictures of another dtype or device than the model

    >>> model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 5))
    >>> explain(model, torch.ones(1, 3, 8, 8), target=4).map.shape
    torch.Size([1, 6, 6])
    """
    chosen = find_method(method)
    check_model(model)
    pictures = _fitting(model, check_pictures(pictures))
    place, gradients = None, None
    if chosen.kind == "model":
        with torch.no_grad():
            logits = model(pictures)
        target = check_target(target, logits)
        raw = chosen.function(model, pictures, target, **options)
    else:
        if chosen.kind != "input":
            place = find_layer(layers(model, pictures[:1]), find_module(model, layer)[0] if layer else None)
        name = place.name if place else INPUT
        with record(model, name) as tape:
            logits = model(pictures)
        target = check_target(target, logits)
        gradients = tape.gradients(target, release=True)[name] if chosen.kind != "head" else None
        raw = map_from(chosen, model, tape, place, target, gradients)
    if not (_finite(raw) and _finite(logits[:, target])):
        raise ValueError(
            f"The map of {chosen.name} or the logit holds NaN or infinity, so there is nothing to explain."
        )
    return Explanation(raw, chosen, place, target, logits.detach(), words_for(gradients, place, raw))


def _fitting(model: nn.Module, pictures: Tensor) -> Tensor:
    """The pictures, if they have the dtype and device of one of the model's parameters."""
    fitting = {(p.dtype, p.device) for p in model.parameters() if p.is_floating_point()}
    if fitting and (pictures.dtype, pictures.device) not in fitting:
        dtype, device = fitting.pop()
        raise TypeError(
            f"The pictures are {pictures.dtype} on {pictures.device}, but the model computes with {dtype} on {device}: "
            f'try pictures.to("{device}", {dtype}).'
        )
    return pictures


def map_from(
    method: Method, model: nn.Module, tape: Tape, layer: Layer | None, target: int, gradients: Tensor | None
) -> Tensor:
    """The raw map (B, h, w) of a method of kind "layer", "input" or "head" from one recording.

    `layer` is None for the pictures; `gradients` are those of the tape at the layer (unused for "head").

    Raises:
        ValueError: as `explain`
    """
    name = layer.name if layer else INPUT
    activations = tape.activations[name]
    if not _finite(activations):
        raise ValueError(
            f"The activations of {name!r} hold NaN or infinity: look at the picture first, then the layers."
        )
    if method.kind == "head":
        head = find_head(model, tape.output.shape[1])
        return through_head(method, head, _grid(layer, activations), tape.output.detach(), target)
    assert gradients is not None
    if not _finite(gradients):
        raise ValueError(f"The gradient at {name!r} holds NaN or infinity.")
    return method.function(_grid(layer, activations), _grid(layer, gradients))


def _finite(values: Tensor) -> bool:
    """Whether no number is NaN or infinite: the extremes would be, too (seven times as fast as `isfinite`)."""
    return all(extreme.isfinite() for extreme in values.aminmax())


def _grid(layer: Layer | None, values: Tensor) -> Tensor:
    return layer.to_grid(values) if layer else values


def find_head(model: nn.Module, classes: int) -> nn.Linear | nn.Conv2d:
    """The last linear layer (also as a convolution of one cell) with a row for each class.

    Raises:
        ValueError: if there is none
    """
    for module in reversed(list(model.modules())):
        if isinstance(module, nn.Linear | nn.Conv2d) and module.weight.shape[0] == classes:
            if isinstance(module, nn.Linear) or module.kernel_size == (1, 1):
                return module
    raise ValueError("CAM needs a last linear layer with a row for each class, and this model has none. Try Grad-CAM.")


def through_head(
    method: Method, head: nn.Linear | nn.Conv2d, activations: Tensor, logits: Tensor, target: int
) -> Tensor:
    """CAM's weights are those of the last linear layer, and its claim is checked: mean(map) + bias is the logit."""
    weight = head.weight.detach().flatten(1)[target]
    if len(weight) != activations.shape[-3]:
        raise ValueError(
            f"CAM needs one weight for each channel, but the linear layer reads {len(weight)} numbers and this layer "
            f"has {activations.shape[-3]} channels: it isn't what the pooling before the linear layer sees. "
            "Try Grad-CAM."
        )
    raw = method.function(activations, weight)
    bias = head.bias.detach()[target] if head.bias is not None else torch.zeros((), dtype=raw.dtype)
    claimed, logit = (raw.mean((-2, -1)) + bias).double(), logits[:, target].double()
    tolerance = max(1e-3, *(8 * torch.finfo(values.dtype).eps for values in (raw, logits)))  # autocast mixes them
    if not torch.allclose(claimed, logit, rtol=tolerance, atol=tolerance * float(logits.abs().max())):
        worst = int((claimed - logit).abs().argmax())
        raise ValueError(
            f"CAM does not hold here: mean(map) + bias = {float(claimed[worst]):.4g}, but the logit is "
            f"{float(logit[worst]):.4g}. Between this layer and the logit there is more than GAP and one linear layer. "
            "Try Grad-CAM."
        )
    return raw


def words_for(gradients: Tensor | None, layer: Layer | None, raw: Tensor | None = None) -> str:
    """What must be said of a gradient, or else of a map, that is 0 everywhere on the grid; "" where neither is."""
    blank = [] if gradients is None else _blank(_grid(layer, gradients))
    if gradients is not None and blank and layer and layer.layout == "BTK" and gradients[blank].any():
        words = (
            f"The gradient at every patch token of {layer.name} is exactly 0: after it the head reads only the first "
            "token. Choose a layer before the last attention."
        )
    elif blank:
        words = (
            "The gradient is exactly 0 everywhere, so the map is 0 too: a small change here leaves the score as it is. "
            "Behind a ReLU that gives 0 (a logit of 0, say) nothing can be explained this way."
        )
    elif raw is not None and (blank := _blank(raw)):
        words = (
            "The map is exactly 0 everywhere: what this method multiplies is 0, or what speaks for and against the "
            "class cancels out in each cell."
        )
    all_pictures = next((len(values) for values in (gradients, raw) if values is not None), 0)
    which = "" if len(blank) == all_pictures else ", ".join(f"pictures[{place}]" for place in blank) + ": "
    return which + words if blank else ""


def _blank(values: Tensor) -> list[int]:
    """The places in the batch where everything is 0."""
    places: list[int] = (~values.flatten(1).any(1)).nonzero().flatten().tolist()
    return places


def find_method(name: str) -> Method:
    """The registered method, or LookupError with the nearest names."""
    if name in METHODS:
        return METHODS[name]
    near = difflib.get_close_matches(name, METHODS, 3, 0.4) or METHODS
    raise LookupError(f"There is no method {name!r}; there are {', '.join(near)}.")


def find_layer(listed: Sequence[Layer], name: str | None) -> Layer:
    """The layer of that name; without a name the last one with a grid. LookupError names the nearest."""
    if name is None:
        with_grid = [layer for layer in listed if layer.grid]
        if not with_grid:
            raise ValueError("No layer of this model has a grid of places, so no map can be drawn.")
        return with_grid[-1]
    for layer in listed:
        if name == layer.name:
            return layer
    near = difflib.get_close_matches(name, [layer.name for layer in listed], 3, 0.4)
    hint = f"; nearest: {', '.join(near)}." if near else "; layers(model, picture) lists those that can."
    raise LookupError(f"There is no layer {name!r} that can be explained{hint}")
