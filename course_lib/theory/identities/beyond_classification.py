"""Lesson 6: any score has a map, and the map is linear in the score."""

import torch

from course_lib.theory.formula import Array, Lazy, Pairs, formula, gradient, softmax
from course_lib.theory.identities.class_activation_maps import OURS, gap_linear

cams, steps = Lazy("course_lib.methods.cam"), Lazy("course_lib.methods.steps")


def _two_words(A: Array, V: Array) -> Pairs:
    scores = [lambda at: gap_linear(at, V)[0] ** 2, lambda at: gap_linear(at, V)[1]]
    first, second = (cams.grad_cam(A, gradient(score, A)) for score in scores)
    return [(cams.grad_cam(A, gradient(lambda at: scores[0](at) + scores[1](at), A)), first + second)]


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
