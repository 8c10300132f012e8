"""Lesson 1: what an input contributes to a linear model, and what hides in that number."""

import sympy as sp
import torch
from torch.nn import functional as nn

from course_lib.theory.formula import Lazy, Pairs, formula, gradient

linear = Lazy("course_lib.methods.linear")
BOOK = "Hastie, Tibshirani, Friedman, The Elements of Statistical Learning (2009)"
Y = sp.Symbol("y", real=True)


def _fitted() -> list[sp.Expr]:
    """The weights that least squares gives x1 = y + d, x2 = d for uncorrelated y and d, less (1, -1)."""
    y, d = sp.symbols("y d", positive=True)  # the variances
    return list(sp.simplify(sp.Matrix([[y + d, d], [d, d]]).LUsolve(sp.Matrix([y, 0])) - sp.Matrix([1, -1])))


def _least_squares(z: torch.Tensor, d: torch.Tensor) -> Pairs:
    fitted = torch.linalg.lstsq(torch.stack([z + d, d], -1), z[:, None]).solution[:, 0]
    return [(fitted, torch.tensor([1.0, -1.0], dtype=torch.float64))]


formula("linear-layer", "definition", r"y_j = \sum_i w_{ij}\, x_i + b_j",
        "An output of a linear model is a weighted sum of the inputs plus a bias.", BOOK,
        lambda V, w, z: [(linear.contributions(V, w).sum(-1) + z, nn.linear(w, V, z))])
formula("contribution", "definition", r"\phi_{ij} = w_{ij}\, x_i", "What input i adds to output j.", BOOK,
        lambda V, w: [(linear.contributions(V, w), torch.einsum("ji,i->ji", V, w))])
formula("contribution-baseline", "identity", r"y_j(x) - y_j(x') = \sum_i w_{ij}\,(x_i - x'_i)",
        "A contribution compares the input with a baseline; w x compares it with 0.", BOOK,
        lambda W, x, u, b: [(linear.contributions(W[None], x - u)[0].sum(), (W @ x + b) - (W @ u + b))])
formula("input-shift", "identity", r"\sum_i w_i x_i + b = \sum_i w_i (x_i + s_i) + \Big(b - \sum_i w_i s_i\Big)",
        "Another zero point of the inputs leaves output and gradient as they were and changes each contribution.",
        "Kindermans et al., The (Un)reliability of Saliency Methods (2019)",
        lambda W, x, s, b: [(W @ (x + s) + (b - W @ s), W @ x + b),
                            (gradient(lambda at: W @ (at + s) + (b - W @ s), x), gradient(lambda at: W @ at + b, x))],
        counterexamples={"the contribution: w = 2, x = 3, s = 1": lambda: (2.0 * (3.0 + 1.0), 2.0 * 3.0)})
formula("unit", "identity", r"\frac{w_i}{r}\,(r\,x_i) = w_i x_i",
        "Another unit of an input changes its weight and leaves its contribution as it was.", BOOK,
        lambda W, x, r: [(linear.contributions(W[None] / r, r * x), linear.contributions(W[None], x))],
        counterexamples={"the weight: metres to centimetres": lambda: (2.0 / 100.0, 2.0)})
formula("suppressor", "identity", r"x_1 = y + d,\quad x_2 = d \;\Rightarrow\; \hat y = 1 \cdot x_1 - 1 \cdot x_2",
        "The second input says nothing of y, and yet its weight is as large as the first one's.",
        "Haufe et al., NeuroImage 87 (2014)", _least_squares, prove=_fitted)
formula("log-odds", "identity", r"p = \frac{1}{1 + e^{-y}} \iff \ln \frac{p}{1 - p} = y = \sum_i w_i x_i + b",
        "Contributions to a logistic regression are in log-odds: they add up there, not in the probability.", BOOK,
        lambda W, x, b: [(torch.logit(torch.sigmoid(W @ x + b)), W @ x + b)],
        prove=lambda: [sp.log(sp.simplify(1 / (1 + sp.exp(-Y)) / (1 - 1 / (1 + sp.exp(-Y))))) - Y])
