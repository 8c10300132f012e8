"""Methods that change the rule of the backward pass."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from course_lib.methods.registry import register
from course_lib.methods.steps import relu
from course_lib.recording import INPUT, Score, record

Rule = Callable[[Tensor, Tensor], Tensor]
"""(R_out, x of the ReLU) -> R_in"""


def _guided(above: Tensor, x: Tensor) -> Tensor:
    return above.clamp(min=0) * (x > 0)


def _deconvolved(above: Tensor, x: Tensor) -> Tensor:
    return above.clamp(min=0)


class _RuledReLU(torch.autograd.Function):
    """Forward: max(x, 0). Backward: what the rule lets through."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rule: Rule) -> Tensor:
        ctx.save_for_backward(x)
        ctx.rule = rule
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.rule(gradients[0], *ctx.saved_tensors), None


class _RuleEveryReLU(TorchFunctionMode):
    """While active, each ReLU that runs has the rule: as a module, as a function, in place or not."""

    count = 0
    relus = {F.relu, torch.relu, Tensor.relu, F.relu_, torch.relu_, Tensor.relu_}

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function not in self.relus:
            return function(*args, **kwargs)
        self.count += 1
        x = args[0] if args else kwargs["input"]
        if function.__name__ == "relu_" or kwargs.get("inplace", args[1:2] == (True,)):
            return x.copy_(_RuledReLU.apply(x.clone(), self.rule))
        return _RuledReLU.apply(x, self.rule)


def _ruled(model: nn.Module, pictures: Tensor, score: Score, rule: Rule, name: str) -> Tensor:
    with record(model, INPUT) as tape, _RuleEveryReLU(rule) as active:
        model(pictures)
    if not active.count:
        raise ValueError(f"{name} changes the rule at ReLUs, and no ReLU ran in this model.")
    return tape.gradients(score, release=True)[INPUT]


@register("guided backpropagation", kind="model", units="logits per unit of input", source="Springenberg et al., 2015")
def guided_backpropagation(model: nn.Module, pictures: Tensor, score: Score) -> Tensor:
    """The gradient at the picture with a changed rule at every ReLU: only positive gradients pass back.

    R_in = R_out [x > 0] [R_out > 0]; the plain gradient lacks the second factor, the deconvolution the first. What
    comes out is no gradient of anything. The three colours are added up: (B, C, H, W) -> (B, H, W), in logits per unit
    of input.

    It draws crisp edges, and nearly the same ones for every class and also for a network with random weights (Nie,
    Zhang, Patel, ICML 2018), so it shows the picture more than the reason.

    Args:
        model: anything that `record` takes, with ReLUs
        pictures: (B, C, H, W)
        score: as in `Tape.gradients`

    Raises:
        ValueError: if no ReLU ran: for GELU, SiLU and others there is no such rule

    Source: Springenberg, Dosovitskiy, Brox, Riedmiller, ICLR Workshop 2015, figure 1.

    >>> model = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(2, 1, bias=False))
    >>> _ = model[2].weight.data.copy_(torch.tensor([[1.0, -1.0]]))
    >>> guided_backpropagation(model, torch.tensor([[[[2.0, 3.0]]]]), 0)
    tensor([[[1., 0.]]])
    """
    return guided_gradient(model, pictures, score).sum(-3)


def guided_gradient(model: nn.Module, pictures: Tensor, score: Score) -> Tensor:
    """As `guided_backpropagation`, with its colours: (B, C, H, W)."""
    return _ruled(model, pictures, score, _guided, "Guided backpropagation")


@register("deconvolution", kind="model", units="logits per unit of input", source="Zeiler & Fergus, 2014")
def deconvolution(model: nn.Module, pictures: Tensor, score: Score) -> Tensor:
    """The score sent back through the transposed convolutions, with a ReLU on the way back at every ReLU.

    R_in = R_out [R_out > 0]: it does not ask whether the ReLU was open. A max-pooling sends each number to where its
    maximum came from. (B, C, H, W) -> (B, H, W), the colours added up, in logits per unit of input.

    Args and Raises: as `guided_backpropagation`. Source: Zeiler & Fergus, ECCV 2014, section 2.1.

    >>> model = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(2, 1, bias=False))
    >>> _ = model[2].weight.data.copy_(torch.tensor([[1.0, 1.0]]))
    >>> deconvolution(model, torch.tensor([[[[2.0, -3.0]]]]), 0)  # the second ReLU is shut
    tensor([[[1., 1.]]])
    """
    return _ruled(model, pictures, score, _deconvolved, "Deconvolution").sum(-3)


def guided_grad_cam(guided: Tensor, upsampled_map: Tensor) -> Tensor:
    """Guided Grad-CAM: the crisp edges where the coarse map is positive, guided ⊙ ReLU(map).

    (B, C, H, W) and (B, H, W), the Grad-CAM map upsampled to the picture -> (B, C, H, W). Its place comes from
    Grad-CAM, its detail from guided backpropagation, with the faults of both. Source: Selvaraju et al., ICCV 2017,
    section 3.2.

    >>> guided_grad_cam(torch.ones(1, 1, 1, 2), torch.tensor([[[2.0, -1.0]]]))
    tensor([[[[2., 0.]]]])
    """
    return guided * relu(upsampled_map).unsqueeze(-3)
