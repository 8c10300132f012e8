"""Methods that share the score out: layer by layer, each neuron hands what it got on to those it was computed from.

A network is followed by torch.fx, which writes down its steps; relevance R then goes back over them, from the logit to
the picture. Each rule says how a linear step z_j = Σ_i a_i w_ij + b_j shares R_j among its inputs i; the other steps
have one rule each. A ReLU, dropout and changes of shape pass R on as it is, and so does arithmetic with constants: the
relevance of a pixel is that of its normalized value, so black counts unless it is 0 to the first convolution. A maximum
gives all to its winner. An average, and a sum such as a residual block's, are linear steps with equal weights.
BatchNorm is first folded into the convolution before it.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from tqdm.auto import tqdm

from course_lib.methods.registry import register
from course_lib.recordable import check_model
from course_lib.recording import check_target

PASSING: set[Any] = {
    nn.ReLU, nn.Dropout, nn.Identity, nn.Flatten, F.relu, F.relu_, F.dropout, torch.relu, torch.relu_, torch.flatten,
    torch.reshape, "relu", "relu_", "flatten", "view", "reshape",
}  # fmt: skip
ARITHMETIC: set[Any] = {
    operator.add, operator.iadd, operator.sub, operator.isub, operator.mul, operator.imul, operator.truediv,
    operator.itruediv, torch.add, torch.sub, torch.mul, torch.div, "add", "add_", "sub", "sub_", "mul", "div",
}  # fmt: skip
ADDING: set[Any] = {operator.add, operator.iadd, torch.add, "add", "add_"}
AVERAGING: set[Any] = {nn.AdaptiveAvgPool2d, nn.AvgPool2d, F.adaptive_avg_pool2d, F.avg_pool2d, torch.mean, "mean"}
MAXIMUM: set[Any] = {nn.MaxPool2d, F.max_pool2d}


@dataclass(frozen=True)
class Step:
    """A linear step z = apply(w, a) + b: `apply` is linear in the weights w and in the inputs a."""

    apply: Callable[..., Tensor]
    weight: Tensor
    bias: Tensor
    inputs: list[Tensor]
    output: Tensor


Rule = Callable[[Step, Tensor], tuple[list[Tensor], Tensor]]
"""(step, R of its output) -> (R of each input, what the bias absorbed)"""


def epsilon_rule(epsilon: float) -> Rule:
    """R_i = Σ_j a_i w_ij R_j / (z_j + ε sign z_j); the bias absorbs Σ_j (b_j + ε sign z_j) R_j / (z_j + ε sign z_j)."""

    if epsilon < 0:
        raise ValueError(f"Epsilon stabilizes a division, so it is 0 or more, not {epsilon}.")

    def share(step: Step, relevance: Tensor) -> tuple[list[Tensor], Tensor]:
        extra = epsilon * (1 - 2 * (step.output < 0).to(step.output))
        per_unit = _divide(relevance, step.output + extra)
        back = _transposed(lambda *a: step.apply(step.weight, *a), *step.inputs)[1]
        return [a * g for a, g in zip(step.inputs, back(per_unit), strict=True)], (step.bias + extra) * per_unit

    return share


def alpha_beta_rule(alpha: float) -> Rule:
    """R_i = Σ_j (α (a_i w_ij)⁺ / z_j⁺ - β (a_i w_ij)⁻ / z_j⁻) R_j with β = α - 1 and z_j± = Σ_i (a_i w_ij)± + b_j±.

    The bias absorbs its share like an input. Where z_j⁺ or z_j⁻ is 0, the other takes the whole of R_j.
    """

    if alpha < 1:
        raise ValueError(f"Alpha is 1 or more, since beta = alpha - 1 is not negative, not {alpha}.")

    def share(step: Step, relevance: Tensor) -> tuple[list[Tensor], Tensor]:
        up, down = step.weight.clamp(min=0), step.weight.clamp(max=0)

        def parts(*a: Tensor) -> tuple[Tensor, Tensor]:
            more, less = a[: len(a) // 2], a[len(a) // 2 :]
            return step.apply(up, *more) + step.apply(down, *less), step.apply(down, *more) + step.apply(up, *less)

        signs = [a.clamp(min=0) for a in step.inputs] + [a.clamp(max=0) for a in step.inputs]
        (more, less), back = _transposed(parts, *signs)
        for_it, against = step.bias.clamp(min=0), step.bias.clamp(max=0)
        more, less = more + for_it, less + against
        share = torch.where(less == 0, 1.0, alpha).to(more).masked_fill(more == 0, 0)
        ahead, behind = _divide(share * relevance, more), _divide((1 - share) * relevance, less)
        shared = [a * g for a, g in zip(signs, back((ahead, behind)), strict=True)]
        half = len(shared) // 2
        return [p + n for p, n in zip(shared[:half], shared[half:], strict=True)], for_it * ahead + against * behind

    return share


def _transposed(function: Callable[..., Any], *inputs: Tensor) -> Any:
    """What the function gives out, and the transpose of its derivative: here that of a linear step or a maximum."""
    return torch.func.vjp(function, *inputs)


def _divide(relevance: Tensor, by: Tensor) -> Tensor:
    """R / z, and 0 where z is 0."""
    return torch.where(by == 0, 0, relevance / torch.where(by == 0, 1, by))


class _Followed(torch.fx.Interpreter):
    """A network that keeps what every step gave out, in `env`, and can send relevance back."""

    def __init__(self, model: nn.Module) -> None:
        check_model(model)
        try:
            graph = torch.fx.symbolic_trace(model)
        except Exception as error:  # whatever the model's own code raises when it meets a stand-in for a tensor
            raise ValueError(
                f"Relevance needs a network whose steps don't depend on the picture's values, and this "
                f"{type(model).__name__} can't be followed ({str(error).splitlines()[0]}); try integrated gradients."
            ) from error
        super().__init__(_folded(graph), garbage_collect_values=False)

    def fetch_args_kwargs_from_env(self, n: torch.fx.Node) -> Any:
        """Copies, so that what works in place leaves the values before it as they were."""
        copy = lambda one: one.clone() if isinstance(one, Tensor) else one  # noqa: E731
        return torch.fx.node.map_aggregate(super().fetch_args_kwargs_from_env(n), copy)

    def back(self, relevance: Tensor, rule: Rule, pairs: bool) -> tuple[Tensor, Tensor]:
        """Relevance of the pictures, and what the biases absorbed (B,); `pairs`: the batch is [x, x'], as DeepLIFT."""
        values = {n: v for n, v in self.env.items() if isinstance(v, Tensor) and n.op != "get_attr"}
        if pairs:
            values = {n: v[: len(v) // 2] - v[len(v) // 2 :] for n, v in values.items()}
        *nodes, output = self.graph.nodes
        received: dict[torch.fx.Node, Tensor] = {output.args[0]: relevance}
        absorbed = relevance.new_zeros(len(relevance))
        for node in reversed(nodes):
            if node.op in ("placeholder", "get_attr") or node not in received:
                continue
            into = [n for n in node.all_input_nodes if n in values]
            arriving = received.pop(node)
            kind, module = self._kind(node)
            tensors = [n for n in node.args if isinstance(n, torch.fx.Node) and n in values]
            constant = kind in ARITHMETIC and tensors == [node.args[0]]  # not x * x, and not 1 / x
            if kind in PASSING or constant:
                shared = [arriving.reshape(values[into[0]].shape)]
            elif kind in MAXIMUM:
                shared = [self._to_the_winner(node, into[0], arriving, pairs)]
            else:
                step = self._step(node, kind, module, [values[n] for n in into], values[node])
                if pairs:  # the two biases are the same, so nothing is left of them in a difference
                    step = Step(step.apply, step.weight, torch.zeros_like(step.bias), step.inputs, step.output)
                shared, kept = rule(step, arriving)
                absorbed = absorbed + kept.flatten(1).sum(1)
            for n, part in zip(into, shared, strict=True):
                received[n] = received[n] + part if n in received else part
        return received.get(nodes[0], torch.zeros_like(values[nodes[0]])), absorbed

    def _kind(self, node: torch.fx.Node) -> tuple[Any, nn.Module | None]:
        if node.op == "call_module":
            module = self.fetch_attr(str(node.target))
            return type(module), module
        return node.target, None

    def _step(self, node: torch.fx.Node, kind: Any, module: Any, inputs: Sequence[Tensor], output: Tensor) -> Step:
        one = output.new_ones(())
        if kind is nn.Linear or kind is nn.Conv2d:
            weight, bias = module.weight.detach(), output.new_zeros(()) if module.bias is None else module.bias.detach()
            if kind is nn.Linear:
                return Step(lambda w, a: F.linear(a, w), weight, bias, [*inputs], output)
            return Step(lambda w, a: module._conv_forward(a, w, None), weight, bias.view(-1, 1, 1), [*inputs], output)
        if kind in AVERAGING:
            return Step(lambda w, a: w * self._again(node, a), one, 0 * one, [*inputs], output)
        if kind in ADDING and len(inputs) == 2 and not node.kwargs:
            return Step(lambda w, a, b: w * (a + b), one, 0 * one, [*inputs], output)
        name = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
        where = f" ({node.target!r})" if module is not None else ""
        raise ValueError(
            f"Relevance has no rule for {name}{where}: there are rules for Linear, Conv2d, BatchNorm2d right after it, "
            "ReLU, pooling, sums, dropout and flatten; try integrated gradients."
        )

    def _again(self, node: torch.fx.Node, value: Tensor) -> Tensor:
        """What a step with one input gives out for another value of it."""
        put = lambda n: value if n in node.all_input_nodes[:1] else self.env[n]  # noqa: E731
        args, kwargs = (torch.fx.map_arg(one, put) for one in (node.args, node.kwargs))
        again: Tensor = getattr(self, node.op)(node.target, args, kwargs)
        return again

    def _to_the_winner(self, node: torch.fx.Node, source: torch.fx.Node, arriving: Tensor, pairs: bool) -> Tensor:
        """All to the cell of the maximum; of two pictures, to the cell of the larger of the two maxima."""
        output, back = _transposed(lambda a: self._again(node, a), self.env[source])
        if pairs:
            first, second = output.chunk(2)
            arriving = torch.cat([arriving * (first >= second), arriving * (first < second)])
        found: Tensor = back(arriving)[0]
        return found[: len(found) // 2] + found[len(found) // 2 :] if pairs else found


def _folded(graph: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """The network with each BatchNorm that follows a convolution folded into it; the model's own modules stay."""
    modules = dict(graph.named_modules())
    for node in list(graph.graph.nodes):
        before = node.args[0] if node.op == "call_module" and node.args else None
        pair = [modules.get(str(n.target)) for n in (before, node) if isinstance(n, torch.fx.Node)]
        if len(pair) == 2 and isinstance(pair[0], nn.Conv2d) and isinstance(pair[1], nn.BatchNorm2d):
            assert isinstance(before, torch.fx.Node)
            if len(before.users) == 1:
                graph.add_submodule(f"{before.target}_with_{node.name}", fuse_conv_bn_eval(pair[0], pair[1]))
                before.target = f"{before.target}_with_{node.name}"
                node.replace_all_uses_with(before)
                graph.graph.erase_node(node)
    graph.recompile()
    return graph


def relevance(
    model: nn.Module,
    pictures: Tensor,
    target: int,
    rule: Rule,
    baseline: Tensor | float | None = None,
    batch: int = 32,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    """Send the target's logit back by a rule; with a baseline, the difference from the baseline's logit.

    Returns:
        the relevance (B, C, H, W), and what the biases absorbed (B,), both in logits: their sums add up to what was
        sent

    Raises:
        ValueError: for a step without a rule, by its name; a network that can't be followed; no such class

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 1))
    >>> _ = model.load_state_dict({"1.weight": torch.tensor([[2.0, -1.0]]), "1.bias": torch.tensor([0.5])})
    >>> relevance(model, torch.tensor([[[[3.0, 4.0]]]]), 0, epsilon_rule(0.0))  # the logit is 6 - 4 + 0.5
    (tensor([[[[ 6., -4.]]]]), tensor([0.5000]))
    """
    found: list[tuple[Tensor, Tensor]] = []
    with torch.inference_mode(False), torch.no_grad():
        followed = _Followed(model)
        for some in tqdm(pictures.split(batch), desc="relevance", disable=not progress):
            x = some.detach().clone()
            if baseline is not None:
                start = torch.as_tensor(baseline, dtype=x.dtype, device=x.device)
                at = len(found) * batch
                start = start[at : at + batch] if start.shape == pictures.shape else start
                x = torch.cat([x, start.expand_as(x)])
            logits = followed.run(x)
            target = check_target(target, logits)
            if not torch.allclose(logits, model(x), rtol=1e-3, atol=1e-3 * float(logits.abs().max())):
                raise ValueError(f"The steps that {type(model).__name__} was seen to take don't give its own logits.")
            if baseline is not None:
                logits = logits[: len(some)] - logits[len(some) :]
            sent = torch.zeros_like(logits)
            sent[:, target] = logits[:, target]
            found.append(followed.back(sent, rule, baseline is not None))
    maps, absorbed = zip(*found, strict=True)
    return torch.cat(maps), torch.cat(absorbed)


@register("LRP epsilon", kind="model", units="logits", source="Bach et al., 2015")
def lrp_epsilon(
    model: nn.Module, pictures: Tensor, target: int, epsilon: float = 1e-6, batch: int = 32, progress: bool = False
) -> Tensor:
    """Layer-wise relevance propagation with a stabilizer: R_i = Σ_j a_i w_ij R_j / (z_j + ε sign z_j).

    Σ R + what biases and ε absorbed = S_c. The colours are added up: (B, C, H, W) -> (B, H, W), in logits. With ε -> 0
    it is gradient x input of the normalized picture wherever all bends are ReLUs and maxima (Ancona et al., ICLR 2018).

    Args:
        model: in eval mode, of the steps that the module's docstring names
        pictures: (B, C, H, W)
        target: the class's place among the logits
        epsilon: ε, in units of each layer's output; what it absorbs is lost to the map
        batch: pictures in one pass (fewer of more than 224 x 224), which bounds the memory

    Raises: as `relevance`. Source: Bach et al., PLOS ONE 10 (2015), equation 58.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> _ = model[1].weight.data.copy_(torch.tensor([[1.0, -2.0]]))
    >>> lrp_epsilon(model, torch.tensor([[[[3.0, 1.0]]]]), 0, epsilon=1.0)  # half of the logit 1 is absorbed
    tensor([[[ 1.5000, -1.0000]]])
    """
    return relevance(model, pictures, target, epsilon_rule(epsilon), None, batch, progress)[0].sum(1)


@register("LRP alpha-beta", kind="model", units="logits", source="Bach et al., 2015")
def lrp_alpha_beta(
    model: nn.Module, pictures: Tensor, target: int, alpha: float = 2.0, batch: int = 32, progress: bool = False
) -> Tensor:
    """Relevance that counts what speaks for a neuron α times and what speaks against it β = α - 1 times.

    R_i = Σ_j (α (a_i w_ij)⁺ / z_j⁺ - β (a_i w_ij)⁻ / z_j⁻) R_j. Σ R + what biases absorbed = S_c. A neuron with parts
    of one sign only shares its R among these. Args, shapes and Raises: as `lrp_epsilon`. Source: Bach et al., PLOS ONE
    10 (2015), equation 60.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> _ = model[1].weight.data.copy_(torch.tensor([[1.0, -2.0]]))
    >>> lrp_alpha_beta(model, torch.tensor([[[[3.0, 1.0]]]]), 0)  # the logit is 1
    tensor([[[ 2., -1.]]])
    """
    return relevance(model, pictures, target, alpha_beta_rule(alpha), None, batch, progress)[0].sum(1)


@register("LRP z+", kind="model", units="logits", source="Montavon et al., 2017")
def lrp_z_plus(model: nn.Module, pictures: Tensor, target: int, batch: int = 32, progress: bool = False) -> Tensor:
    """The rule with α = 1 and β = 0: R_i = Σ_j (a_i w_ij)⁺ / z_j⁺ R_j, which has the sign of the score throughout.

    What speaks against a neuron gets nothing, so deep maps of different classes look alike (Sixt, Granz, Landgraf, ICML
    2020). Σ R + what biases absorbed = S_c. Args, shapes and Raises: as `lrp_epsilon`. Source: Montavon, Lapuschkin,
    Binder, Samek, Müller, Pattern Recognition 65 (2017), section 4.1.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> _ = model[1].weight.data.copy_(torch.tensor([[1.0, -2.0]]))
    >>> lrp_z_plus(model, torch.tensor([[[[3.0, 1.0]]]]), 0)
    tensor([[[1., 0.]]])
    """
    return relevance(model, pictures, target, alpha_beta_rule(1.0), None, batch, progress)[0].sum(1)


@register("DeepLIFT", kind="model", units="logits", source="Shrikumar et al., ICML 2017")
def deep_lift(
    model: nn.Module,
    pictures: Tensor,
    target: int,
    baseline: Tensor | float = 0.0,
    batch: int = 32,
    progress: bool = False,
) -> Tensor:
    """Differences from a baseline's activations are shared out (rescale rule): R_i = Σ_j Δa_i w_ij R_j / Δz_j.

    Δ is a value less its value for the baseline x'. Biases drop out, so Σ R = S_c(x) - S_c(x'). A ReLU passes R_j on,
    which multiplies by Δoutput / Δinput in place of the gradient. A maximum's R goes to the cell of the larger of the
    two maxima. (B, C, H, W) -> (B, H, W), in logits; a pixel at its baseline gets 0.

    Args and Raises: as `lrp_epsilon`; `baseline` is x', a number or a tensor that broadcasts to the pictures.
    Source: Shrikumar, Greenside, Kundaje, ICML 2017, section 3.5.1.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))  # 1 - ReLU(1 - x)
    >>> values = {"1.weight": [[-1.0]], "1.bias": [1.0], "3.weight": [[-1.0]], "3.bias": [1.0]}
    >>> _ = model.load_state_dict({name: torch.tensor(value) for name, value in values.items()})
    >>> deep_lift(model, torch.tensor([[[[2.0]]]]), 0)  # the gradient there is 0
    tensor([[[1.]]])
    """
    return relevance(model, pictures, target, epsilon_rule(0.0), baseline, batch, progress)[0].sum(1)
