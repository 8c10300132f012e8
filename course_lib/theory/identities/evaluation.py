"""Lesson 9: the scores that an explanation gets."""

from collections.abc import Callable, Sequence

import sympy as sp
import torch

from course_lib.theory.formula import Array, Lazy, Pairs, formula

scores, faithful = Lazy("course_lib.evaluation"), Lazy("course_lib.faithfulness")
RISE, OURS = "Petsiuk, Das, Saenko, BMVC 2018", "worked out in the lesson"


def area(order: Sequence[int], W: Array, x: Array) -> Array:
    """The area under the deletion curve of f = W · x when the inputs are set to 0 in this order (trapezoids)."""
    left = [sum(W[i] * x[i] for i in order[gone:]) for gone in range(len(order) + 1)]
    return sum((left[k] + left[k + 1]) / 2 for k in range(len(order))) / len(order)


def _pixels(values: Array) -> Array:
    return torch.as_tensor(values, dtype=torch.float64)[None, None]


def _deleted(x: Array) -> Pairs:
    """The curve of two classes with logits Σ x and 0, pixels set to 0 from the largest on."""
    pictures = x.abs()[None, None, None] + 1
    curve = faithful.deletion_curve(lambda at: torch.stack([at.sum((1, 2, 3)), 0 * at[:, 0, 0, 0]], 1),
                                    pictures, torch.tensor([0]), pictures[:, 0], "black", steps=3)
    p = torch.sigmoid(torch.cat([pictures.flatten().sort().values.cumsum(0).flip(0), x.new_zeros(1)]))
    return [(torch.trapezoid(curve, dx=1 / 3)[0], (p[0] + p[3]) / 6 + (p[1] + p[2]) / 3)]


def _cube_area(order: Sequence[int]) -> float:
    """The area for f = x₁³ + x₂ at (1, 2), where gradient x input gives 3 and 2."""
    left = [sum((1.0, 2.0)[i] for i in order[gone:]) for gone in range(3)]
    return (left[0] + 2 * left[1] + left[2]) / 4


def _keeps_order(x: Array, rescale: Callable[[Array], Array]) -> Pairs:
    other = _pixels([3.0, 1.0, 2.0])
    return [(scores.rank_correlation(_pixels(rescale(x)), other), scores.rank_correlation(_pixels(x), other))]


def _difference_of_cubes() -> list[sp.Expr]:
    """h = t³ + t: h(a) - h(b) has the sign of a - b, the other factor being at least 1."""
    a, b = sp.symbols("a b", real=True)
    factor = ((a + b / 2) ** 2 + sp.Rational(3, 4) * b**2) + 1
    return [sp.expand((a**3 + a) - (b**3 + b) - (a - b) * factor)]


formula("mass-in-mask", "definition", r"\frac{\sum_{p \in \mathrm{mask}} \max(M_p, 0)}{\sum_p \max(M_p, 0)}",
        "The share of a map's evidence for the class that lies on the object.", "Wang et al., CVPR Workshops 2020",
        lambda x: [(scores.mass_in_mask(_pixels(x.abs()), _pixels([1, 0, 1])), (x[0].abs() + x[2].abs())[None]
                    / x.abs().sum())])
formula("rank-correlation", "definition",
        r"\rho = \frac{\sum_p (r_p - \bar r)(s_p - \bar s)}{\sqrt{\sum_p (r_p - \bar r)^2 \sum_p (s_p - \bar s)^2}}",
        "Two maps agree in the order of their places: r and s are the ranks of their values.", "Spearman (1904)",
        lambda x, u: [(scores.rank_correlation(_pixels(x), _pixels(u))[0], torch.corrcoef(
            torch.stack([one.argsort().argsort().double() for one in (x, u)]))[0, 1])])
formula("deletion", "definition",
        r"\frac{1}{n} \sum_{k=1}^{n} \frac{p_c(k-1) + p_c(k)}{2}",
        "The area under the curve of the probability when the first k of n portions of the pixels are gone.",
        RISE, _deleted)
formula("deletion-exchange", "identity",
        r"f = \sum_i w_i x_i: \quad \mathrm{area}(\dots, a, b, \dots) - \mathrm{area}(\dots, b, a, \dots) "
        r"= \frac{w_b x_b - w_a x_a}{n}",
        "For a linear model, deleting the larger contribution first makes the area smaller, so that deleting in the "
        "order of the contributions is best.", OURS,
        lambda W, x: [(area((0, 1, 2), W, x) - area((1, 0, 2), W, x), (W[1] * x[1] - W[0] * x[0]) / 3),
                      (area((2, 0, 1), W, x) - area((2, 1, 0), W, x), (W[1] * x[1] - W[0] * x[0]) / 3)],
        counterexamples={"gradient x input of a curve": lambda: (_cube_area((0, 1)) - _cube_area((1, 0)), (2 - 3) / 2)})
formula("rescaling", "identity", r"h \text{ strictly increasing} \implies h(M_p) > h(M_q) \iff M_p > M_q",
        "A strictly increasing rescaling of a map changes neither its peak nor any order of its places, so pointing, "
        "rank correlation, deletion and insertion stay; the mass in the mask doesn't.", OURS,
        lambda x: _keeps_order(x, torch.exp) + _keeps_order(x, lambda m: m**3 + m), prove=_difference_of_cubes,
        counterexamples={
            "the mass in the mask": lambda: tuple(
                scores.mass_in_mask(_pixels(m), _pixels([1, 0])) for m in ([1.0, 3.0], [1.0, 27.0])),
            "the absolute value": lambda: _keeps_order(torch.tensor([-3.0, 1.0, 2.0]).double(), torch.abs)[0]})
