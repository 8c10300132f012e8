"""Lesson 6: any score has a map, the map is linear in the score, and what a class token leaves of gradient and row."""

import numpy as np
import torch

from course_lib.theory.formula import Array, Lazy, Pairs, formula, gradient, softmax
from course_lib.theory.identities.class_activation_maps import OURS, gap_linear

cams, steps = Lazy("course_lib.methods.cam"), Lazy("course_lib.methods.steps")
attention, networks, recording = (Lazy(f"course_lib.{name}") for name in ("methods.attention", "networks", "recording"))
ROLLOUT, CHEFER = "Abnar, Zuidema, ACL 2020, section 3", "Chefer, Gur, Wolf, ICCV 2021, equations 5 and 6"


def _two_words(A: Array, V: Array) -> Pairs:
    scores = [lambda at: gap_linear(at, V)[0] ** 2, lambda at: gap_linear(at, V)[1]]
    first, second = (cams.grad_cam(A, gradient(score, A)) for score in scores)
    return [(cams.grad_cam(A, gradient(lambda at: scores[0](at) + scores[1](at), A)), first + second)]


def _read_from_first(tokens: Array) -> Array:
    """Any score of the first token (row) alone."""
    return tokens[0, 0] * tokens[0, 1] + tokens[0, 1] ** 2


def _tokens(V: Array) -> Pairs:
    by_hand = [[V[0, 1], V[0, 0] + 2 * V[0, 1]], [0 * V[0, 0]] * 2, [0 * V[0, 0]] * 2]
    rows = torch.stack([torch.stack(row) for row in by_hand]) if isinstance(V, torch.Tensor) else np.array(by_hand)
    return [(gradient(_read_from_first, V), rows)]


def _normalized(z: Array) -> Array:
    """A score of a layer norm without its small ε: c₀ (c₀ + c₁) / var for the centred c."""
    c = z - z.mean()
    return c[0] * (c[0] + c[1]) / (c * c).mean()


def _rows(V: Array) -> Pairs:
    """Rows [p, 1 - p], which add up to 1, of two attentions."""
    (a, b), (c, d) = V[0], V[1]
    first, second = [[a, 1 - a], [b, 1 - b]], [[c, 1 - c], [d, 1 - d]]
    half = [[[(m[i][j] + int(i == j)) / 2 for j in (0, 1)] for i in (0, 1)] for m in (first, second)]
    product = [[sum(half[1][i][k] * half[0][k][j] for k in (0, 1)) for j in (0, 1)] for i in (0, 1)]
    return [(sum(row), a / a) for row in product]


def _by_hand(worth: str) -> Pairs:
    """A random transformer in float64: the method, and the product of its matrices, head by head."""
    model = networks.untrained("scenes_vit").model.double()
    x = torch.rand(1, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    names = [f"blocks.{b}.self_attention.attention" for b in range(4)]
    with recording.record(model, names) as tape:
        model(x)
    g, R = tape.gradients(2), torch.eye(65, dtype=torch.float64)
    for name in names:
        A = tape.activations[name][0]
        if worth == "rollout":
            R = sum(0.5 * head for head in A) / len(A) @ R + 0.5 * R
        else:
            R = R + sum(head.clamp(min=0) for head in A * g[name][0]) / len(A) @ R
    method = attention.rollout if worth == "rollout" else attention.class_attention
    return [(method(model, x, 2)[0], R[0, 1:].reshape(8, 8))]


formula("sentence-score", "definition",
        r"p(w_1 \dots w_T) = \prod_t p(w_t \mid w_1 \dots w_{t-1}), \qquad "
        r"p(w_t = v \mid w_1 \dots w_{t-1}) = \frac{e^{S_v}}{\sum_u e^{S_u}}",
        "A captioner gives each next word a probability, given the picture and the words so far.",
        "Vinyals et al., CVPR 2015, equations 1 and 2",
        lambda z, d: [((softmax(z)[0] * softmax(d)[1]).log(), z[0] - z.logsumexp(0) + d[1] - d.logsumexp(0))])
formula("map-of-a-sum", "identity", r"S = S_1 + S_2 \quad\Rightarrow\quad L_S = L_{S_1} + L_{S_2}",
        "Grad-CAM is linear in the score: the map of a sum of scores is the sum of their maps.", OURS, _two_words,
        counterexamples={"after the ReLU": lambda: (steps.relu(torch.tensor(1.0 - 2.0)),
                                                    steps.relu(torch.tensor([1.0, -2.0])).sum())})
formula("log-probability-gradient", "identity",
        r"\frac{\partial \log p_c}{\partial S_{c'}} = \frac{\partial S_c}{\partial S_{c'}} - p_{c'}, \qquad "
        r"\text{so} \quad L_{\log p_c} = L_c - \sum_{c'} p_{c'} L_{c'}",
        "The map of a log-probability is the logit's map less the mean map of all words, weighted by probability.",
        OURS, lambda z: [(gradient(lambda at: softmax(at)[0], z) / softmax(z)[0],
                          gradient(lambda at: at[0], z) - softmax(z))])
formula("class-token-gradient", "identity",
        r"S_c = h_c(z_0) \quad\Rightarrow\quad \frac{\partial S_c}{\partial z_t} = 0 \quad (t \geq 1)",
        "A head that reads only the class token has no gradient at the patch tokens beside it.", OURS, _tokens,
        counterexamples={"a head that reads the mean of the tokens": lambda: (
            gradient(lambda at: at.mean(0)[0], torch.ones(3, 2)), torch.zeros(3, 2))})
formula("layer-norm-gradient", "identity",
        r"S = f(\mathrm{LN}(z)) \quad\Rightarrow\quad \sum_k z_k \frac{\partial S}{\partial z_k} = 0",
        "Whatever follows a layer norm alone: gradient times activation adds up to 0 over the channels.", OURS,
        lambda z: [(z[0] * gradient(_normalized, z)[0], -z[1:] @ gradient(_normalized, z)[1:])],
        counterexamples={"beside a way around the norm": lambda: (
            (lambda z: z @ gradient(lambda at: at[0] + _normalized(at), z))(torch.tensor([1.0, 2.0, 4.0])),
            torch.tensor(0.0))})
formula("rollout", "definition",
        r"R = \tilde A_L \cdots \tilde A_1, \qquad \tilde A_b = \frac{1}{2} \bar A_b + \frac{1}{2} I",
        "Attention rollout: mean attention and the way around it, multiplied from block to block.", ROLLOUT,
        lambda: _by_hand("rollout"))
formula("rollout-rows", "identity",
        r"\sum_t \tilde A_{st} = 1 \quad \text{in each block} \quad\Rightarrow\quad \sum_t R_{st} = 1",
        "The rows of a rollout add up to 1: it says how attention is shared out, not what it is for.", ROLLOUT, _rows,
        counterexamples={"without the half": lambda: (torch.tensor([1.5, 0.5]).sum(), torch.tensor(1.0))})
formula("class-attention", "definition",
        r"R \leftarrow R + \mathrm{mean}_h \left( A_b \circ \frac{\partial S_c}{\partial A_b} \right)^{+} R, \qquad "
        r"R \leftarrow I \text{ at first}",
        "Class-specific attention: each attention counts as far as it raises the logit of the class.", CHEFER,
        lambda: _by_hand("class attention"))
