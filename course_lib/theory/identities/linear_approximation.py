"""Lesson 4: what x f'(x) says of f(x), and what it doesn't."""

from collections.abc import Callable

import sympy as sp
import torch

from course_lib.theory import approximation as approx
from course_lib.theory.formula import Array, Lazy, formula, gradient
from course_lib.theory.identities.class_activation_maps import OURS
from course_lib.theory.identities.grad_cam import HIRES, maps, row

pixels = Lazy("course_lib.methods.gradients")
EULER, TAYLOR, IG = "Euler's theorem", "Taylor's theorem", "Sundararajan, Taly, Yan, ICML 2017"
X, Y, K, T = sp.symbols("x y k t", positive=True)
f, phi = sp.Function("f"), sp.Function("phi")
ANY = X**K * phi(Y / X)  # any function of two inputs that is homogeneous of degree k


def _number(value: object) -> Array:
    return torch.tensor(float(value), dtype=torch.float64)  # type: ignore[arg-type]


def _tangent(function: Callable[[Array], Array], x: float, start: float = 0.0) -> Array:
    """(x - x') f'(x), by autograd."""
    return (x - start) * gradient(function, _number(x))


def _integrated(function: Callable[[Array], Array], *x: float, start: float = 0.0, steps: int = 1000) -> Array:
    """Integrated gradients by the library: the inputs are the pixels of a picture of one row."""
    model = torch.nn.Module()
    model.forward = lambda picture: function(picture.flatten(1)).reshape(-1, 1)
    return pixels.integrated_gradients(model, row(*x)[None], 0, start, steps).flatten()


formula("gradient-times-input", "definition", r"x_i\, \frac{\partial f}{\partial x_i}(x)",
        "Gradient x input: a linear model's contribution with the gradient for a weight.", "Shrikumar et al. (2016)",
        lambda A, g: [(pixels.gradient_times_input(A, g), (A * g).sum(0))])
formula("first-order", "theorem",
        r"f(x) - f(x') = \sum_i (x_i - x'_i)\, \frac{\partial f}{\partial x_i}(x) \text{ for all } x, x' "
        r"\iff f(x) = \sum_i w_i x_i + b",
        "The tangent at x, followed back to the baseline, is exact for linear functions alone.", TAYLOR,
        lambda W, x, u, b: [((x - u) @ gradient(lambda at: W @ at + b, x), (W @ x + b) - (W @ u + b))],
        converse=lambda: [sp.dsolve(sp.Eq(f(X) - K, (X - Y) * f(X).diff(X)), f(X)).rhs.diff(X, 2)],
        counterexamples={"x³ at 8": lambda: (_tangent(lambda x: x**3, 8), _number(512))})
formula("remainder", "identity", r"f(x) - f(x') = (x - x')\, f'(x) - \int_{x'}^{x} (t - x')\, f''(t)\, dt",
        "What the tangent leaves out grows with the curvature on the way from the baseline.", TAYLOR,
        lambda: [(_tangent(lambda x: x**3, 8), _number(512 - approx.remainder(X**3, X).subs(X, 8))),
                 (_tangent(torch.log, 8, 1), _number((sp.log(X) - approx.remainder(sp.log(X), X, 1)).subs(X, 8)))],
        # for every f: the difference of the two sides is 0 at x = x', and its slope is 0
        prove=lambda: [sp.simplify((f(X) - f(Y) - (X - Y) * f(X).diff(X)
                                    + sp.Integral((T - Y) * f(T).diff(T, 2), (T, Y, X))).diff(X).doit())])
formula("power", "identity", r"x\, \frac{d}{dx} x^k = k\, x^k", "A power is overstated k times.", EULER,
        lambda: [(_tangent(lambda x: x**3, 8), _number(1536)), (_tangent(lambda x: x**2, 8), _number(128))],
        prove=lambda: [approx.gradient_times_input(X**K, {X: 0})[X] - K * X**K])
formula("proportional", "theorem", r"x f'(x) = k\, f(x) \text{ for all } x > 0 \iff f(x) = C x^k",
        "The estimate is in proportion for powers alone, and right (k = 1) for straight lines through 0 alone.", EULER,
        lambda: [(_tangent(lambda x: 5 * x**1.5, 4), _number(1.5 * 5 * 8))],
        prove=lambda: [sp.simplify(approx.gradient_times_input(Y * X**K, {X: 0})[X] - K * Y * X**K)],
        converse=lambda: [sp.simplify((approx.proportional_functions(k) / X**k).diff(X)) for k in (1, 3)],
        counterexamples={"a constant added": lambda: (_tangent(lambda x: 5 * x + 1, 4), _number(21)),
                         "a logarithm": lambda: (_tangent(torch.log, 8), _number(sp.log(8)))})
formula("euler", "theorem",
        r"\sum_i x_i \frac{\partial f}{\partial x_i} = k\, f \iff f(r x) = r^k f(x) \text{ for } r > 0",
        "Gradient x input adds up to k times the value just where the function is homogeneous of degree k.", EULER,
        lambda x: [(x @ gradient(lambda at: at[0] ** 2 * at[1] + at[2] ** 3, x), 3 * (x[0] ** 2 * x[1] + x[2] ** 3))],
        prove=lambda: [sp.simplify((X * ANY.diff(X) + Y * ANY.diff(Y) - K * ANY).doit())],
        converse=lambda: [sp.simplify((approx.proportional_functions(3) / X**3).diff(X))],  # along the ray r x
        counterexamples={"a bias": lambda: (_tangent(lambda x: torch.relu(x + 1), 2), _number(3)),
                         "mixed degrees": lambda: (_tangent(lambda x: x**3 + x, 2), _number(3 * 10))})
formula("logarithm", "identity", r"x\, \frac{d}{dx} \ln x = 1", "The logarithm gets 1 everywhere.", OURS,
        lambda: [(_tangent(torch.log, x), _number(1)) for x in (8, 1, 0.1)],
        prove=lambda: [approx.gradient_times_input(sp.log(X), {X: 0})[X] - 1],
        counterexamples={"its value at 8": lambda: (_tangent(torch.log, 8), _number(sp.log(8))),
                         "its sign at 1/2": lambda: (_tangent(torch.log, 0.5).sign(), _number(sp.log(0.5)).sign())})
formula("order-flip", "identity",
        r"f = x_1^3 + x_2: \quad x_1 \frac{\partial f}{\partial x_1} = 3 x_1^3, \quad "
        r"x_2 \frac{\partial f}{\partial x_2} = x_2",
        "Terms of different degree are overstated by different factors: at (1, 2), 1 and 2 become 3 and 2.", EULER,
        lambda w: [(w[0] * gradient(lambda at: at[0] ** 3 + at[1], w)[0], 3 * w[0] ** 3),
                   (w[1] * gradient(lambda at: at[0] ** 3 + at[1], w)[1], w[1])],
        counterexamples={"which is larger at (1, 2)": lambda: (_number(3 * 1**3 > 2), _number(1**3 > 2))})
formula("product", "identity",
        r"f = x_1 x_2: \quad x_i \frac{\partial f}{\partial x_i} = f, \qquad \mathrm{IG}_i = \tfrac{1}{2} f",
        "Of a product gradient x input gives the whole to each factor; integrated gradients give each a half.", OURS,
        lambda w: [(w * gradient(lambda at: at[0] * at[1], w), 0 * w + w[0] * w[1])],
        prove=lambda: [2 * share - X * Y for share in approx.integrated_gradients(X * Y, {X: 0, Y: 0}).values()])
formula("integrated-gradients", "definition",
        r"\mathrm{IG}_i = (x_i - x'_i) \int_0^1 \frac{\partial f}{\partial x_i}\big(x' + t\,(x - x')\big)\, dt",
        "The gradient is gathered on the whole straight path from the baseline, not at its end alone.", IG,
        lambda: [(_integrated(lambda x: x.prod(1), 3, 4), row(6, 6)[0, 0]),
                 (_integrated(lambda x: x[:, 0] ** 2 * 3 + x[:, 1], 5, 4, start=1), row(72, 3)[0, 0])])
formula("completeness", "identity", r"\sum_i \mathrm{IG}_i = f(x) - f(x')",
        "Integrated gradients add up to the difference from the baseline, whatever the function.", IG,
        lambda x: [(_integrated(lambda at: (at @ x) ** 2 + at[:, 0], *x).sum(), (x @ x) ** 2 + x[0])],
        prove=lambda: [sp.simplify(sum(approx.integrated_gradients(g, start).values()) - g + g.subs(start))
                       for g, start in ((X**3, {X: Y}), (sp.log(X), {X: Y}), (X**2 * Y, {X: 0, Y: 0}))],
        counterexamples={"gradient x input": lambda: (_tangent(lambda x: x**3, 8), _number(512))})
formula("saturation", "identity",
        r"f = 1 - \mathrm{ReLU}(1 - x): \quad x > 1 \;\implies\; f'(x) = 0, \quad \mathrm{IG} = 1",
        "Past the bend the gradient sees nothing of what brought the value there; the path from 0 does.", IG,
        lambda: [(_integrated(lambda x: 1 - torch.relu(1 - x), 2), row(1)[0, 0])],
        prove=lambda: [approx.integrated_gradients(sp.Piecewise((X, X < 1), (1, True)), {X: 0})[X].subs(X, X + 1) - 1],
        counterexamples={"gradient x input": lambda: (_tangent(lambda x: 1 - torch.relu(1 - x), 2), _number(1))})
formula("averaging", "identity",
        r"\sum_{i,j} H_c(i, j) - \sum_{i,j} L_c(i, j) = Z \sum_k \mathrm{Cov}_{ij}\big(g^k_{ij},\ A^k_{ij}\big)",
        "Grad-CAM's second approximation, the mean gradient, drops the covariance of gradient and activation.", HIRES,
        lambda A, g: [(maps(lambda at: (g * at).sum(), A)[1].sum() - maps(lambda at: (g * at).sum(), A)[0].sum(),
                       approx.averaging_gap(A, g))],
        counterexamples={"dividing by Z - 1": lambda: (row(1, 0)[0].sum() - row(0.5, 1.5)[0].sum(),
                                                       2 * torch.cov(torch.tensor([[1.0, 3.0], [1.0, 0.0]]))[0, 1])})
