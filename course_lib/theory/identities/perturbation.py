"""Lesson 8: what the answer does when the picture, or a layer, is changed."""

from itertools import product

import torch
from torch.nn import functional as nn

from course_lib.theory.formula import Array, Lazy, Pairs, formula
from course_lib.theory.identities.grad_cam import row

changes = Lazy("course_lib.methods.perturbation")
ZEILER, ZINTGRAF = "Zeiler & Fergus, ECCV 2014", "Zintgraf et al., ICLR 2017"
LI, FONG, RISE = "Li et al., arXiv 1612.08220 (2016)", "Fong & Vedaldi, ICCV 2017", "Petsiuk et al., BMVC 2018"


def _model(*layers: torch.nn.Module, weight: Array, bias: Array | None = None) -> torch.nn.Module:
    """Layers, then a linear one with these weights (classes, inputs)."""
    last = torch.nn.Linear(weight.shape[1], len(weight), bias is not None, dtype=weight.dtype)
    last.weight.data = weight
    if bias is not None:
        last.bias.data = bias.expand(len(weight))
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), last).eval()


def _covered(W: Array, x: Array, u: Array, b: Array) -> Pairs:
    """One input replaced: the first, the second, the third."""
    gaps = []
    for i in range(3):
        other = [u[j] if j == i else x[j] for j in range(3)]
        after = sum(w * value for w, value in zip(W, other, strict=True)) + b
        gaps.append(((W @ x + b) - after, W[i] * (x[i] - u[i])))
    return gaps


def _kept(W: Array, x: Array, b: Array, r: Array) -> Pairs:
    """The mean over every mask of three inputs, given that the first is kept; each is kept with probability r."""
    mean = sum(
        (r if m else 1 - r) * (r if n else 1 - r) * (W[0] * x[0] + m * W[1] * x[1] + n * W[2] * x[2] + b)
        for m, n in product((0, 1), repeat=2)
    )
    return [(mean, (1 - r) * W[0] * x[0] + r * (W @ x) + b)]


def _masked(W: Array, x: Array, b: Array) -> Pairs:
    picture = row(*x)[None]
    masks = torch.cat(list(changes.random_masks(picture, 5, 2, 0.5, 0, 5)))[:, 0]
    by_hand = torch.stack([((mask * x) @ W + b) * mask for mask in masks]).sum(0) / (5 * 0.5)
    return [(changes.rise(_model(weight=W[None], bias=b), picture, 0, 5, 2)[0, 0], by_hand)]


def _erased(A: Array, V: Array) -> Pairs:
    model = _model(torch.nn.Identity(), torch.nn.AdaptiveAvgPool2d(1), weight=V)
    got = changes.representation_erasure(model, A[None], 0, "0")[0, 1, 2]
    without = A.clone()
    without[:, 1, 2] = 0
    before, after = ((V @ one.mean((1, 2))).log_softmax(0)[0] for one in (A, without))
    return [(got, before - after)]


def _odds(W: Array, x: Array) -> Pairs:
    """The whole row as one patch, and one sample: the row shifted by one or two places."""
    weight, picture = torch.stack([W, 0 * W]), row(*x)[None]
    got = changes.prediction_difference(_model(weight=weight), picture.expand(1, 1, 1, 3), 0, 1, 1, 1, seed=0)
    shift = int(torch.randint(1, 3, (), generator=torch.Generator().manual_seed(0)))
    bits = [W[i] * (x[i] - x.roll(shift)[i]) / torch.tensor(2.0).log() for i in range(3)]
    return [(got[0, 0], torch.stack(bits).to(got))]


formula("occlusion", "definition", r"S_c(x) - S_c(x \text{ with patch } P \text{ replaced by a fill})",
        "Occlusion: what the logit loses when a patch is covered.", ZEILER + ", section 4.2",
        lambda W, x: [(changes.occlusion(_model(weight=W[None]), row(*x)[None], 0, 1, 1)[0, 0], W * x - W / 2)])
formula("occlusion-linear", "identity", r"S(x) - S(x \text{ with } x_i \to x'_i) = w_i\,(x_i - x'_i)",
        "On a linear model covering one input gives its contribution, with the fill for a baseline.", ZEILER, _covered,
        counterexamples={
            "a product: each input gets all of it": lambda: (3.0 * 4.0 + 3.0 * 4.0, 3.0 * 4.0),
            "a maximum of two equal inputs: neither gets anything": lambda: (2 * (max(5.0, 5.0) - max(0.0, 5.0)), 5.0)})
formula("prediction-difference", "definition",
        r"\log_2 \frac{p_c}{1 - p_c} - \log_2 \frac{\bar p_c}{1 - \bar p_c}, \qquad "
        r"\bar p_c = \frac{1}{n} \sum_{s=1}^{n} p_c(x \text{ with patch } P \text{ replaced by sample } s)",
        "Prediction difference: how much a patch changes the odds, averaged over what could stand there.",
        ZINTGRAF + ", equations 1 to 4", _odds)
formula("erasure", "definition", r"\ln p_c(A) - \ln p_c(A \text{ with } A_{ij} = 0)",
        "Representation erasure: what the log-likelihood loses without a cell of a layer.", LI + ", eq. 1", _erased)
formula("meaningful-perturbation", "definition",
        r"\lambda_1\, \bar m + \lambda_2\, \overline{|\nabla m|} + p_c\big((1 - m)\, x + m\, x'\big)",
        "Meaningful perturbation: the price of a mask m, which is minimized.", FONG + ", equations 3 and 4",
        lambda A, r: [(changes.price(A[:1, None], r, 0.3, 0.2)[0],
                       0.3 * A[0].mean() + 0.2 * (nn.l1_loss(A[0, :, 1:], A[0, :, :-1], reduction="sum")
                                                  + nn.l1_loss(A[0, 1:], A[0, :-1], reduction="sum")) / 6 + r)])
formula("rise", "definition", r"\frac{1}{N q} \sum_{n=1}^{N} S_c(x \odot m^n)\, m^n_i",
        "RISE: the mean score of randomly masked pictures, weighted by how far pixel i was kept (share kept q).",
        RISE + ", equation 6", _masked)
formula("rise-linear", "identity", r"E[S \mid m_i = 1] = (1 - q)\, w_i x_i + q \sum_j w_j x_j + b",
        "On a linear model and independent masks RISE is the contribution, shrunk, on a level that all pixels share.",
        RISE, _kept)
