"""Whether a model can be recorded, and which of its modules a name means."""

import difflib
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

MADE_UNDER_INFERENCE = "The model was made under inference_mode, so it has no gradient: make it outside."
COMPILED = "A compiled model skips what records it{at}: pass the model it was compiled from."


def check_model(model: nn.Module) -> list[nn.Parameter]:
    """All parameters of a model, or why it can't be recorded: TypeError if it isn't an `nn.Module`, else ValueError.

    >>> check_model(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    Traceback (most recent call last):
    ValueError: The model is in train mode: '1' (BatchNorm2d) would change it or act at random. Call model.eval() first.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"A model is a torch.nn.Module, not a {type(model).__name__}.")
    # Once through all modules: it runs at each recording, beside passes of a few milliseconds, and model.modules() and
    # model.parameters() would each take longer than all of it.
    modules: list[nn.Module] = [model]
    met: set[nn.Module] = {model}
    parameters: list[nn.Parameter] = []
    for module in modules:
        kind: type = type(module)
        own, why = module.__dict__, _refused_class(kind)
        if why or "forward" in own or "_compiled_call_impl" in own or "range_constraints" in own:
            _refuse(model, module, why or _refused_instance(own))
        if module.training and _changes_in_train_mode(module):
            raise ValueError(
                f"The model is in train mode: {_name_in(model, module)!r} ({type(module).__name__}) would change it or "
                "act at random. Call model.eval() first."
            )
        for parameter in module._parameters.values():
            if parameter is not None:
                parameters.append(parameter)
        for part in module._modules.values():
            if part is not None and part not in met:
                met.add(part)
                modules.append(part)
    if any(map(Tensor.is_inference, parameters)):
        raise ValueError(MADE_UNDER_INFERENCE)
    return parameters


@lru_cache(1024)
def _refused_class(kind: type) -> str:
    """Why no module of a class can be recorded, or ""."""
    if issubclass(kind, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return "{kind} runs copies of the model that can't be recorded: {instead}."
    if issubclass(kind, torch.jit.ScriptModule):
        return "A scripted or traced model can't be recorded{at}: pass the model it was made from."
    if issubclass(kind, nn.modules.lazy.LazyModuleMixin):
        return "The model has lazy layers without numbers yet: call it once with a picture."
    if ".quantized." in kind.__module__ and kind.__name__ != "FloatFunctional":
        return "A quantized model has no gradient{at}: pass the model it was made from."
    return COMPILED if hasattr(getattr(kind, "forward", None), "_torchdynamo_orig_callable") else ""


def _refused_instance(own: dict[str, Any]) -> str:
    """The same of a module by what was put on it."""
    if "range_constraints" in own:
        return "An exported model has no layers to record{at}: pass the model it was exported from."
    compiled = own.get("_compiled_call_impl") or hasattr(own.get("forward"), "_torchdynamo_orig_callable")
    return COMPILED if compiled else ""


def _refuse(model: nn.Module, module: nn.Module, why: str) -> None:
    name = _name_in(model, module)
    instead = f"put model.{name}.module in the place of model.{name}" if name else "pass model.module"
    if why:
        raise ValueError(why.format(kind=type(module).__name__, at=f" ({name!r})" if name else "", instead=instead))


def _changes_in_train_mode(module: nn.Module) -> bool:
    """Whether in train mode it acts at random, or updates what it keeps."""
    at_random = isinstance(module, nn.modules.dropout._DropoutNd | nn.RReLU) or getattr(module, "dropout", False)
    keeps = any(buffer is not None for buffer in module._buffers.values())
    return bool(at_random or keeps or "Stochastic" in type(module).__name__)


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
    hint = f"nearest: {', '.join(map(repr, near))}" if near else "layers(model, picture) lists them"
    raise LookupError(f"There is no layer {wanted!r} in this {type(model).__name__} ({hint}).")


def _descend(model: nn.Module, name: str) -> nn.Module | None:
    module: nn.Module | None = model
    for part in name.split(".") if name else []:
        module = None if module is None else module._modules.get(part)
    return module


def _name_in(model: nn.Module, wanted: nn.Module) -> str:
    names: list[str] = [name for name, module in model.named_modules() if module is wanted]
    return names[0]
