"""Recording: what a network computed at chosen layers, and the gradient of any score with respect to it.

Recording is separate from explaining: a method gets tensors and returns a map, and never touches a model.
"""

import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from course_lib.recordable import MADE_UNDER_INFERENCE, check_model, find_module

INPUT = "input"
"""The name under which the pictures themselves are recorded."""

Score = int | Sequence[int] | Tensor | Callable[[Any], Tensor]


@dataclass
class Tape:
    """What `record` wrote down: activations by layer name, and the model's output.

    `activations[name]` is what the layer gave out, (B, K, h, w) for a convolution, detached; `output` is what the
    model returned.
    """

    activations: dict[str, Tensor] = field(default_factory=dict)
    output: Any = None
    _points: dict[str, Tensor] = field(default_factory=dict, repr=False)
    _versions: dict[str, int] = field(default_factory=dict, repr=False)
    _names: tuple[str, ...] = field(default=(), repr=False)
    _state: Literal["empty", "running", "filled", "released"] = field(default="empty", repr=False)

    def gradients(self, score: Score, release: bool = False) -> dict[str, Tensor]:
        """The gradient of a score with respect to every recorded layer, by one backward pass.

        g = ∂score/∂A, in logits per unit of activation where the score is a logit. For several scores the passes run
        together as long as the layers are small, since then it's the starting of a pass that takes the time.

        Args:
            score: a class (the sum of its logits over the pictures, so each picture gets the gradient of its own
                logit); a list of classes; an integer tensor with one class for each picture; a function of the
                model's output; or the score itself, a tensor of shape () or (S,)
            release: whether this is the last call: what the backward pass has used is then given back on its way
                (for one score), which at an early layer spares a third of the memory

        Returns:
            {layer: (B, K, h, w)}, and {layer: (S, B, K, h, w)} for a list of classes or S scores

        Raises:
            ValueError: if the model wasn't called, a class is out of range, the score isn't a scalar or doesn't
                depend on a layer, or what the gradient needs was overwritten
            TypeError: if the score is none of the above

        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 3, bias=False))
        >>> with record(model, "0") as tape:
        ...     logits = model(torch.ones(1, 1, 1, 2))
        >>> tape.gradients(2)["0"].equal(model[1].weight[2:3].detach())
        True
        """
        if self._state != "filled":
            raise ValueError(
                "The tape was released by an earlier call of gradients: leave out `release` there."
                if self._state == "released"
                else "Nothing is recorded yet: call the model inside `with record(model, layers) as tape:`."
            )
        missing = [name for name in self._names if name not in self._points]
        if missing:
            raise ValueError(f"The forward pass did not reach {_quoted(missing)}, so there is no gradient there.")
        for name, point in self._points.items():
            if point._version != self._versions[name]:
                raise ValueError(
                    f"The activation of {name!r} was overwritten in place after it was recorded; if the model did it, "
                    "choose the layer that overwrites it."
                )
        with torch.inference_mode(False), torch.enable_grad():
            scores = _scores(score, self.output)
            if not scores.requires_grad:
                raise ValueError(_independent(list(self._points)))
            if release:
                self._state = "released"
            with _mistakes_said():
                found = _derivatives(scores, list(self._points.values()), not release)
        unused = [name for name, gradient in zip(self._points, found, strict=True) if gradient is None]
        if unused:
            raise ValueError(_independent(unused))
        return {name: gradient for name, gradient in zip(self._points, found, strict=True) if gradient is not None}


TOGETHER = 2**20
"""As many numbers of gradients, 4 MiB, are computed in one backward pass of several scores."""


def _derivatives(scores: Tensor, points: list[Tensor], keep: bool) -> Sequence[Tensor | None]:
    """The derivative of a score () at each point, or of several (S,) with S in front; None where there is none."""
    if not scores.ndim:
        return torch.autograd.grad(scores, points, retain_graph=keep, allow_unused=True)
    parts: list[Sequence[Tensor | None]] = []
    for some in scores.split(max(1, TOGETHER // sum(point.numel() for point in points))):
        try:
            one_each = torch.eye(len(some), dtype=some.dtype, device=some.device)
            parts.append(
                torch.autograd.grad(some, points, one_each, retain_graph=True, allow_unused=True, is_grads_batched=True)
            )
        except RuntimeError:  # a backward pass that isn't written for batches of gradients
            passes = [torch.autograd.grad(one, points, retain_graph=True, allow_unused=True) for one in some]
            parts.append([None if column[0] is None else torch.stack(column) for column in zip(*passes, strict=True)])
    return [None if column[0] is None else torch.cat(column) for column in zip(*parts, strict=True)]


def _independent(names: list[str]) -> str:
    return (
        f"The score does not depend on {_quoted(names)}, so its gradient there says nothing: the layer lies "
        "beside or after the path to the score (choose an earlier one), or the score was computed without gradients "
        "(compute it inside the `with`, and take no_grad and detach out of the model's forward)."
    )


@contextmanager
def _mistakes_said() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if "Inference tensors" in str(error):
            raise ValueError(MADE_UNDER_INFERENCE) from error
        if "inplace" not in str(error) and "in-place" not in str(error):
            raise
        raise ValueError(
            "The model overwrites in place what its own backward pass needs, so there is no gradient: in its code, "
            "write y = 2 * y for y *= 2, and inplace=False."
        ) from error


def eagerly() -> AbstractContextManager[None]:
    """Where a part of a model is a compiled function, run what it was made from: only that meets the hooks."""
    stance = getattr(torch.compiler, "set_stance", None) if "torch._dynamo" in sys.modules else None
    return stance("force_eager") if stance else nullcontext()


def _scores(score: Score, output: Any) -> Tensor:
    if callable(score) and not isinstance(score, Tensor):
        score = score(output)
        if not isinstance(score, Tensor):
            raise TypeError(f"The score function returned a {type(score).__name__}, not a tensor.")
    if isinstance(score, Tensor) and score.is_floating_point():
        if score.ndim > 1:
            raise ValueError(
                f"A score is a scalar, or (S,) for several; this one is {tuple(score.shape)}. "
                "Sum it over the pictures: each picture still gets its own gradient."
            )
        return score
    if isinstance(score, Tensor) and score.ndim:  # a class for each picture
        logits = check_logits(output)
        if score.shape != logits.shape[:1]:
            raise ValueError(f"{tuple(score.shape)} target classes don't fit {len(logits)} pictures: one for each.")
        return logits[torch.arange(len(logits)), [check_target(c, logits) for c in score.tolist()]].sum()
    if isinstance(score, Sequence) and not isinstance(score, str):
        if not score:
            raise ValueError("Name at least one target class.")
        return check_logits(output)[:, [check_target(c, output) for c in score]].sum(0)
    return check_logits(output)[:, check_target(score, output)].sum()


def check_logits(output: Any) -> Tensor:
    """What the model returned, if it is logits (B, classes), in which a class number names a score.

    Raises:
        ValueError: if it isn't

    >>> check_logits({"out": torch.zeros(1, 3)})
    Traceback (most recent call last):
    ValueError: The model returned a dict, not logits (pictures, classes), so a class number doesn't name a score: \
record it, and give tape.gradients a function of the output, such as `lambda output: output[...].sum()`.
    """
    if isinstance(output, Tensor) and output.ndim == 2:
        return output
    what = f"a tensor {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
    raise ValueError(
        f"The model returned {what}, not logits (pictures, classes), so a class number doesn't name a score: record "
        "it, and give tape.gradients a function of the output, such as `lambda output: output[...].sum()`."
    )


def check_target(target: Any, output: Any) -> int:
    """The target class as an index into the logits (B, classes); a sentence where it can't be one.

    Raises:
        TypeError: if it isn't a whole number
        ValueError: if the network has no such class, or gives no logits

    >>> check_target(2, torch.zeros(1, 3))
    2
    """
    classes = check_logits(output).shape[1]
    try:
        if isinstance(target, bool):
            raise TypeError
        index = operator.index(target)
    except TypeError:
        raise TypeError(f"A target class is a whole number, the place of its logit, not {target!r}.") from None
    if not 0 <= index < classes:
        raise ValueError(f"There is no class {index}: the model gives {classes} logits, 0 to {classes - 1}.")
    return index


def copies_per_pass(pictures: Tensor, batch: int) -> int:
    """How many copies of the pictures fit into a pass of `batch` pictures of 224 x 224 or less, fewer of larger ones.

    >>> copies_per_pass(torch.zeros(2, 3, 64, 64), 32), copies_per_pass(torch.zeros(1, 3, 448, 448), 32)
    (16, 8)
    """
    most = 224**2
    return max(1, batch * most // max(most, pictures.shape[-2] * pictures.shape[-1]) // len(pictures))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _cut(value: Any) -> Any:
    """A picture that requires a gradient or was made in inference mode, without its past."""
    if not isinstance(value, Tensor):
        return value
    if value.is_inference():
        return value.clone()
    return value.detach() if value.is_leaf and value.requires_grad else value


def _require_gradients(parameters: Iterable[nn.Parameter], wanted: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad = wanted


@contextmanager
def record(model: nn.Module, layers: str | nn.Module | Sequence[str | nn.Module]) -> Iterator[Tape]:
    """Record the activations of layers, and let the tape differentiate any score with respect to them.

    One forward and one backward pass serve all layers. Only what lies above the earliest of them is differentiated,
    no parameter gets a gradient, and the model is left exactly as it was, also when something raises.
    An activation is what the layer gave out at that moment: a ReLU that works in place afterwards doesn't change it.

    Args:
        model: any `nn.Module`, in eval mode
        layers: one or several: a dotted name, a module, "input" for the pictures, or "relu:2" for the second call
            of a layer that runs several times in a forward pass

    Yields:
        the `Tape`, filled by calling the model inside the `with`; the last call counts

    Raises:
        LookupError: for a layer that the model doesn't have (with the nearest names)
        ValueError: for a model in train mode, a layer that runs several times (name the call), or one that doesn't
            give out a tensor of floating-point numbers
        TypeError: if the model isn't an `nn.Module`

    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> with record(model, ["0", "1"]) as tape:
    ...     logits = model(torch.ones(2, 3, 8, 8))
    >>> tape.activations["0"].shape
    torch.Size([2, 4, 6, 6])
    >>> tape.gradients(3)["1"].sum(dim=(0, 2, 3))  # the mean of channel 3, for both pictures
    tensor([0., 0., 0., 2.])
    """
    parameters = check_model(model)
    wanted = [layers] if isinstance(layers, str | nn.Module) or not isinstance(layers, Iterable) else list(layers)
    if not wanted:
        raise ValueError("Name at least one layer to record.")
    finds = (find_module(model, one) for one in wanted if one != INPUT)
    found = {name: (module, call) for name, module, call in finds}
    tape = Tape(_names=(*([INPUT] if INPUT in wanted else []), *found))
    calls: dict[str, int] = {}

    def note(name: str, value: Any) -> Tensor:
        """Write a value down and hand the model a copy, so that nothing in place can reach the recorded one."""
        if not isinstance(value, Tensor) or not value.is_floating_point():
            what = f"numbers of {value.dtype}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise ValueError(
                f"Layer {name!r} gives out {what}, not a tensor of floating-point numbers, so it has no gradient; "
                "choose a layer inside or before it."
            )
        if torch.is_inference_mode_enabled():
            raise ValueError("torch.inference_mode keeps no gradient: call the model outside of it (its forward, too).")
        # The earliest layer becomes a leaf, and what follows is differentiated, also under a no_grad of the model's.
        point = value if value.requires_grad else value.detach().clone().requires_grad_()
        torch.set_grad_enabled(True)
        tape.activations[name], tape._points[name], tape._versions[name] = point.detach(), point, point._version
        return point.clone()

    def before(module: nn.Module, args: tuple[Any, ...]) -> Any:
        torch.set_grad_enabled(True)
        for store in (calls, tape.activations, tape._points, tape._versions):
            store.clear()
        tape.output, tape._state = None, "running"
        args = tuple(map(_cut, args))
        if INPUT in wanted:
            if not args or not isinstance(args[0], Tensor):
                raise ValueError('To record "input", call the model with the pictures as its first argument.')
            args = (note(INPUT, args[0]), *args[1:])
        return args

    def after(name: str, call: int | None) -> Callable[..., Any]:
        def hook(module: nn.Module, args: Any, output: Any) -> Any:
            if tape._state != "running":  # called by itself, or once more by checkpointing
                return output
            calls[name] = calls.get(name, 0) + 1
            if call is None and calls[name] > 1:
                raise ValueError(
                    f"Layer {name!r} runs several times in one forward pass: say which call, {name + ':1'!r}, "
                    f"{name + ':2'!r} ..."
                )
            return note(name, output) if call in (None, calls[name]) else output

        return hook

    def end(module: nn.Module, args: Any, output: Any) -> None:
        tape.output, tape._state = output, "filled"

    with ExitStack() as undo:
        undo.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        for mode in (torch.inference_mode(False), eagerly(), _mistakes_said()):
            undo.enter_context(mode)
        # cuDNN differentiates recurrent layers in train mode only
        if torch.cuda.is_initialized() and any(isinstance(module, nn.RNNBase) for module in model.modules()):
            undo.enter_context(torch.backends.cudnn.flags(enabled=False))
        frozen = [parameter for parameter in parameters if parameter.requires_grad]
        undo.callback(_require_gradients, frozen, True)
        _require_gradients(frozen, False)
        undo.callback(model.register_forward_pre_hook(before).remove)
        for name, (module, call) in found.items():
            undo.callback(module.register_forward_hook(after(name, call)).remove)
        undo.callback(model.register_forward_hook(end).remove)
        torch.set_grad_enabled(True)
        yield tape
