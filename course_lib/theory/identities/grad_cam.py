"""Lesson 3: the gradient in place of the weight, and when that is exact."""

from collections.abc import Callable

import sympy as sp
import torch
from torch.nn import functional as nn

from course_lib.theory.formula import Array, Lazy, Pairs, formula, gradient, softmax, symbols
from course_lib.theory.identities.class_activation_maps import OURS, emptied, gap_linear

cams, steps = Lazy("course_lib.methods.cam"), Lazy("course_lib.methods.steps")
guided = Lazy("course_lib.methods.propagation")
GRAD_CAM, HIRES = "Selvaraju et al., ICCV 2017", "Draelos & Carin, arXiv 2011.08891 (2020)"
PLUS, LAYER, XGRAD = "Chattopadhay et al., WACV 2018", "Jiang et al., IEEE TIP 30 (2021)", "Fu et al., BMVC 2020"


def row(*values: float) -> Array:
    """One channel on a grid of one row, (1, 1, n)."""
    return torch.tensor([[values]], dtype=torch.float64)


def maps(score: Callable[[Array], Array], A: Array) -> tuple[Array, Array]:
    """Grad-CAM and HiResCAM of a score."""
    g = gradient(score, A)
    return cams.grad_cam(A, g), cams.hires_cam(A, g)


def _scaling_head(A: Array) -> Array:
    """GAP, then a head that isn't linear but scales with its input: F_1² / F_2."""
    return A.mean((-2, -1))[0] ** 2 / A.mean((-2, -1))[1]


def _of_probability(A: Array, V: Array) -> Pairs:
    p, alphas = softmax(gap_linear(A, V)), V / 6
    got = cams.neuron_importance(gradient(lambda at: softmax(gap_linear(at, V))[0], A))
    return [(got, p[0] * (alphas[0] - (p[:, None] * alphas).sum(0)))]


def _constant_gradient() -> list[sp.Expr]:
    """S(A) - S(0) = ∫₀¹ Σ g(tA) A dt on the ray from 0; with g = w_k / Z everywhere that is GAP and a linear layer."""
    A, w = symbols("A"), symbols("w")
    return [sp.simplify(sp.integrate((w[:, None, None] / 6 * A).sum(), (sp.Symbol("t"), 0, 1)) - gap_linear(A, w))]


formula("grad-cam-alpha", "definition", r"\alpha_k^c = \frac{1}{Z} \sum_{i,j} \frac{\partial S_c}{\partial A^k_{ij}}",
        "Grad-CAM's weight of a channel: the mean of its gradient over the cells.", GRAD_CAM + ", equation 1",
        lambda g: [(cams.neuron_importance(g), torch.einsum("kij->k", g) / 6)])
formula("grad-cam", "definition", r"L_c(i, j) = \sum_k \alpha_k^c A^k_{ij}",
        "The Grad-CAM map, signed, before its ReLU.", GRAD_CAM + ", equation 2",
        lambda A, g: [(cams.grad_cam(A, g), torch.einsum("k,kij->ij", g.sum((1, 2)) / 6, A))])
formula("grad-cam-relu", "definition", r"\mathrm{ReLU}(L_c) = \max(L_c,\ 0)",
        "What Grad-CAM shows: the cells that speak for the class.", GRAD_CAM + ", equation 2",
        lambda g: [(steps.relu(g), torch.maximum(g, 0 * g))])
formula("counterfactual", "identity", r"\mathrm{ReLU}(L_c) - \mathrm{ReLU}(-L_c) = L_c",
        "What speaks for the class less what speaks against it is the signed map.", GRAD_CAM + ", section 3.3",
        lambda g: [(steps.relu(g) - steps.counterfactual(g), g)],
        prove=lambda: [sp.simplify(sp.sympify("Max(m, 0) - Max(-m, 0) - m").rewrite(sp.Abs))],
        counterexamples={"the ReLU alone": lambda: (steps.relu(row(1, -2)), row(1, -2))})
formula("grad-cam-theorem", "theorem",
        r"S_c = \sum_k w_k^c F_k + b_c \iff \frac{\partial S_c}{\partial A^k_{ij}} = \frac{w_k^c}{Z} "
        r"\text{ for all } A, i, j \;\implies\; \alpha_k^c = \frac{w_k^c}{Z}, \quad L_c = \frac{1}{Z} M_c",
        "On GAP and one linear layer Grad-CAM is CAM, up to the factor 1/Z and before the ReLU.", GRAD_CAM,
        lambda A, w, b: [(gradient(lambda at: gap_linear(at, w, b), A), w[:, None, None] / 6 + 0 * A),
                         (maps(lambda at: gap_linear(at, w, b), A)[0], cams.cam(A, w) / 6)],
        converse=_constant_gradient,
        counterexamples={
            "flatten for GAP": lambda: (cams.grad_cam(row(1, 3), row(1, 0)), row(1, 0)[0]),
            "flatten for GAP, signs cancel": lambda: (cams.grad_cam(row(2, 1), row(1, -1)).sum(), 2.0 - 1.0),
            "maximum for mean": lambda: (maps(lambda A: A.amax(), row(1, 3))[0], row(0, 3)[0]),
            "two linear layers": lambda: (maps(lambda A: -nn.relu(3 - A.mean()), row(1, 3))[0].sum(), -1.0),
            "the layer before the ReLU": lambda: (maps(lambda A: nn.relu(A).mean(), row(-1, 3))[0], row(0, 3)[0] / 2),
            "the probability for the logit": lambda: (
                maps(lambda A: A.mean().sigmoid(), row(1, 3))[0], row(1, 3)[0] / 2)})
formula("gap-head", "identity", r"S_c = h(F_1, \dots, F_K) \;\implies\; L_c = H_c",
        "After GAP the gradient is the same in each cell, whatever follows: its average loses nothing.", HIRES,
        lambda A: [maps(_scaling_head, A), maps(lambda at: softmax(at.mean((-2, -1)))[0], A)],
        counterexamples={"flatten for GAP": lambda: maps(lambda A: A[0, 0, 0], row(1, 3))})
formula("hirescam", "definition", r"H_c(i, j) = \sum_k \frac{\partial S_c}{\partial A^k_{ij}}\, A^k_{ij}",
        "HiResCAM: each cell keeps its own gradient.", HIRES,
        lambda A, g: [(cams.hires_cam(A, g), torch.einsum("kij,kij->ij", g, A))])
formula("hirescam-sum", "identity",
        r"S_c = \sum_{k,i,j} w^c_{kij} A^k_{ij} + b_c \;\implies\; \sum_{i,j} H_c(i, j) = S_c - b_c, \quad "
        r"H_c(i, j) = S_c(A) - S_c(A \text{ with cell } (i, j) \text{ set to } 0)",
        "Where one linear layer reads every cell, HiResCAM adds up to the logit less the bias, and each cell is what "
        "the logit loses when it is emptied.", HIRES,
        lambda A, g, b: [(maps(lambda at: (g * at).sum() + b, A)[1].sum(), (g * A).sum()),
                         (cams.hires_cam(A, g)[0, 1], (g * A).sum() - (g * emptied(A)).sum())],
        counterexamples={"Grad-CAM's sum": lambda: (cams.grad_cam(row(2, 1), row(1, -1)).sum(), 2.0 - 1.0),
                         "Grad-CAM's cell": lambda: (cams.grad_cam(row(1, 3), row(1, 0))[0, 1], 1.0 - 1.0)})
formula("grad-cam-plus-plus", "definition",
        r"\alpha_k^{++} = \sum_{i,j} a^k_{ij}\, \mathrm{ReLU}\big(g^k_{ij}\big), \qquad "
        r"a^k_{ij} = \frac{(g^k_{ij})^2}{2\, (g^k_{ij})^2 + (g^k_{ij})^3 \sum_{a,b} A^k_{ab}}",
        "Grad-CAM++ weighs a channel by its positive gradients.", PLUS,
        lambda A, g: [(cams.grad_cam_plus_plus(A, g),
                       cams.cam(A, (g.clamp(min=0) / (2 + g * A.sum((1, 2), keepdim=True))).sum((1, 2))))])
formula("layer-cam", "definition", r"\sum_k \mathrm{ReLU}\big(g^k_{ij}\big)\, A^k_{ij}",
        "LayerCAM: HiResCAM with the positive gradients only.", LAYER,
        lambda A, g: [(cams.layer_cam(A, g), torch.einsum("kij,kij->ij", torch.maximum(g, 0 * g), A))])
formula("xgrad-cam", "definition",
        r"\sum_k \alpha_k^X A^k_{ij}, \qquad \alpha_k^X = \sum_{i,j} \frac{A^k_{ij}}{\sum_{a,b} A^k_{ab}}\, g^k_{ij}",
        "XGrad-CAM weighs each gradient by its cell's share of the channel.", XGRAD,
        lambda A, g: [(cams.xgrad_cam(A, g), cams.cam(A, (A / A.sum((1, 2), keepdim=True) * g).sum((1, 2))))])
formula("guided-grad-cam", "definition", r"R \cdot \mathrm{ReLU}\big(\mathrm{up}(L_c)\big)",
        "Guided Grad-CAM: the edges R of guided backpropagation where the Grad-CAM map is positive.", GRAD_CAM,
        lambda A, g: [(guided.guided_grad_cam(A[None], g[:1]), (A * torch.maximum(g[0], 0 * g[0]))[None])])
formula("softmax-derivative", "identity", r"\frac{\partial p_i}{\partial S_j} = p_i\,([i = j] - p_j)",
        "A probability depends on every logit, and on none of them once it is near 0 or 1.", "Bridle (1990)",
        lambda z: [(gradient(lambda at: softmax(at)[0], z),
                    softmax(z)[0] * (gradient(lambda at: at[0], z) - softmax(z)))])
formula("softmax-map", "identity", r"\alpha_k^{p_c} = p_c \Big(\alpha_k^c - \sum_j p_j\, \alpha_k^j\Big)",
        "The map of a probability is a contrast between classes, which fades to nothing as p nears 0 or 1.", OURS,
        _of_probability)
