# %% [markdown] id="opening"
# # Exercise 1. Linear models
#
# {{counts}}, on lesson 1. Write each answer between the two marks, run its cell, then run the cell below it: `check`
# says at once whether it is right, and which mistake it is if that mistake is known. `hint(shares)` gives a hint, and
# called again a larger one. The course's own functions earn nothing here: the steps are yours.

# %% id="setup"
import torch
from torch import Tensor

from course_lib.classroom.check import check, hint

# %% [markdown] id="shares-question"
# ## 1. What each input adds to each output
#
# {{question:shares}}
#
# {{formula:contribution}}


# %% id="shares-answer"
def shares(weights: Tensor, inputs: Tensor) -> Tensor:
    """Contributions of each input to each output: (B, outputs, n)."""
    ### BEGIN SOLUTION
    return inputs[:, None, :] * weights
    ### END SOLUTION


# %% id="shares-check"
check(shares).points

# %% [markdown] id="chance-question"
# ## 2. From contributions to a probability
#
# {{question:chance}}
#
# {{formula:log-odds}}
#
# Log-odds may be as large as 1000, or as small as -1000; the probability is then 1 or 0.


# %% id="chance-answer"
def chance(contributions: Tensor, bias: Tensor) -> Tensor:
    """The probability that contributions and a bias, in log-odds, add up to: (B,)."""
    ### BEGIN SOLUTION
    return torch.sigmoid(contributions.sum(dim=1) + bias)
    ### END SOLUTION


# %% id="chance-check"
check(chance).points

# %% [markdown] id="rather-than-question"
# ## 3. Why this rather than that
#
# {{question:rather_than}}
#
# A contribution $w_i x_i$ compares with an input of 0. Compare with any other input instead, and say where the sum
# starts then, so that it ends at the same output:
#
# {{formula:contribution-baseline}}


# %% id="rather-than-answer"
def rather_than(w: Tensor, b: Tensor, x: Tensor, baseline: Tensor) -> tuple[Tensor, Tensor]:
    """Contributions compared with a baseline (n,), and where their sum starts ()."""
    ### BEGIN SOLUTION
    return w * (x - baseline), w @ baseline + b
    ### END SOLUTION


# %% id="rather-than-check"
check(rather_than).points

# %% [markdown] id="same-model-question"
# ## 4. The same model, encoded otherwise
#
# {{question:same_model}}
#
# Somebody measures each input in another unit, and from another zero: $z_i = r_i x_i + s_i$. Adapt the model so that
# every output stays what it was. No $r_i$ is 0, but one may be negative, as depth is in place of height. (Then look at
# the contributions: they are others, and nobody changed the model.)


# %% id="same-model-answer"
def same_model(w: Tensor, b: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (n,) and bias () for the inputs z = scale * x + shift."""
    ### BEGIN SOLUTION
    weights = w / scale
    return weights, b - (weights * shift).sum()
    ### END SOLUTION


# %% id="same-model-check"
check(same_model).points

# %% [markdown] id="suppressor-question"
# ## 5. Find a suppressor
#
# {{question:suppressor}}
#
# Make a small data set that proves it: input 2 says nothing of the answer by itself (their correlation is 0), and the
# linear model (with a bias) that fits best, without an error, gives it a weight at least half as large as that of
# input 1. Input 1 does say something of the answer: their correlation is above 0.2.


# %% id="suppressor-answer"
def suppressor() -> tuple[Tensor, Tensor]:
    """Inputs (n, 2) and answers (n,)."""
    ### BEGIN SOLUTION
    signal = torch.tensor([1.0, 1.0, -1.0, -1.0])
    lamp = torch.tensor([1.0, -1.0, 1.0, -1.0])
    return torch.stack([signal + lamp, lamp], dim=1), signal
    ### END SOLUTION


# %% id="suppressor-check"
check(suppressor).points

# %% [markdown] id="unit-question"
# ## 6. Metres and centimetres
#
# {{question:in_centimetres}}
#
# An input is a length. It is now given in centimetres in place of metres, and the model is adapted so that it says
# what it said before. What stays the same, besides the output?
#
# - a: its weight
# - b: its contribution
# - c: nothing but the output
# - d: nothing, and the output changes as well


# %% id="unit-answer"
def in_centimetres() -> str:
    """One of the letters a, b, c, d."""
    ### BEGIN SOLUTION
    return "b"
    ### END SOLUTION


# %% id="unit-check"
check(in_centimetres).points

# %% [markdown] id="unit-explained" tags=["solution-only"]
# $\frac{w}{r}(r x) = w x$: the number grows as the weight shrinks. So a large weight by itself says nothing, and a
# contribution does not depend on the unit. It does depend on the zero point, as question 4 shows.
