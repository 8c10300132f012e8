"""What x f'(x) says of f(x): the linear approximation behind gradient-based explanations, by sympy.

Functions take an expression and the point of comparison of each variable, {x: 0}: the baseline. What they return is an
expression in the same variables, so that a lesson can print it, integrate it, or put numbers in.
"""

from collections.abc import Mapping
from typing import Any

import sympy as sp

Baseline = Mapping[sp.Symbol, Any]


def gradient_times_input(f: sp.Expr, baseline: Baseline) -> dict[sp.Symbol, sp.Expr]:
    """What the tangent at x attributes to each variable: (x_i - x'_i) ∂f/∂x_i.

    Source: Shrikumar, Greenside, Shcherbina, Kundaje, arXiv 1605.01713 (2016), with the baseline 0.

    >>> x = sp.Symbol("x", positive=True)
    >>> gradient_times_input(x**3, {x: 0})[x], gradient_times_input(sp.log(x), {x: 0})[x]
    (3*x**3, 1)
    """
    return {x: sp.simplify((x - start) * sp.diff(f, x)) for x, start in baseline.items()}


def integrated_gradients(f: sp.Expr, baseline: Baseline) -> dict[sp.Symbol, sp.Expr]:
    """What the straight path from the baseline attributes: (x_i - x'_i) ∫₀¹ ∂f/∂x_i (x' + t (x - x')) dt.

    Source: Sundararajan, Taly, Yan, ICML 2017, equation 1.

    >>> x = sp.Symbol("x", positive=True)
    >>> integrated_gradients(x**3, {x: 0})[x], integrated_gradients(sp.log(x), {x: 1})[x]
    (x**3, log(x))
    """
    t = sp.Dummy("t", positive=True)
    path = {x: start + t * (x - start) for x, start in baseline.items()}
    slopes = {x: sp.diff(f, x).subs(path, simultaneous=True) for x in baseline}
    return {x: sp.simplify((x - start) * sp.integrate(slopes[x], (t, 0, 1))) for x, start in baseline.items()}


def remainder(f: sp.Expr, x: sp.Symbol, baseline: Any = 0) -> sp.Expr:
    """What the tangent at x leaves out: f(x) - f(x') - (x - x') f'(x) = -∫ (t - x') f''(t) dt from x' to x.

    Source: Taylor's theorem with the integral form of the remainder.

    >>> x = sp.Symbol("x", positive=True)
    >>> remainder(x**3, x), remainder(sp.log(x), x, 1).subs(x, 8)
    (-2*x**3, -7/8 + log(8))
    """
    t = sp.Dummy("t", positive=True)
    curvature = sp.diff(f, x, 2).subs(x, t)
    return sp.simplify(-sp.integrate(sp.expand((t - baseline) * curvature), (t, baseline, x)))


def proportional_functions(k: Any) -> sp.Expr:
    """All functions of x > 0 whose gradient x input is k times their value: the solution of x f'(x) = k f(x).

    >>> proportional_functions(3)
    C1*x**3
    """
    x, f = sp.Symbol("x", positive=True), sp.Function("f")
    return sp.dsolve(sp.Eq(x * f(x).diff(x), k * f(x)), f(x)).rhs


def degree(f: sp.Expr, *variables: sp.Symbol) -> sp.Expr | None:
    """The degree of homogeneity: the k in Σ x_i ∂f/∂x_i = k f, or None where there is no such number.

    >>> x, y = sp.symbols("x y", positive=True)
    >>> degree(x**2 * y, x, y), degree(x**3 + y, x, y), degree(sp.log(x), x)
    (3, None, None)
    """
    ratio = sp.simplify(sum(x * sp.diff(f, x) for x in variables) / f)
    return None if ratio.has(*variables) else ratio


def averaging_gap(activations: Any, gradients: Any) -> Any:
    """What Grad-CAM's second approximation costs: Σ_ij HiResCAM - Σ_ij Grad-CAM = Z Σ_k Cov_ij(g^k, A^k).

    The covariance over the Z cells divides by Z (`torch.cov` and `numpy.cov` divide by Z - 1). It is 0 where the
    gradient is the same in each cell. activations, gradients (..., K, h, w) -> (...), in logits; also for symbols.

    >>> import torch
    >>> averaging_gap(torch.tensor([[[2.0, 1.0]]]), torch.tensor([[[1.0, -1.0]]]))  # 1 - 0
    tensor(1.)
    """
    spread = gradients - gradients.mean((-2, -1))[..., None, None]
    return (spread * (activations - activations.mean((-2, -1))[..., None, None])).sum((-3, -2, -1))
