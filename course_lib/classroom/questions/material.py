"""What questions hand to an answer besides plain data: networks from their weights. It knows no answers."""

from typing import Any

import torch
from torch import Tensor, nn


class TinyNetwork(nn.Module):
    """pictures -> conv -> ReLU -> flatten -> linear -> tanh -> linear -> logits; CAM has no weights to take here."""

    def __init__(self, kernels: Tensor, hidden: Tensor, out: Tensor, bias: Tensor | float = 0.0) -> None:
        super().__init__()
        self.kernels, self.hidden, self.out, self.bias = kernels, hidden, out, bias

    def conv(self, pictures: Tensor) -> Tensor:
        """The convolution, before the ReLU: (B, 3, H, W) -> (B, K, h, w)."""
        return torch.conv2d(pictures, self.kernels)

    def head(self, activations: Tensor) -> Tensor:
        """From the activations, after the ReLU, to the logits: (B, K, h, w) -> (B, classes)."""
        return (activations.flatten(1) @ self.hidden.T).tanh() @ self.out.T + self.bias

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, classes)."""
        return self.head(self.conv(pictures).relu())


def positive_symbol(points: Tensor) -> tuple[Any, ...]:
    """x, above 0, as a symbol of sympy's; the points are kept back."""
    import sympy as sp

    return (sp.Symbol("x", positive=True),)


def values_at(expression: Any, points: Tensor) -> Tensor:
    """An expression in x at some points, (n,): what is compared of it.

    Raises:
        TypeError: if it is no expression
        ValueError: if another symbol is left in it
    """
    import sympy as sp

    x = sp.Symbol("x", positive=True)
    if not isinstance(expression, sp.Expr):
        raise TypeError(f"an expression in x is asked for, such as x**2 + 1, and this is {type(expression).__name__}")
    if left := sorted(str(symbol) for symbol in expression.free_symbols - {x}):
        raise ValueError(f"{', '.join(left)} is left in {expression}: only the x that your function gets may be")
    return torch.tensor([float(expression.subs(x, point)) for point in points.tolist()], dtype=torch.float64)


def curve(name: str, at: float, baseline: float) -> tuple[Any, ...]:
    """One of a few functions of one variable, as sympy's expression with its symbol; a point, and its baseline."""
    import sympy as sp

    x = sp.Symbol("x", positive=True)
    return {"cube": x**3 + x, "logarithm": sp.log(x), "root": sp.sqrt(x) * (x + 1)}[name], x, at, baseline


class Bent:
    """A function of n inputs, a sum over terms of products and powers: call it with a tensor (..., n)."""

    def __init__(self, weights: Tensor, powers: Tensor) -> None:
        self.weights, self.powers = weights, powers

    def __call__(self, x: Tensor) -> Tensor:
        """(..., n) -> (...): a weighted sum of powers, and the product of the first two inputs."""
        return (self.weights * x**self.powers).sum(-1) + x[..., 0] * x[..., 1]


def bent(weights: Tensor, powers: Tensor, x: Tensor, baseline: Tensor, steps: int) -> tuple[Any, ...]:
    """A function, a point, a baseline, and a number of steps."""
    return Bent(weights, powers), x, baseline, steps


def one_layer(weights: Tensor, bias: Tensor, *rest: Any) -> tuple[Any, ...]:
    """pixels -> a score: black box of lesson 8, tanh of a weighted sum; it takes (N, H, W) and gives (N,)."""

    def score(pictures: Tensor) -> Tensor:
        return ((pictures * weights).sum((-2, -1)) + bias).tanh()

    return score, *rest


def scenes_network(pictures: Tensor, target: Tensor) -> tuple[Any, ...]:
    """The course's network for scenes with its trained weights, in double precision; pictures, their targets."""
    from course_lib.networks import load

    return load("scenes_gap").model.double(), pictures, target


def plain_network(kernels: Tensor, hidden: Tensor, out: Tensor, *rest: Any) -> tuple[Any, ...]:
    """A network, and whatever else the question hands over."""
    return TinyNetwork(kernels, hidden, out), *rest


def biased_network(
    kernels: Tensor, hidden: Tensor, out: Tensor, bias: Tensor, colour: Tensor, size: int
) -> tuple[Any, ...]:
    """A network whose logits aren't 0 for a black picture, a colour, and the side of its pictures."""
    return TinyNetwork(kernels, hidden, out, bias), colour, size


def tiny_network(kernels: Tensor, hidden: Tensor, out: Tensor, pictures: Tensor, target: Tensor) -> tuple[Any, ...]:
    """A network, pictures, and the target class of each picture."""
    return TinyNetwork(kernels, hidden, out), pictures, target
