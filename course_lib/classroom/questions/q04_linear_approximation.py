"""The questions of lesson 4: linear approximation, from sympy to integrated gradients."""

import math
from collections.abc import Callable
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from course_lib.classroom.questions import SEED, Mistake, Question, pictures
from course_lib.classroom.questions.kinds import choice, conditions, drawn
from course_lib.classroom.questions.material import Bent, bent, curve, positive_symbol, values_at

TANGENT_OF = "1. say what gradient x input claims, from which baseline, and compute it with sympy"
WHICH = "2. tell for which functions it is right, for which it is merely in proportion"
COSTS = "6. measure in a network what each of Grad-CAM's two approximations costs"


# --------------------------------------------------------------------------------------------- 1. the tangent


def tangent_share(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    return float(((x - baseline) * sp.diff(f, x)).subs(x, at))


def _places(seed: int) -> list[tuple[Any, ...]]:
    generator = torch.Generator().manual_seed(seed)
    extra = [round(float(part), 2) for part in torch.rand(4, generator=generator)]
    return [("cube", 2.0 + extra[0], 0.0), ("logarithm", 3.0 + extra[1], 1.0),
            ("root", 0.3 + extra[2] / 5, 1.5 + extra[3])]  # fmt: skip


def _of(answer: Callable[[Callable[[float], float], Callable[[float], float], float, float], float]) -> Any:
    """A wrong answer from the function, its slope, the point and the baseline."""

    def wrong(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
        slope = sp.diff(f, x)
        return answer(lambda value: _number(f, x, value), lambda value: _number(slope, x, value), at, baseline)

    return wrong


def _number(f: sp.Expr, x: sp.Symbol, value: float) -> float:
    number = complex(f.subs(x, value))
    return number.real if abs(number) < 1e9 else 1e9


TANGENT = Question(
    name="tangent_share",
    objective=TANGENT_OF,
    minutes=8,
    difficulty=1,
    points=3,
    signature="def tangent_share(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:",
    shapes="an expression f of the symbol x, a point and a baseline -> what gradient x input attributes, a number",
    reference=tangent_share,
    inputs=_places,
    prepare=curve,
    mistakes=(
        Mistake("from 0 whatever the baseline", _of(lambda f, g, x, u: x * g(x)),
                "Follow the tangent back to the baseline that is given: (x - baseline) times the slope."),
        Mistake("the slope alone", _of(lambda f, g, x, u: g(x)), "Multiply by the way from the baseline to x."),
        Mistake("the slope at the baseline", _of(lambda f, g, x, u: (x - u) * g(u) if u else 0.0),
                "The tangent touches at x: take the slope there."),
        Mistake("the value itself", _of(lambda f, g, x, u: f(x)),
                "That is what there is to explain, not the estimate."),
        Mistake("the true difference", _of(lambda f, g, x, u: f(x) - f(u)),
                "That is what really happens between baseline and x; the tangent says something else."),
        Mistake("the slope in the middle", _of(lambda f, g, x, u: (x - u) * g((x + u) / 2)),
                "That is integrated gradients with one step."),
        Mistake("the value added", _of(lambda f, g, x, u: f(x) + (x - u) * g(x)), "The tangent's fall alone."),
        Mistake("where the tangent arrives", _of(lambda f, g, x, u: f(x) - (x - u) * g(x)),
                "That is the tangent's value at the baseline; asked is how far it fell on the way."),
        Mistake("baseline less x", _of(lambda f, g, x, u: (u - x) * g(x)), "From the baseline to x: x - baseline."),
        Mistake("the distance without its sign", _of(lambda f, g, x, u: abs(x - u) * g(x)),
                "Where x lies below the baseline, the way is negative."),
    ),
    hints=("sp.diff(f, x) is the slope; .subs(x, at) puts a number in; float(...) makes a plain number of it.",
           "(at - baseline) times the slope at `at`.",
           "float((at - baseline) * sp.diff(f, x).subs(x, at))"),
    picture="the value of x³ + x and the fall of its tangent at x = 2 on the way back to 0",
    draw=lambda: pictures.curves(
        torch.linspace(0, 2.2, 40),
        {"x³ + x": torch.linspace(0, 2.2, 40) ** 3 + torch.linspace(0, 2.2, 40),
         "tangent at 2": 10 + 13 * (torch.linspace(0, 2.2, 40) - 2)}, "x", "value"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 2. the remainder


def left_out(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    return float(f.subs(x, at) - f.subs(x, baseline)) - tangent_share(f, x, at, baseline)


LEFT_OUT = Question(
    name="left_out",
    objective="3. give the remainder: what the straight line leaves out",
    minutes=6,
    difficulty=2,
    points=3,
    signature="def left_out(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:",
    shapes="an expression f of the symbol x, a point and a baseline -> the remainder, a number",
    reference=left_out,
    inputs=_places,
    prepare=curve,
    mistakes=(
        Mistake("f(baseline) taken for 0", _of(lambda f, g, x, u: f(x) - (x - u) * g(x)),
                "What there is to explain is f(x) - f(baseline)."),
        Mistake("the tangent from 0", _of(lambda f, g, x, u: f(x) - f(u) - x * g(x)),
                "The tangent goes back to the baseline: (x - baseline) times the slope."),
        Mistake("estimate less truth", _of(lambda f, g, x, u: (x - u) * g(x) - (f(x) - f(u))),
                "Truth = estimate + remainder, so the remainder is truth less estimate."),
        Mistake("the size without its sign", _of(lambda f, g, x, u: abs(f(x) - f(u) - (x - u) * g(x))),
                "The sign says whether the tangent promised too much (negative) or too little."),
        Mistake("the slope at the baseline", _of(lambda f, g, x, u: f(x) - f(u) - (x - u) * g(u)),
                "The tangent touches at x, not at the baseline."),
        Mistake("the share that is left out", _of(lambda f, g, x, u: 1 - (x - u) * g(x) / (f(x) - f(u))),
                "The difference itself, in units of f."),
        Mistake("the truth", _of(lambda f, g, x, u: f(x) - f(u)), "Now take off what the tangent says."),
        Mistake("the estimate", _of(lambda f, g, x, u: (x - u) * g(x)),
                "This is what the line says, not what it misses."),
        Mistake("the second-order term only", lambda f, x, at, u: float(-sp.diff(f, x, 2).subs(x, at) / 2 * (at - u)
                ** 2),
                "That is the first term of what is missing; the curvature changes on the way."),
    ),
    hints=("Truth = estimate + remainder. The truth is f(x) - f(baseline).",
           "With your own tangent_share: f(at) - f(baseline) - tangent_share(f, x, at, baseline)."),
    picture="the gap between a curve and its tangent, measured at the baseline",
    draw=lambda: pictures.bars(["ln 8 - ln 1", "the tangent says", "remainder"],
                               [math.log(8), 7 / 8, math.log(8) - 7 / 8], "value"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 3. in proportion


def threefold(x: sp.Symbol) -> sp.Expr:
    return 2 * x**3


THREEFOLD = Question(
    name="threefold",
    objective=WHICH,
    minutes=8,
    difficulty=2,
    points=3,
    signature="def threefold(x: sp.Symbol) -> sp.Expr:",
    shapes="x, a symbol above 0 -> f(x) as an expression of sympy's, with x f'(x) = 3 f(x) everywhere and f(1) = 2",
    reference=threefold,
    inputs=lambda seed: [(torch.tensor([1.0, 2.0]).double(),), (drawn(seed, 6).exp(),)],
    prepare=positive_symbol,
    back=values_at,
    mistakes=(
        Mistake("the constant forgotten", lambda x: x**3, "In proportion it is, but f(1) should be 2."),
        Mistake("a line", lambda x: 2 * x, "For lines gradient x input gives the value itself, not three times it."),
        Mistake("a steep line", lambda x: 6 * x - 4, "At 1 it fits. At 2?"),
        Mistake("a square", lambda x: 2 * x**2, "x times its slope is twice its value."),
        Mistake("an exponential", lambda x: 2 * sp.exp(3 * (x - 1)),
                "f' = 3 f solves another equation: here x f' = 3 f."),
        Mistake("3 to the power of x", lambda x: 2 * 3 ** (x - 1), "The variable is the base, the 3 the exponent."),
        Mistake("a logarithm", lambda x: 2 + 6 * sp.log(x), "Its x f' is 6 everywhere, whatever its value."),
        Mistake("a cube and a constant", lambda x: x**3 + 1,
                "The constant has no slope: x f' = 3 x³, which isn't 3 f."),
        Mistake("a cube and a line", lambda x: x**3 + x, "Two degrees in one sum are in proportion to neither."),
        Mistake("a root", lambda x: 2 * sp.cbrt(x), "The other way round: x f' is a third of f."),
        Mistake("a cube on its side", lambda x: 2 * x**-3, "Here x f' = -3 f."),
        Mistake("multiplied in the wrong place", lambda x: (2 * x) ** 3, "f(1) = 2 needs the 2 outside the power."),
        Mistake("the slope", lambda x: 6 * x**2, "That is f'. Which f has it?"),
    ),
    hints=("x f' = 3 f is a differential equation: sp.dsolve solves it.",
           "Try C x^k: x f' = k C x^k. Which k? Which C gives f(1) = 2?"),
    picture="f and its x f', which is three times as high everywhere",
    draw=lambda: pictures.curves(
        torch.linspace(0.05, 1.5, 40),
        {"f": 2 * torch.linspace(0.05, 1.5, 40) ** 3, "x f'": 6 * torch.linspace(0.05, 1.5, 40) ** 3}, "x", "value"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 4. the order flips


def order_flip() -> tuple[float, float, float, float]:
    return 3.0, 1.0, 1.0, 2.0


def _flips(case: tuple[Any, ...], given: Any) -> tuple[str, ...]:
    p, q, a, b = (float(part) for part in given)
    if min(a, b) <= 0:
        return conditions({"both inputs are above 0": False})
    return conditions({
        "the first term is smaller than the second, by 10 % or more": a**p < 0.9 * b**q,
        "the first term isn't the larger one": a**p <= b**q,
        "gradient x input puts the first input first, by 10 % or more": p * a**p > 1.1 * q * b**q,
        "the two degrees differ": p != q,
        "the two terms differ": abs(a**p - b**q) > 1e-9,
        "both degrees are 1 or more": min(p, q) >= 1,
    })  # fmt: skip


FLIP = Question(
    name="order_flip",
    objective="4. build a case in which the order of two inputs flips",
    minutes=8,
    difficulty=2,
    points=2,
    signature="def order_flip() -> tuple[float, float, float, float]:",
    shapes="-> degrees p, q of 1 or more and inputs a, b above 0, for f = x₁^p + x₂^q at (a, b)",
    reference=order_flip,
    inputs=lambda seed: [()],
    observe=_flips,
    mistakes=(
        Mistake("one degree", lambda: (3.0, 3.0, 1.0, 2.0), "With one degree everything is overstated alike: no flip."),
        Mistake("the larger term first", lambda: (3.0, 1.0, 2.0, 1.0), "There both agree that the first matters more."),
        Mistake("the larger degree second", lambda: (1.0, 3.0, 1.0, 2.0),
                "Overstate the *smaller* term, which is first."),
        Mistake("two equal terms", lambda: (3.0, 1.0, 1.0, 1.0), "The first term should be smaller, by 10 % or more."),
        Mistake("a degree below 1", lambda: (1.0, 0.25, 1.0, 16.0), "Degrees of 1 or more."),
        Mistake("an input that isn't above 0", lambda: (3.0, 1.0, -1.0, 2.0), "Inputs above 0."),
    ),
    hints=("Gradient x input gives p a^p and q b^q where the terms are a^p and b^q.",
           "Take terms 1 and 2. Which p overstates the first one beyond the second?"),
    picture="the two terms, and what gradient x input says of them: the order flips",
    draw=lambda: pictures.bars(["term of x₁", "term of x₂", "x₁, says the tangent", "x₂, says the tangent"],
                               [1.0, 2.0, 3.0, 2.0], "value"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 5. the whole path


def path_shares(f: Bent, x: Tensor, baseline: Tensor, steps: int) -> Tensor:
    return (x - baseline) * _slopes(f, x, baseline, (torch.arange(steps) + 0.5) / steps).mean(0)


def _slopes(f: Bent, x: Tensor, baseline: Tensor, t: Tensor) -> Tensor:
    """The gradient at shares t of the way from the baseline to x: (steps, n)."""
    with torch.enable_grad():
        points = (baseline + t.double()[:, None] * (x - baseline)).detach().requires_grad_()
        return torch.autograd.grad(f(points).sum(), points)[0]


def _bent_cases(seed: int) -> list[tuple[Any, ...]]:
    cases: list[tuple[Any, ...]] = []
    for n, steps in ((2, 4), (4, 5)):
        weights, powers = drawn(seed + n, n), 1.0 + torch.arange(n) % 3
        weights[0] = -5.0  # a slope that is negative all the way
        cases.append((weights, powers, drawn(seed + 10 + n, n) + 2, drawn(seed + 20 + n, n) / 2, steps))
    return cases


def _middle(steps: int) -> Tensor:
    return (torch.arange(steps) + 0.5) / steps


PATH = Question(
    name="path_shares",
    objective="5. compute integrated gradients, and check that they are complete",
    minutes=15,
    difficulty=3,
    points=6,
    signature="def path_shares(f: Bent, x: Tensor, baseline: Tensor, steps: int) -> Tensor:",
    shapes="f takes points (..., n) and gives values (...); x, baseline (n,) -> integrated gradients (n,)",
    reference=path_shares,
    inputs=_bent_cases,
    prepare=bent,
    mistakes=(
        Mistake("the slope at x only", lambda f, x, u, s: (x - u) * _slopes(f, x, u, torch.ones(1))[0],
                "That is gradient x input. Ask for the slope all along the way."),
        Mistake("the slope at the baseline only", lambda f, x, u, s: (x - u) * _slopes(f, x, u, torch.zeros(1))[0],
                "Ask for the slope all along the way."),
        Mistake("one point in the middle", lambda f, x, u, s: (x - u) * _slopes(f, x, u, torch.tensor([0.5]))[0],
                "Take `steps` points, each in the middle of its piece of the way."),
        Mistake("points at the beginning of each piece", lambda f, x, u, s: (
            x - u) * _slopes(f, x, u, torch.arange(s) / s).mean(0), "The middle of each piece: (m + 0.5) / steps."),
        Mistake("points at the end of each piece", lambda f, x, u, s: (
            x - u) * _slopes(f, x, u, (torch.arange(s) + 1) / s).mean(0),
                "The middle of each piece: (m + 0.5) / steps."),
        Mistake("points with both ends", lambda f, x, u, s: (x - u) * _slopes(f, x, u, torch.linspace(0, 1, s)).mean(0),
                "The middle of each piece: (m + 0.5) / steps."),
        Mistake("not multiplied by the way", lambda f, x, u, s: _slopes(f, x, u, _middle(s)).mean(0),
                "Multiply the mean slope by x - baseline: without it nothing adds up."),
        Mistake("multiplied by x", lambda f, x, u, s: x * _slopes(f, x, u, _middle(s)).mean(0),
                "The way begins at the baseline: x - baseline."),
        Mistake("from 0 whatever the baseline", lambda f, x, u, s: path_shares(f, x, 0 * u, s),
                "The path begins at the baseline that is given."),
        Mistake("a path from 0, a way from the baseline", lambda f, x, u, s: (
            x - u) * _slopes(f, x, 0 * u, _middle(s)).mean(0), "The points: baseline + t (x - baseline)."),
        Mistake("t times the way, without the baseline", lambda f, x, u, s: (
            x - u) * _slopes(f, x - u, 0 * u, _middle(s)).mean(0), "The points: baseline + t (x - baseline)."),
        Mistake("the sum for the mean", lambda f, x, u, s: s * path_shares(f, x, u, s),
                "Each piece is 1/steps of the way: take the mean."),
        Mistake("absolute slopes", lambda f, x, u, s: (x - u) * _slopes(f, x, u, _middle(s)).abs().mean(0),
                "Slopes of both signs, or nothing adds up."),
        Mistake("backwards", lambda f, x, u, s: -path_shares(f, x, u, s), "From the baseline to x: x - baseline."),
    ),
    hints=("t = (m + 0.5) / steps for m = 0 ... steps - 1; the points are baseline + t (x - baseline).",
           "All points at once: points of shape (steps, n), then torch.autograd.grad(f(points).sum(), points)[0].",
           "The mean of these gradients over the points, times (x - baseline)."),
    picture="one bar an input; together they are f(x) - f(baseline)",
    draw=lambda: pictures.bars(["x₁", "x₂", "x₃", "x₄"], path_shares(*bent(*_bent_cases(SEED)[1])), "share of f"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 6. what averaging drops


def averaging_drops(activations: Tensor, gradients: Tensor) -> Tensor:
    return ((gradients - gradients.mean((2, 3), keepdim=True)) * activations).sum((1, 2, 3))


def _pair(seed: int) -> list[tuple[Any, ...]]:
    return [(drawn(seed + n, *shape), drawn(seed + 10 + n, *shape))
            for n, shape in enumerate([(1, 1, 1, 2), (2, 3, 4, 5)])]  # fmt: skip


def _covariances(A: Tensor, g: Tensor) -> Tensor:
    return ((g - g.mean((2, 3), keepdim=True)) * (A - A.mean((2, 3), keepdim=True))).sum((2, 3))


AVERAGING = Question(
    name="averaging_drops",
    objective=COSTS,
    minutes=10,
    difficulty=2,
    points=4,
    signature="def averaging_drops(activations: Tensor, gradients: Tensor) -> Tensor:",
    shapes="activations, gradients (B, K, h, w) -> (B,): the sum of HiResCAM less the sum of Grad-CAM, in logits",
    reference=averaging_drops,
    inputs=_pair,
    mistakes=(
        Mistake("the sum of HiResCAM", lambda A, g: (g * A).sum((1, 2, 3)), "Now take off the sum of Grad-CAM."),
        Mistake("the sum of Grad-CAM", lambda A, g: (g.mean((2, 3), keepdim=True) * A).sum((1, 2, 3)),
                "This is what is kept. What is dropped?"),
        Mistake("the means", lambda A, g: _covariances(A, g).sum(1) / A[0, 0].numel(),
                "The sums over the cells: the covariance counts Z times."),
        Mistake("divided by Z - 1", lambda A, g: _covariances(A, g).sum(1) * A[0, 0].numel() / (A[0, 0].numel() - 1),
                "This covariance divides by Z; torch.cov divides by Z - 1."),
        Mistake("the mean over the channels", lambda A, g: _covariances(A, g).mean(1), "Add the channels up."),
        Mistake("the size channel by channel", lambda A, g: _covariances(A, g).abs().sum(1),
                "Channels may cancel: keep their signs."),
        Mistake("the size", lambda A, g: _covariances(A, g).sum(1).abs(), "Keep the sign: Grad-CAM may give too much."),
        Mistake("pooled over the batch", lambda A, g: (g * A).sum((1, 2, 3)) - (
            g.mean((0, 2, 3), keepdim=True) * A).sum((1, 2, 3)), "Each picture has weights of its own."),
        Mistake("after each ReLU", lambda A, g: (g * A).sum(1).relu().sum((1, 2)) - (
            g.mean((2, 3), keepdim=True) * A).sum(1).relu().sum((1, 2)), "The raw maps: after a ReLU nothing adds up."),
        Mistake("one number for the batch", lambda A, g: _covariances(A, g).sum().expand(len(A)),
                "Each picture has a loss of its own."),
        Mistake("Grad-CAM less HiResCAM", lambda A, g: -_covariances(A, g).sum(1), "The other way round."),
    ),
    hints=("HiResCAM keeps each cell's gradient, Grad-CAM takes their mean. Add up both maps, without a ReLU.",
           "(gradients * activations).sum(dim=(1, 2, 3)) is the sum of HiResCAM."),
    picture="two maps with different sums: the second has lost what cells with large gradients had",
    draw=lambda: pictures.maps({
        "HiResCAM": (_pair(SEED)[1][0] * _pair(SEED)[1][1]).sum(1)[0],
        "Grad-CAM": (_pair(SEED)[1][0] * _pair(SEED)[1][1].mean((2, 3), keepdim=True)).sum(1)[0]}),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 7. a choice

SATURATED = choice(
    "saturated",
    WHICH,
    "c",
    {
        "a": ("both see it", "At x = 2 the function is flat: its slope is 0, and so is gradient x input."),
        "b": ("the tangent sees it", "At x = 2 the slope is 0. It is the path that passes the steep part."),
        "d": ("neither sees it", "Between 0 and 1 the slope is 1, and the path from 0 to 2 passes there."),
    },
    ("What is the slope at 2? And at 1/2?", "Integrated gradients ask everywhere between baseline and x."),
)  # fmt: skip

QUESTIONS = (TANGENT, LEFT_OUT, THREEFOLD, FLIP, PATH, AVERAGING, SATURATED)
