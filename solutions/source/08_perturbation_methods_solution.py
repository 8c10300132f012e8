# %% [markdown] id="opening"
# # Exercise 8. Perturbation methods
#
# {{counts}}, on lesson 8. Write each answer between the two marks, run its cell, then run the
# cell below it: `check` says at once whether it is right, and which mistake it is if that mistake is known.
# `hint(occlude)` gives a hint, and called again a larger one. The course's own functions earn nothing here: the steps
# are yours.

# %% id="setup"
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.classroom.check import check, hint

Score = Callable[[Tensor], Tensor]


# %% [markdown] id="occlude-question"
# ## 1. Occlusion
#
# {{question:occlude}}
#
# The picture is grey, (H, W), and its sides are multiples of the patch; patches lie side by side. Cover one after the
# other with the fill, and write down what the score loses. `score` takes several pictures at once, (N, H, W).
#
# {{formula:occlusion}}


# %% id="occlude-answer"
def occlude(score: Score, picture: Tensor, patch: int, fill: float) -> Tensor:
    """What the score loses without each patch: (H / patch, W / patch)."""
    ### BEGIN SOLUTION
    whole = score(picture[None])[0]
    h, w = picture.shape[0] // patch, picture.shape[1] // patch
    lost = torch.zeros(h, w, dtype=picture.dtype)
    for i in range(h):
        for j in range(w):
            covered = picture.clone()
            covered[i * patch : (i + 1) * patch, j * patch : (j + 1) * patch] = fill
            lost[i, j] = whole - score(covered[None])[0]
    return lost
    ### END SOLUTION


# %% id="occlude-check"
check(occlude).points

# %% [markdown] id="rise-map-question"
# ## 2. RISE
#
# {{question:rise_map}}
#
# Pictures were masked at random, and scored. Make the map of scores and masks:
#
# {{formula:rise}}


# %% id="rise-map-answer"
def rise_map(scores: Tensor, masks: Tensor, kept: float) -> Tensor:
    """RISE's map: (H, W)."""
    ### BEGIN SOLUTION
    return (scores[:, None, None] * masks).sum(0) / (len(scores) * kept)
    ### END SOLUTION


# %% id="rise-map-check"
check(rise_map).points

# %% [markdown] id="enough-alone-question"
# ## 3. Two causes, each enough
#
# {{question:enough_alone}}
#
# f depends on two things, each there or not. With nothing f is 0, with both it is 1. Give its four values, so that
# covering either one loses *nothing*, and covering both loses everything.


# %% id="enough-alone-answer"
def enough_alone() -> tuple[float, float, float, float]:
    """f with nothing, the first, the second, both."""
    ### BEGIN SOLUTION
    return 0.0, 1.0, 1.0, 1.0
    ### END SOLUTION


# %% id="enough-alone-check"
check(enough_alone).points

# %% [markdown] id="enough-alone-explained" tags=["solution-only"]
# An *or*: occlusion says that neither matters. (For an *and*, (0, 0, 0, 1), it gives the whole value to each.)

# %% [markdown] id="evidence-question"
# ## 4. How much the odds change
#
# {{question:evidence}}
#
# Prediction difference analysis draws what could stand in a patch's place, n times, and compares the odds, in bits:
#
# {{formula:prediction-difference}}


# %% id="evidence-answer"
def evidence(p: float, samples: Tensor) -> Tensor:
    """The weight of evidence of a patch, in bits: ()."""
    ### BEGIN SOLUTION
    mean = samples.mean()
    return torch.log2(torch.tensor(p / (1 - p), dtype=mean.dtype)) - torch.log2(mean / (1 - mean))
    ### END SOLUTION


# %% id="evidence-check"
check(evidence).points

# %% [markdown] id="passes-question"
# ## 5. The price
#
# {{question:passes}}
#
# Occlusion moves a patch over the picture, `stride` pixels at a time, as long as it fits. How many pictures pass the
# network for one map? The whole picture is one of them.


# %% id="passes-answer"
def passes(height: int, width: int, patch: int, stride: int) -> int:
    """How many pictures pass the network."""
    ### BEGIN SOLUTION
    rows = (height - patch) // stride + 1
    columns = (width - patch) // stride + 1
    return rows * columns + 1
    ### END SOLUTION


# %% id="passes-check"
check(passes).points

# %% [markdown] id="which-fill-question"
# ## 6. Which fill?
#
# {{question:which_fill}}
#
# Which fill shows what the patch contributed?
#
# - a: black, since 0 is nothing
# - b: grey, since it is neutral
# - c: none by itself: name the fill, and compare several
# - d: any, since they all give the same map


# %% id="which-fill-answer"
def which_fill() -> str:
    """One of the letters a, b, c, d."""
    ### BEGIN SOLUTION
    return "c"
    ### END SOLUTION


# %% id="which-fill-check"
check(which_fill).points

# %% [markdown] id="which-fill-explained" tags=["solution-only"]
# {{formula:occlusion-linear}}
#
# The fill is the baseline.
