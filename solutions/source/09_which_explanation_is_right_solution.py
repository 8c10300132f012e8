# %% [markdown] id="opening"
# # Exercise 9. Which explanation is right?
#
# {{counts}}, on lesson 9. Write each answer between the two marks, run its cell, then run the
# cell below it: `check` says at once whether it is right, and which mistake it is if that mistake is known.
# `hint(points_at)` gives a hint, and called again a larger one. The course's own functions earn nothing here: the steps
# are yours.

# %% id="setup"
import torch
from torch import Tensor

from course_lib.classroom.check import check, hint

# %% [markdown] id="points-at-question"
# ## 1. The pointing game
#
# {{question:points_at}}
#
# Does the peak of each map lie in its mask? (No two values of a map are equal.)


# %% id="points-at-answer"
def points_at(maps: Tensor, masks: Tensor) -> Tensor:
    """Whether each map's peak lies in its mask: (B,)."""
    ### BEGIN SOLUTION
    peaks = maps.flatten(1).argmax(dim=1)
    return masks.flatten(1)[torch.arange(len(maps)), peaks]
    ### END SOLUTION


# %% id="points-at-check"
check(points_at).points

# %% [markdown] id="beyond-area-question"
# ## 2. A share, and its control
#
# {{question:beyond_area}}
#
# How much of a map's positive evidence lies in the mask? By itself that number means nothing: a flat map gets the
# mask's
# share of the picture. Return the share of the positive values *less* that control, and 0 for a map that has no
# positive value.
#
# {{formula:mass-in-mask}}


# %% id="beyond-area-answer"
def beyond_area(maps: Tensor, masks: Tensor) -> Tensor:
    """The share of positive evidence in the mask, less the mask's area: (B,)."""
    ### BEGIN SOLUTION
    positive = maps.clamp(min=0)
    total = positive.sum(dim=(1, 2))
    share = (positive * masks).sum(dim=(1, 2)) / torch.where(total == 0, 1.0, total)
    return torch.where(total == 0, 0.0, share - masks.double().mean(dim=(1, 2)))
    ### END SOLUTION


# %% id="beyond-area-check"
check(beyond_area).points

# %% [markdown] id="deletion-question"
# ## 3. Deletion
#
# {{question:deletion}}
#
# The model's probability is `torch.sigmoid(weights @ x)`. Empty the inputs one after the other, the one with the
# largest
# score first, by setting them to the fill, and write down the probability each time.


# %% id="deletion-answer"
def deletion(weights: Tensor, x: Tensor, scores: Tensor, fill: float) -> Tensor:
    """The probabilities while inputs are emptied, the largest score first: (n + 1,)."""
    ### BEGIN SOLUTION
    now = x.clone()
    curve = [torch.sigmoid(weights @ now)]
    for place in scores.argsort(descending=True):
        now[place] = fill
        curve.append(torch.sigmoid(weights @ now))
    return torch.stack(curve)
    ### END SOLUTION


# %% id="deletion-check"
check(deletion).points

# %% [markdown] id="blind-map-question"
# ## 4. A control that is hard to beat
#
# {{question:blind_map}}
#
# Before you praise a method's pointing score, see what a map gets that looks at no picture. From the masks of a
# training
# set make *one* map for all pictures whose peak lies on as many objects as possible.


# %% id="blind-map-answer"
def blind_map(masks: Tensor) -> Tensor:
    """One map (H, W) for all pictures."""
    ### BEGIN SOLUTION
    return masks.double().mean(dim=0)
    ### END SOLUTION


# %% id="blind-map-check"
check(blind_map).points

# %% [markdown] id="blind-map-explained" tags=["solution-only"]
# Objects lie where photographers put them. A method that does no better than this map has shown nothing.

# %% [markdown] id="agreement-question"
# ## 5. Do two maps agree?
#
# {{question:agreement}}
#
# A sanity check re-initializes the network's weights and asks whether the map changed. Compare two sets of maps by the
# order of their places: Spearman's rank correlation.
#
# {{formula:rank-correlation}}


# %% id="agreement-answer"
def agreement(a: Tensor, b: Tensor) -> Tensor:
    """Spearman's rank correlation of each pair of maps: (B,)."""
    ### BEGIN SOLUTION
    ranks = [m.flatten(1).argsort(1).argsort(1).double() for m in (a, b)]
    x, y = (one - one.mean(1, keepdim=True) for one in ranks)
    return (x * y).sum(1) / (x.square().sum(1) * y.square().sum(1)).sqrt()
    ### END SOLUTION


# %% id="agreement-check"
check(agreement).points

# %% [markdown] id="passed-question"
# ## 6. What passing proves
#
# {{question:passed}}
#
# A method's maps change completely when the network's weights are re-initialized. What does that prove?
#
# - a: that its maps are right about the model
# - b: that its maps depend on the weights
# - c: that its maps point at the object
# - d: nothing


# %% id="passed-answer"
def passed() -> str:
    """One of the letters a, b, c, d."""
    ### BEGIN SOLUTION
    return "b"
    ### END SOLUTION


# %% id="passed-check"
check(passed).points

# %% [markdown] id="passed-explained" tags=["solution-only"]
# It is necessary and not sufficient: noise from a seed that is computed from the weights would pass as well.
