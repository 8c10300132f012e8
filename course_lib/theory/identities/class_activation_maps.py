"""Lesson 2: the sum that becomes a map."""

import torch
from torch.nn import functional as nn

from course_lib.theory.formula import Array, Lazy, formula, gradient, softmax

cams, steps = Lazy("course_lib.methods.cam"), Lazy("course_lib.methods.steps")
ZHOU, OURS = "Zhou et al., CVPR 2016", "worked out in the lesson"


def gap_linear(A: Array, w: Array, b: Array = 0) -> Array:
    """Global average pooling, then one linear layer: the logit."""
    return (w * A.mean((-2, -1))).sum(-1) + b


def emptied(A: Array) -> Array:
    """A with cell (0, 1) set to 0."""
    return A - A * gradient(lambda at: at[:, 0, 1].sum(), A)


formula("gap", "definition", r"F_k = \frac{1}{Z} \sum_{i,j} A^k_{ij}",
        "Global average pooling keeps of each channel its mean over the Z cells.", "Lin, Chen, Yan, ICLR 2014",
        lambda A: [(nn.adaptive_avg_pool2d(A, 1).flatten(), A.sum((1, 2)) / 6)])
formula("cam-line-1", "definition", r"S_c = \sum_k w_k^c F_k + b_c",
        "The logit is a linear model of the pooled channels.", ZHOU,
        lambda A, V, z: [(nn.linear(nn.adaptive_avg_pool2d(A, 1).flatten(), V, z), gap_linear(A, V, z))])
formula("softmax", "definition", r"p_c = \frac{e^{S_c}}{\sum_{c'} e^{S_{c'}}}",
        "The softmax makes probabilities of the logits.", "Bridle (1990)",
        lambda z: [(torch.softmax(z, -1), z.exp() / z.exp().sum())])
formula("cam", "definition", r"M_c(i, j) = \sum_k w_k^c A^k_{ij}",
        "The class activation map: what each cell adds to the logit.", ZHOU + ", equation 2",
        lambda A, w: [(cams.cam(A, w), torch.einsum("k,kij->ij", w, A))])
formula("cam-sum-swap", "identity",
        r"S_c = \sum_k w_k^c\, \frac{1}{Z} \sum_{i,j} A^k_{ij} + b_c "
        r"= \frac{1}{Z} \sum_{i,j} \sum_k w_k^c A^k_{ij} + b_c = \frac{1}{Z}\sum_{i,j} M_c(i, j) + b_c",
        "Swapping the two sums makes of the logit the mean of a map, plus a bias that has no place on it.", ZHOU,
        lambda A, w, b: [(cams.cam(A, w).mean() + b, gap_linear(A, w, b))],
        counterexamples={"sum for mean": lambda: (cams.cam(torch.ones(1, 1, 2), torch.ones(1)).sum(), 1.0)})
formula("cam-sum-pooling", "identity", r"S_c = \sum_k w_k^c \sum_{i,j} A^k_{ij} = \sum_{i,j} M_c(i, j)",
        "With sums for means and no bias, as its authors write it, the map adds up to the logit.", ZHOU,
        lambda A, w: [(cams.cam(A, w).sum(), (w * A.sum((-2, -1))).sum())])
formula("cam-occlusion", "identity",
        r"S_c(A) - S_c(A \text{ with cell } (i, j) \text{ set to } 0) = \frac{1}{Z} M_c(i, j)",
        "A cell of the map, divided by Z, is what the logit loses when the cell is emptied.", OURS,
        lambda A, w, b: [(gap_linear(A, w, b) - gap_linear(emptied(A), w, b), cams.cam(A, w)[0, 1] / 6)])
formula("cam-shift", "identity",
        r"w_k^c \to w_k^c + v_k \text{ for all } c: \quad p_c \to p_c, \quad M_c \to M_c + \sum_k v_k A^k_{ij}, \quad "
        r"M_c - \tfrac{1}{C} \sum_{c'} M_{c'} \text{ stays}",
        "One vector added to the weights of all classes changes no probability but every map; less the mean map of the "
        "classes, the map stays.", ZHOU,
        lambda A, V, v: [(softmax(gap_linear(A, V + v)), softmax(gap_linear(A, V))),
                         (cams.cam(A, V[0] + v), cams.cam(A, V[0]) + cams.cam(A, v)),
                         (cams.cam(A, (V + v)[0] - (V + v).mean(0)), cams.cam(A, V[0] - V.mean(0)))])
formula("min-max", "definition", r"\hat M(i, j) = \frac{M(i, j) - \min M}{\max M - \min M}",
        "Scaled to 0 to 1 by its own extremes: colours compare places of one map, never two pictures.", OURS,
        lambda g: [(steps.normalize(g[0]), (g[0] - g[0].min()) / (g[0].max() - g[0].min()))])
