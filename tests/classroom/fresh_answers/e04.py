"""Wrong answers to the exercise of lesson 4, written from its text alone, without the registered mistakes at hand."""

from typing import Any

import sympy as sp
import torch
from torch import Tensor


def slope_at_baseline(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    return float((at - baseline) * sp.diff(f, x).subs(x, baseline))


def slope_in_the_middle(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    return float((at - baseline) * sp.diff(f, x).subs(x, (at + baseline) / 2))


def finite_difference(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    step = 0.1
    return float((at - baseline) * (f.subs(x, at + step) - f.subs(x, at)) / step)


def distance_without_sign(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    return float(abs(at - baseline) * sp.diff(f, x).subs(x, at))


def tangents_value_at_baseline(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    return float(f.subs(x, at) - (at - baseline) * sp.diff(f, x).subs(x, at))


def estimate_less_truth(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    return float((at - baseline) * sp.diff(f, x).subs(x, at) - (f.subs(x, at) - f.subs(x, baseline)))


def forgets_value_at_baseline(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    return float(f.subs(x, at) - (at - baseline) * sp.diff(f, x).subs(x, at))


def second_order_only(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    return float(-((at - baseline) ** 2) * sp.diff(f, x, 2).subs(x, at) / 2)


def remainder_at_baseline(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    return float(f.subs(x, at) - f.subs(x, baseline) - (at - baseline) * sp.diff(f, x).subs(x, baseline))


def weight_of_the_other_end(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    t = sp.Symbol("t")
    return float(-sp.integrate(sp.expand((at - t) * sp.diff(f, x, 2).subs(x, t)), (t, baseline, at)))


def riemann_left(f: Any, x: Tensor, baseline: Tensor, steps: int) -> Tensor:
    points = torch.arange(steps, dtype=x.dtype) / steps
    return _along(f, x, baseline, points)


def riemann_right(f: Any, x: Tensor, baseline: Tensor, steps: int) -> Tensor:
    return _along(f, x, baseline, (torch.arange(steps, dtype=x.dtype) + 1) / steps)


def both_ends(f: Any, x: Tensor, baseline: Tensor, steps: int) -> Tensor:
    return _along(f, x, baseline, torch.linspace(0, 1, steps, dtype=x.dtype))


def from_zero(f: Any, x: Tensor, baseline: Tensor, steps: int) -> Tensor:
    return _along(f, x, torch.zeros_like(x), (torch.arange(steps, dtype=x.dtype) + 0.5) / steps)


def times_x_alone(f: Any, x: Tensor, baseline: Tensor, steps: int) -> Tensor:
    right = _along(f, x, baseline, (torch.arange(steps, dtype=x.dtype) + 0.5) / steps)
    return right / (x - baseline) * x


def one_input_after_another(f: Any, x: Tensor, baseline: Tensor, steps: int) -> Tensor:
    """Complete as well, but along the edges of the box and not along its diagonal."""
    shares, point = [], baseline.clone()
    for i in range(len(x)):
        after = point.clone()
        after[i] = x[i]
        shares.append(f(after) - f(point))
        point = after
    return torch.stack(shares).detach()


def _along(f: Any, x: Tensor, baseline: Tensor, points: Tensor) -> Tensor:
    path = (baseline + points[:, None] * (x - baseline)).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(path).sum(), path)
    return (x - baseline) * gradient.mean(0)


def covariance_of_torch(activations: Tensor, gradients: Tensor) -> Tensor:
    cells = activations[0, 0].numel()
    a = (activations - activations.mean((2, 3), keepdim=True)) * (gradients - gradients.mean((2, 3), keepdim=True))
    return cells * a.sum((1, 2, 3)) / (cells - 1)


def mean_in_place_of_sum(activations: Tensor, gradients: Tensor) -> Tensor:
    hires, grad_cam = activations * gradients, activations * gradients.mean((2, 3), keepdim=True)
    return (hires - grad_cam).sum(1).mean((1, 2))


def after_relu(activations: Tensor, gradients: Tensor) -> Tensor:
    hires, grad_cam = activations * gradients, activations * gradients.mean((2, 3), keepdim=True)
    return hires.sum(1).relu().sum((1, 2)) - grad_cam.sum(1).relu().sum((1, 2))


def centred_over_the_batch(activations: Tensor, gradients: Tensor) -> Tensor:
    return (activations * (gradients - gradients.mean((0, 2, 3), keepdim=True))).sum((1, 2, 3))


def centred_over_channels(activations: Tensor, gradients: Tensor) -> Tensor:
    return (activations * (gradients - gradients.mean((1, 2, 3), keepdim=True))).sum((1, 2, 3))


def size_of_the_loss(activations: Tensor, gradients: Tensor) -> Tensor:
    return (activations * (gradients - gradients.mean((2, 3), keepdim=True))).sum((1, 2, 3)).abs()


ANSWERS: dict[str, dict[str, Any]] = {
    "tangent_share": {
        "takes the slope at the baseline": slope_at_baseline,
        "takes the slope half way": slope_in_the_middle,
        "takes a coarse difference for the slope": finite_difference,
        "takes the distance without its sign": distance_without_sign,
        "gives where the tangent arrives": tangents_value_at_baseline,
    },
    "left_out": {
        "estimate less truth": estimate_less_truth,
        "forgets the value at the baseline": forgets_value_at_baseline,
        "takes the second order for all that is left": second_order_only,
        "takes the tangent at the baseline": remainder_at_baseline,
        "weights the curvature from the wrong end": weight_of_the_other_end,
    },
    "threefold": {
        "forgets the constant": lambda x: x**3,
        "a power three times the other way": lambda x: 2 * x ** sp.Rational(1, 3),
        "adds the constant, right at 1": lambda x: x**3 + 1,
        "an exponential that is right at 1": lambda x: 2 * sp.exp(3 * (x - 1)),
        "three times a function in proportion": lambda x: 6 * x**3,
        "a power with a bend, right at 1": lambda x: 2 * x**3 * sp.exp(x - 1),
    },
    "order_flip": {
        "both terms agree": lambda: (1.0, 3.0, 1.0, 2.0),
        "the first term is larger": lambda: (3.0, 1.0, 2.0, 3.0),
        "the terms are equal": lambda: (3.0, 1.0, 1.0, 1.0),
        "the second term is larger by 5 % only": lambda: (3.0, 1.0, 1.0, 1.05),
        "a degree below 1": lambda: (3.0, 0.5, 1.0, 4.0),
        "an input of 0": lambda: (3.0, 1.0, 0.0, 1.0),
    },
    "path_shares": {
        "takes the beginning of each piece": riemann_left,
        "takes the end of each piece": riemann_right,
        "takes points from end to end": both_ends,
        "starts at 0": from_zero,
        "multiplies by x alone": times_x_alone,
        "changes one input after another": one_input_after_another,
    },
    "averaging_drops": {
        "divides the covariance by one less": covariance_of_torch,
        "takes the mean over the cells": mean_in_place_of_sum,
        "takes the sums after the ReLU": after_relu,
        "takes the mean gradient of the batch": centred_over_the_batch,
        "takes the mean gradient of all channels": centred_over_channels,
        "loses the sign": size_of_the_loss,
    },
    "saturated": {"a": "a", "b": "b", "d": "d"},
}
