"""Lesson 7: gradients of the picture, changed backward rules, relevance, and the picture that a class likes best."""

from collections.abc import Callable

import sympy as sp
import torch

from course_lib.theory.formula import Array, Lazy, Pairs, formula, gradient, softmax, symbols
from course_lib.theory.identities.class_activation_maps import OURS
from course_lib.theory.identities.grad_cam import row

pixels, ruled = Lazy("course_lib.methods.gradients"), Lazy("course_lib.methods.propagation")
back, climb = Lazy("course_lib.methods.relevance"), Lazy("course_lib.methods.activation_maximization")
BACH, DEEP_LIFT = "Bach et al., PLOS ONE 10 (2015)", "Shrikumar, Greenside, Kundaje, ICML 2017"
SMOOTH, SIMONYAN = "Smilkov et al., arXiv 1706.03825 (2017)", "Simonyan et al., ICLR Workshop 2014"
X, S, T = sp.Symbol("x", real=True), sp.Symbol("sigma", positive=True), sp.Symbol("t", real=True)
DENSITY, PHI = sp.exp(-(T**2) / 2) / sp.sqrt(2 * sp.pi), (1 + sp.erf(X / S / sp.sqrt(2))) / 2


def _layers(V: Array, w: Array, b: Array) -> torch.nn.Module:
    """S = w · ReLU(Vᵀ x + b) + b, as a network that reads x from a picture of one row."""
    linear = [torch.nn.Linear(3, 2, dtype=V.dtype), torch.nn.Linear(2, 1, dtype=V.dtype)]
    for layer, weight in zip(linear, (V.T, w[None]), strict=True):
        layer.weight.data, layer.bias.data = weight, b.expand(len(weight))
    return torch.nn.Sequential(torch.nn.Flatten(), linear[0], torch.nn.ReLU(), linear[1]).eval()


def _line(W: Array) -> torch.nn.Module:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, 1, bias=False, dtype=W.dtype))
    model[1].weight.data = W[None]
    return model.eval()


def _sent(rule: Array, V: Array, w: Array, b: Array, x: Array, start: float | None = None) -> tuple[Array, Array]:
    """Relevance of x by the library, and what the biases absorbed."""
    shared, kept = back.relevance(_layers(V, w, b), row(*x)[None], 0, rule, start)
    return shared.flatten(), kept[0]


def _logit(V: Array, w: Array, b: Array, x: Array) -> Array:
    return _layers(V, w, b)(row(*x)[None])[0, 0].detach()


def _by_hand(V: Array, w: Array, b: Array, x: Array, epsilon: float) -> Array:
    """The epsilon rule, twice."""
    z = V.T @ x + b
    a = z.clamp(min=0)
    logit = w @ a + b
    R = a * w * logit / (logit + epsilon * logit.sign())
    return x * (V @ (R / (z + epsilon * z.sign())))


def _parts(x: Array, V: Array, b: Array, R: Array, alpha: float) -> Array:
    """The alpha-beta rule of one layer whose neurons all have parts of both signs."""
    up, down = (x[:, None] * V).clamp(min=0), (x[:, None] * V).clamp(max=0)
    return (alpha * up / (up.sum(0) + b.clamp(min=0)) - (alpha - 1) * down / (down.sum(0) + b.clamp(max=0))) @ R


def _two_parts(V: Array, w: Array, b: Array, x: Array, alpha: float) -> Array:
    a = (V.T @ x + b).clamp(min=0)
    return _parts(x, V, b, _parts(a, w[:, None], b, w @ a[:, None] + b, alpha), alpha)


def _open(V: Array, w: Array, b: Array, x: Array) -> tuple[Array, Array, Array, Array]:
    """Numbers with which both neurons are open, and each has parts of both signs."""
    return V.abs() * torch.tensor([[1.0], [1.0], [-0.1]]), w.abs() * torch.tensor([1.0, -0.1]), b.abs(), x.abs()


def _on(pairs: Callable[[Array, Array, Array, Array], Pairs]) -> Callable[[Array, Array, Array, Array], Pairs]:
    return lambda V, w, b, x: pairs(*_open(V, w, b, x))


ONES: Array = tuple(torch.ones(shape, dtype=torch.float64) for shape in ((3, 2), (2,), (), (3,)))


formula("saliency", "definition", r"\max_{\mathrm{colours}} \left| \frac{\partial S_c}{\partial x_i} \right|",
        "Saliency: how fast the score moves with a pixel, whichever way.", SIMONYAN,
        lambda A, g: [(pixels.saliency(A, g), torch.maximum(g, -g).max(0).values)])
formula("loss-gradient", "identity",
        r"L = -\ln p_c: \quad \frac{\partial L}{\partial x_i} = \sum_j \big(p_j - [j = c]\big)\, "
        r"\frac{\partial S_j}{\partial x_i}",
        "The gradient of the loss is that of the scores, weighed by what the network still gets wrong.", OURS,
        lambda z: [(gradient(lambda at: -(softmax(at)[0].log() if isinstance(at, torch.Tensor)
                                          else sp.log(softmax(at)[0])), z),
                    softmax(z) - gradient(lambda at: at[0], z))],
        counterexamples={"the score's": lambda: (softmax(torch.tensor([9.0, 0.0])) - torch.tensor([1.0, 0.0]),
                                                 torch.tensor([1.0, 0.0]))})
formula("smooth-grad", "definition",
        r"\frac{1}{n} \sum_{m=1}^{n} \frac{\partial S_c}{\partial x_i}(x + e_m), \qquad e_m \sim N(0, \sigma^2)",
        "SmoothGrad: the mean of the gradients around the picture.", SMOOTH,
        lambda W, x: [(pixels.smooth_grad(_line(W), row(*x)[None], 0, samples=3).flatten(), torch.maximum(W, -W))])
formula("smooth-relu", "identity",
        r"\mathrm{E}\left[\mathrm{ReLU}'(x + e)\right] = \frac{d}{dx}\, \mathrm{E}\left[\mathrm{ReLU}(x + e)\right] "
        r"= \Phi(x / \sigma)",
        "Noise turns the ReLU's step into the normal distribution's slope: SmoothGrad explains a smoothed network.",
        SMOOTH,
        lambda W, x: [(gradient(lambda at: (at * torch.special.ndtr(at / 2) + 2 * torch.exp(-((at / 2) ** 2) / 2)
                                            / (2 * torch.pi) ** 0.5).sum(), x), torch.special.ndtr(x / 2))],
        prove=lambda: [sp.simplify(part.rewrite(sp.erf) - PHI) for part in (
            sp.integrate(DENSITY, (T, -X / S, sp.oo)),
            sp.integrate((X + S * T) * DENSITY, (T, -X / S, sp.oo)).diff(X))])
formula("backward-rules", "definition",
        r"R^{\mathrm{gradient}} = R\, [x > 0], \qquad R^{\mathrm{deconvolution}} = R\, [R > 0], \qquad "
        r"R^{\mathrm{guided}} = R\, [x > 0]\, [R > 0]",
        "What three methods let back through a ReLU that read x, of the R that arrives.", "Springenberg et al. (2015)",
        lambda x, W: [(getattr(ruled, name)(torch.nn.Sequential(torch.nn.ReLU(), _line(W)),
                                            row(*x)[None], 0).flatten(), W * keep) for name, keep in
                      {"deconvolution": W > 0, "guided_backpropagation": (W > 0) & (x > 0)}.items()])
formula("lrp-epsilon", "definition",
        r"R_i = \sum_j \frac{a_i w_{ij}}{z_j + \varepsilon\, \mathrm{sign}\, z_j}\, R_j, \qquad "
        r"z_j = \sum_i a_i w_{ij} + b_j",
        "Each neuron hands what it got on to its inputs, in proportion to what they contributed.", BACH,
        _on(lambda V, w, b, x: [(_sent(back.epsilon_rule(0.3), V, w, b, x)[0], _by_hand(V, w, b, x, 0.3))]))
formula("lrp-alpha-beta", "definition",
        r"R_i = \sum_j \left( \alpha\, \frac{(a_i w_{ij})^+}{z_j^+} - \beta\, \frac{(a_i w_{ij})^-}{z_j^-} \right) R_j,"
        r" \qquad \alpha - \beta = 1",
        "What speaks for a neuron and what speaks against it are shared out apart; β = 0 is the rule z⁺.", BACH,
        _on(lambda V, w, b, x: [(_sent(back.alpha_beta_rule(alpha), V, w, b, x)[0], _two_parts(V, w, b, x, alpha))
                                for alpha in (2.0, 1.0)]))
formula("lrp-conservation", "identity", r"\sum_i R_i + R_{\mathrm{biases}} = S_c",
        "Nothing gets lost: what doesn't reach the pixels was absorbed by biases (and by ε).", BACH,
        _on(lambda V, w, b, x: [(sum(part.sum() for part in _sent(rule, V, w, b, x)), _logit(V, w, b, x)) for rule in
                                (back.epsilon_rule(0.3), back.alpha_beta_rule(2.0), back.alpha_beta_rule(1.0))]),
        prove=lambda: [sp.simplify(((symbols("x") * symbols("W")).sum() * R + symbols("b") * R)
                                   / ((symbols("x") * symbols("W")).sum() + symbols("b")) - R)
                       for R in [sp.Symbol("R")]],
        counterexamples={"the pixels alone": lambda: (_sent(back.epsilon_rule(0.0), *ONES)[0].sum(), _logit(*ONES))})
formula("lrp-zero", "identity", r"\varepsilon \to 0: \quad R_i = x_i\, \frac{\partial S_c}{\partial x_i}",
        "Where all bends are ReLUs, LRP without its ε is gradient x input of what the first layer reads.",
        "Ancona, Ceolini, Öztireli, Gross, ICLR 2018",
        _on(lambda V, w, b, x: [(_sent(back.epsilon_rule(0.0), V, w, b, x)[0],
                                 x * gradient(lambda at: w @ (V.T @ at + b).clamp(min=0), x))]),
        prove=lambda: [sp.simplify(x * v * (z * w) / z - x * sp.diff(w * z, x))  # an open neuron z gets R = z w
                       for x, v, w, b in [sp.symbols("x v w b")] for z in [v * x + b]],
        counterexamples={"ε = 0.3": lambda: (_sent(back.epsilon_rule(0.3), *ONES)[0], 2 * ONES[3])})
formula("deep-lift", "definition", r"R_i = \sum_j \frac{\Delta a_i\, w_{ij}}{\Delta z_j}\, R_j, \qquad "
        r"\Delta a_i = a_i(x) - a_i(x')",
        "LRP with differences from a baseline for values, so that the biases drop out.", DEEP_LIFT,
        _on(lambda V, w, b, x: [(_sent(back.epsilon_rule(0.0), V, w, b, x, -1.0)[0], (x + 1) * (V @ (
            ((V.T @ x + b).clamp(min=0) - (V.T @ (0 * x - 1) + b).clamp(min=0)) / (V.T @ (x + 1)) * w)))]))
formula("deep-lift-completeness", "identity", r"\sum_i R_i = S_c(x) - S_c(x')",
        "DeepLIFT adds up to the difference from the baseline, by two forward passes and one back.", DEEP_LIFT,
        _on(lambda V, w, b, x: [(_sent(back.epsilon_rule(0.0), V, w, b, x, -1.0)[0].sum(),
                                 _logit(V, w, b, x) - _logit(V, w, b, 0 * x - 1))]),
        prove=lambda: [sp.simplify(((symbols("x") - symbols("u")) * symbols("W")).sum() * sp.Symbol("R") /
                                   (symbols("W") @ symbols("x") - symbols("W") @ symbols("u")) - sp.Symbol("R"))],
        counterexamples={"gradient x input": lambda: (6.0, _logit(*ONES) - 1)})
formula("linear-agreement", "identity",
        r"f = \sum_i w_i x_i + b: \quad (x_i - x'_i)\, \frac{\partial f}{\partial x_i} = \mathrm{IG}_i "
        r"= R_i^{\mathrm{DeepLIFT}} = f(x) - f(x \text{ with } x_i = x'_i) = w_i\, (x_i - x'_i)",
        "On a linear model all of them agree: they part where it bends.", OURS,
        lambda W, x: [(pixels.integrated_gradients(_line(W), row(*x)[None], 0, 0.5, 2).flatten(), W * (x - 0.5)),
                      (back.deep_lift(_line(W), row(*x)[None], 0, 0.5).flatten(), W * (x - 0.5))],
        prove=lambda: [sp.simplify(w * x + r - (w * u + r) - w * (x - u)) for w, x, u, r in [sp.symbols("w x u r")]])
formula("activation-maximization", "definition", r"x^* = \mathrm{argmax}_x \; S_c(x) - \lambda\, \| x - x' \|^2",
        "The picture that a class likes best, not too far from where the climb began.", SIMONYAN,
        lambda W: [(climb.activation_maximization(_line(W), row(0, 0, 0)[None], 0, 400, decay=0.7).flatten(), W / 1.4)])
formula("best-input", "identity",
        r"S_c = w \cdot x: \quad x^* = x' + \frac{w}{2 \lambda}, \qquad \text{and for } \| x - x' \| \leq r: \quad "
        r"x^* = x' + r\, \frac{w}{\| w \|}",
        "What a linear model likes best is its own weights.", OURS,
        lambda W: [(climb.activation_maximization(_line(W), row(1, 1, 1)[None], 0, 400, decay=0.7).flatten(),
                    1 + W / 1.4),
                   (climb.activation_maximization(_line(W), row(1, 1, 1)[None], 0, radius=2.0).flatten(),
                    1 + 2 * W / W.norm())],
        # the gradient at w / 2λ is 0; and by Lagrange's identity (w·x)² = |w|²|x|² - Σ (w_i x_j - w_j x_i)²
        prove=lambda: [sp.diff(w * x - t * (x - u) ** 2, x).subs(x, u + w / (2 * t)).simplify()
                       for w, x, u, t in [sp.symbols("w x u t", positive=True)]]
        + [sp.expand((W @ x) ** 2 - (W @ W) * (x @ x)
                     + sum((W[i] * x[j] - W[j] * x[i]) ** 2 for i in range(3) for j in range(i)))
           for W, x in [(symbols("W"), symbols("x"))]])
