"""Lesson 5: what transparency is, and why some methods can't see what equals their baseline."""

import torch

from course_lib.theory.formula import Array, Lazy, Pairs, formula, gradient, symbols
from course_lib.theory.identities.class_activation_maps import OURS
from course_lib.theory.identities.grad_cam import row

files, pillow, pixels = Lazy("course_lib.datasets.creatures"), Lazy("PIL.Image"), Lazy("course_lib.methods.gradients")
PORTER, IG = "Porter, Duff, SIGGRAPH 1984, section 4", "Sundararajan, Taly, Yan, ICML 2017"


def _composited() -> Pairs:
    """Opacity 51 of 255 is a fifth, so the blend is whole numbers."""
    front = pillow.new("RGBA", (1, 1), (200, 30, 60, 51))
    got = files.composite(front, (255, 255, 100)).getpixel((0, 0))
    blend = [0.2 * f + 0.8 * b for f, b in zip((200, 30, 60), (255, 255, 100), strict=True)]
    return [(torch.tensor(got, dtype=torch.float64), torch.tensor(blend, dtype=torch.float64))]


def _gathered(W: Array, x: Array, u: Array) -> list[Array]:
    """Integrated gradients of (W · x)² from the baseline u, in closed form; the first input equals its baseline."""
    same = [u[0], x[1], x[2]]
    ends = sum(w * (end + start) for w, end, start in zip(W, same, u, strict=True))
    return [w * (end - start) * ends for w, end, start in zip(W, same, u, strict=True)]


def _blind_in_the_library(W: Array, x: Array, u: Array) -> Pairs:
    """The midpoint rule is exact here, since the gradient of a square is linear on the path."""

    class Square(torch.nn.Module):
        def forward(self, x: Array) -> Array:
            return (x.flatten(1) @ W)[:, None] ** 2

    same = torch.stack([u[0], x[1], x[2]])
    got = pixels.integrated_gradients(Square().eval(), row(*same)[None], 0, row(*u)[None], steps=3)[0, 0]
    return [(got, torch.stack([torch.zeros(()), *_gathered(W, x, u)[1:]]))]


def _normalized(x: Array, t: Array, r: Array) -> Pairs:
    """The score z1 z2 + z2 z3² of z = (x - t) / r, with its gradient by z written out."""
    z = (x - t) / r
    by_z = [z[1], z[0] + z[2] ** 2, 2 * z[1] * z[2]]
    by_x = gradient(lambda at: ((at[0] - t) + (at[2] - t) ** 2 / r) * (at[1] - t) / r**2, x)
    return [(z[i] * by_z[i], (x[i] - t) * by_x[i]) for i in range(3)]


formula("composite", "definition", r"\alpha F + (1 - \alpha)\, B",
        "Compositing: a picture F of opacity α on a background B.", PORTER, lambda: _composited())
formula("blind-to-the-baseline", "identity",
        r"x_i = x'_i \;\Rightarrow\; (x_i - x'_i)\, \frac{\partial f}{\partial x_i} = \mathrm{IG}_i = 0",
        "What equals its baseline gets exactly nothing, whatever the function makes of it.", IG,
        _blind_in_the_library, prove=lambda: [_gathered(*map(symbols, "Wxu"))[0]],
        counterexamples={"x³ at 0, from 1 for a baseline": lambda: (0.0**3 - 1.0**3, 0.0)})
formula("normalization-baseline", "identity",
        r"z_i = \frac{x_i - m}{s}: \quad z_i\, \frac{\partial f}{\partial z_i} = (x_i - m)\, "
        r"\frac{\partial f}{\partial x_i}",
        "Gradient x input on a normalized tensor has the mean that was taken off for its baseline.", OURS, _normalized,
        counterexamples={"black for a baseline": lambda: ((0.2 - 0.5) * 3.0, 0.2 * 3.0)})
