# %% [markdown] id="opening"
# # Exercise 4. Linear approximation
#
# {{counts}}, on lesson 4. Write each answer between the two marks, run its cell, then run the
# cell below it: `check` says at once whether it is right, and which mistake it is if that mistake is known.
# `hint(tangent_share)` gives a hint, and called again a larger one. The course's own functions earn nothing here: the
# steps
# are yours.

# %% id="setup"
import sympy as sp
import torch
from torch import Tensor

from course_lib.classroom.check import check, hint
from course_lib.classroom.questions.material import Bent

# %% [markdown] id="tangent-share-question"
# ## 1. What the tangent says
#
# {{question:tangent_share}}
#
# Follow the tangent at a point back to the baseline. How far does it fall on the way? That is what gradient x input
# attributes. Use sympy for the slope, and return a plain number.


# %% id="tangent-share-answer"
def tangent_share(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    """Gradient x input of f at a point, compared with a baseline."""
    ### BEGIN SOLUTION
    slope = sp.diff(f, x).subs(x, at)
    return float((at - baseline) * slope)
    ### END SOLUTION


# %% id="tangent-share-check"
check(tangent_share).points

# %% [markdown] id="left-out-question"
# ## 2. What the tangent leaves out
#
# {{question:left_out}}
#
# What there is to explain is f(x) less f at the baseline. How much more (or less) is that than the tangent says?
#
# {{formula:remainder}}


# %% id="left-out-answer"
def left_out(f: sp.Expr, x: sp.Symbol, at: float, baseline: float) -> float:
    """The remainder: the truth less the tangent's estimate."""
    ### BEGIN SOLUTION
    truth = float(f.subs(x, at) - f.subs(x, baseline))
    return truth - float((at - baseline) * sp.diff(f, x).subs(x, at))
    ### END SOLUTION


# %% id="left-out-check"
check(left_out).points

# %% [markdown] id="threefold-question"
# ## 3. Find the function
#
# {{question:threefold}}
#
# For which f is gradient x input (from 0) three times the value, at every x above 0? Of all these take the one with
# f(1) = 2, and return it as an expression of sympy's in the x that you are given.


# %% id="threefold-answer"
def threefold(x: sp.Symbol) -> sp.Expr:
    """The f with x f'(x) = 3 f(x) and f(1) = 2."""
    ### BEGIN SOLUTION
    return 2 * x**3
    ### END SOLUTION


# %% id="threefold-check"
check(threefold).points

# %% [markdown] id="threefold-explained" tags=["solution-only"]
# {{formula:proportional}}

# %% [markdown] id="order-flip-question"
# ## 4. Flip an order
#
# {{question:order_flip}}
#
# f = x₁^p + x₂^q is a sum of two terms, so the truth is plain: a^p from the first input, b^q from the second. Find
# numbers for which the second term is clearly larger (by 10 % or more), and gradient x input from 0 says that the first
# input clearly matters more.


# %% id="order-flip-answer"
def order_flip() -> tuple[float, float, float, float]:
    """p, q, a, b."""
    ### BEGIN SOLUTION
    return 3.0, 1.0, 1.0, 2.0
    ### END SOLUTION


# %% id="order-flip-check"
check(order_flip).points

# %% [markdown] id="order-flip-explained" tags=["solution-only"]
# The terms are 1 and 2; gradient x input multiplies each by its degree and says 3 and 2.

# %% [markdown] id="path-shares-question"
# ## 5. Walk the whole path
#
# {{question:path_shares}}
#
# Write integrated gradients, with `steps` points, each in the middle of its piece of the way:
#
# {{formula:integrated-gradients}}


# %% id="path-shares-answer"
def path_shares(f: Bent, x: Tensor, baseline: Tensor, steps: int) -> Tensor:
    """Integrated gradients of f at x: (n,)."""
    ### BEGIN SOLUTION
    t = (torch.arange(steps, dtype=x.dtype) + 0.5) / steps
    points = (baseline + t[:, None] * (x - baseline)).requires_grad_()
    (slopes,) = torch.autograd.grad(f(points).sum(), points)
    return (x - baseline) * slopes.mean(0)
    ### END SOLUTION


# %% id="path-shares-check"
check(path_shares).points

# %% [markdown] id="path-shares-explained" tags=["solution-only"]
# Check the sum: `path_shares(f, x, baseline, 50).sum()` is close to `f(x) - f(baseline)`, and closer with more steps.

# %% [markdown] id="averaging-drops-question"
# ## 6. What averaging drops
#
# {{question:averaging_drops}}
#
# Grad-CAM takes the mean gradient in place of each cell's own. Return what its map's sum loses by that:
#
# {{formula:averaging}}


# %% id="averaging-drops-answer"
def averaging_drops(activations: Tensor, gradients: Tensor) -> Tensor:
    """The sum of HiResCAM less the sum of Grad-CAM: (B,)."""
    ### BEGIN SOLUTION
    each = (gradients * activations).sum(dim=(1, 2, 3))
    mean = (gradients.mean(dim=(2, 3), keepdim=True) * activations).sum(dim=(1, 2, 3))
    return each - mean
    ### END SOLUTION


# %% id="averaging-drops-check"
check(averaging_drops).points

# %% [markdown] id="saturated-question"
# ## 7. A function that has stopped growing
#
# {{question:saturated}}
#
# f(x) = 1 − ReLU(1 − x), at x = 2, from the baseline 0. The value went from 0 to 1. Which method sees it?
#
# - a: gradient x input and integrated gradients
# - b: gradient x input only
# - c: integrated gradients only
# - d: neither


# %% id="saturated-answer"
def saturated() -> str:
    """One of the letters a, b, c, d."""
    ### BEGIN SOLUTION
    return "c"
    ### END SOLUTION


# %% id="saturated-check"
check(saturated).points

# %% [markdown] id="saturated-explained" tags=["solution-only"]
# {{formula:saturation}}
