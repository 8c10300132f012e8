"""Recording: what a network computed at chosen layers, and the gradient of any score with respect to it.

Recording is separate from explaining: a method gets tensors and returns a map, and never touches a model.
"""

import difflib
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

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
    _state: Literal["empty", "running", "filled"] = field(default="empty", repr=False)

    def gradients(self, score: Score) -> dict[str, Tensor]:
        """The gradient of a score with respect to every recorded layer, by one backward pass.

        g = ∂score/∂A, in logits per unit of activation where the score is a logit.

        Args:
            score: a class (the sum of its logits over the pictures, so each picture gets the gradient of its own
                logit); a list of classes; an integer tensor with one class for each picture; a function of the
                model's output; or the score itself, a tensor of shape () or (S,)

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
            raise ValueError("Nothing is recorded yet: call the model inside `with record(model, layers) as tape:`.")
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
            points = list(self._points.values())
            with _in_place_said():
                passes = [
                    torch.autograd.grad(one, points, retain_graph=True, allow_unused=True) for one in scores.reshape(-1)
                ]
        unused = [name for name, gradient in zip(self._points, passes[0], strict=True) if gradient is None]
        if unused:
            raise ValueError(_independent(unused))
        columns = (torch.stack(column) if scores.ndim else column[0] for column in zip(*passes, strict=True))
        return dict(zip(self._points, columns, strict=True))


def _independent(names: list[str]) -> str:
    return (
        f"The score does not depend on {_quoted(names)}, so its gradient there says nothing: the layer lies "
        "beside or after the path to the score (choose an earlier one), or the score was computed without gradients "
        "(compute it inside the `with`, and take no_grad and detach out of the model's forward)."
    )


@contextmanager
def _in_place_said() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
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


def find_module(model: nn.Module, wanted: str | nn.Module) -> tuple[str, nn.Module, int | None]:
    """The layer's name as the tape's key, its module, and which of its calls is meant (None: it has only one)."""
    if isinstance(wanted, str) and (at_once := _descend(model, wanted)) is not None:
        return wanted, at_once, None
    modules = dict(model.named_modules(remove_duplicate=False))
    if isinstance(wanted, nn.Module):
        for name, module in modules.items():
            if module is wanted:
                return name, module, None
        raise LookupError(f"The layer {type(wanted).__name__} is not part of this {type(model).__name__}.")
    if not isinstance(wanted, str):
        raise TypeError(f"A layer is a dotted name or a module of the model, not {wanted!r}.")
    name, colon, call = wanted.rpartition(":")
    if colon and call.isdigit() and int(call) > 0 and name in modules:
        return wanted, modules[name], int(call)
    near = difflib.get_close_matches(wanted, list(modules), 3, 0.4)
    hint = f"nearest: {_quoted(near)}" if near else "layers(model, picture) lists them"
    raise LookupError(f"There is no layer {wanted!r} in this {type(model).__name__} ({hint}).")


def _descend(model: nn.Module, name: str) -> nn.Module | None:
    module: nn.Module | None = model
    for part in name.split(".") if name else []:
        module = None if module is None else module._modules.get(part)
    return module


def check_model(model: nn.Module) -> list[nn.Module]:
    """All modules of a model, or why it can't be recorded: TypeError if it isn't an `nn.Module`, else ValueError."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"A model is a torch.nn.Module, not a {type(model).__name__}.")
    modules = []
    for name, module in model.named_modules():  # once, and no attribute that isn't there: this runs at each recording
        modules.append(module)
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if nn.parameter.is_lazy(tensor):
                raise ValueError("The model has lazy layers without numbers yet: call it once with a picture.")
            if tensor is not None and tensor.is_inference():
                raise ValueError("The model was made under inference_mode, so it has no gradient: make it outside.")
        kind, at, made = type(module).__name__, f" ({name!r})" if name else "", None
        if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            instead = f"put model.{name}.module in the place of model.{name}" if name else "pass model.module"
            raise ValueError(f"{kind} runs copies of the model that can't be recorded: {instead}.")
        if isinstance(module, torch.jit.ScriptModule):
            made = f"A scripted or traced model can't be recorded{at}: pass the model it was made from."
        elif "range_constraints" in vars(module):
            made = f"An exported model has no layers to record{at}: pass the model it was exported from."
        elif ".quantized." in type(module).__module__ and kind != "FloatFunctional":
            made = f"A quantized model has no gradient{at}: pass the model it was made from."
        elif ("_orig_mod" in module._modules or getattr(module, "_compiled_call_impl", None)
              or hasattr(module.forward, "_torchdynamo_orig_callable")):  # fmt: skip
            made = f"A compiled model skips what records it{at}: pass the model it was compiled from."
        if made:
            raise ValueError(made)
        if module.training and (
            any(buffer is not None for buffer in module._buffers.values()) or getattr(module, "dropout", False)
            or isinstance(module, nn.modules.dropout._DropoutNd | nn.RReLU) or "Stochastic" in kind
        ):  # fmt: skip
            raise ValueError(
                f"The model is in train mode: {name!r} ({kind}) would change it or act at random. "
                "Call model.eval() first."
            )
    return modules


def _cut(value: Any) -> Any:
    """A picture that requires a gradient or was made in inference mode, without its past."""
    if not isinstance(value, Tensor):
        return value
    if value.is_inference():
        return value.clone()
    return value.detach() if value.is_leaf and value.requires_grad else value


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
    modules = check_model(model)
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

    frozen: list[nn.Parameter] = []
    with ExitStack() as undo:
        undo.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        for mode in (torch.inference_mode(False), eagerly(), _in_place_said()):
            undo.enter_context(mode)
        # cuDNN differentiates recurrent layers in train mode only
        if any(isinstance(module, nn.RNNBase) for module in modules):
            undo.enter_context(torch.backends.cudnn.flags(enabled=False))
        undo.callback(lambda: [parameter.requires_grad_(True) for parameter in frozen])
        for parameter in (one for module in modules for one in module._parameters.values()):
            if parameter is not None and parameter.requires_grad:
                frozen.append(parameter)
                parameter.requires_grad = False
        undo.callback(model.register_forward_pre_hook(before).remove)
        for name, (module, call) in found.items():
            undo.callback(module.register_forward_hook(after(name, call)).remove)
        undo.callback(model.register_forward_hook(end).remove)
        torch.set_grad_enabled(True)
        yield tape
