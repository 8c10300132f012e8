# %% [markdown] id="opening"
# # Exercise 5. Shortcut learning
#
# {{counts}}, on lesson 5. Write each answer between the two marks, run its cell, then run the
# cell below it: `check` says at once whether it is right, and which mistake it is if that mistake is known.
# `hint(on_background)` gives a hint, and called again a larger one. The course's own functions earn nothing here: the
# steps
# are yours.

# %% id="setup"
import torch
from torch import Tensor

from course_lib.classroom.check import check, hint
from course_lib.classroom.questions.material import TinyNetwork

# %% [markdown] id="on-background-question"
# ## 1. Read a transparent picture
#
# {{question:on_background}}
#
# Blend a picture with transparency onto a background that you chose.
#
# {{formula:composite}}


# %% id="on-background-answer"
def on_background(pixels: Tensor, background: Tensor) -> Tensor:
    """The pictures on a background: (B, 3, H, W)."""
    ### BEGIN SOLUTION
    colour, alpha = pixels[:, :3], pixels[:, 3:]
    return alpha * colour + (1 - alpha) * background[:, None, None]
    ### END SOLUTION


# %% id="on-background-check"
check(on_background).points

# %% [markdown] id="blank-margin-question"
# ## 2. The cleanest test
#
# {{question:blank_margin}}
#
# Show a network with two classes a picture that is one colour all over, and return the margin: the logit of class 0
# less
# that of class 1.


# %% id="blank-margin-answer"
def blank_margin(model: TinyNetwork, colour: Tensor, size: int) -> Tensor:
    """The margin of a blank picture: ()."""
    ### BEGIN SOLUTION
    picture = colour[None, :, None, None].expand(1, 3, size, size)
    logits = model(picture)[0]
    return (logits[0] - logits[1]).detach()
    ### END SOLUTION


# %% id="blank-margin-check"
check(blank_margin).points

# %% [markdown] id="blind-spot-question"
# ## 3. A pixel that decides and isn't seen
#
# {{question:blind_spot}}
#
# Gradient x input of a linear f = w · x is exact from its baseline, black. Find weights and a picture for which pixel 0
# decides (f is above 0, and below 0 once that pixel is set to white) and gradient x input says exactly 0 for it.


# %% id="blind-spot-answer"
def blind_spot() -> tuple[Tensor, Tensor]:
    """Weights (n,) and a picture (n,)."""
    ### BEGIN SOLUTION
    return torch.tensor([-4.0, 1.0]), torch.tensor([0.0, 1.0])
    ### END SOLUTION


# %% id="blind-spot-check"
check(blind_spot).points

# %% [markdown] id="blind-spot-explained" tags=["solution-only"]
# {{formula:blind-to-the-baseline}}

# %% [markdown] id="hidden-baseline-question"
# ## 4. The baseline that nobody chose
#
# {{question:hidden_baseline}}
#
# A network gets normalized pictures, z = (x - mean) / std for each colour. You know its gradient with respect to the
# *pixels* x. Return gradient x input of the *normalized* picture, z df/dz, summed over the colours.


# %% id="hidden-baseline-answer"
def hidden_baseline(gradients: Tensor, pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Gradient x input of the normalized picture: (B, H, W)."""
    ### BEGIN SOLUTION
    return (gradients * (pictures - mean[:, None, None])).sum(1)
    ### END SOLUTION


# %% id="hidden-baseline-check"
check(hidden_baseline).points

# %% [markdown] id="hidden-baseline-explained" tags=["solution-only"]
# {{formula:normalization-baseline}}

# %% [markdown] id="uses-question"
# ## 5. What does it use?
#
# {{question:uses}}
#
# You have a network's accuracies: on pictures like those of its training, with backgrounds swapped, and with the codec
# (PNG against JPEG) swapped. Return the cue that it uses. A swap that leaves less than 30 % right names the cue; if
# both
# do, say "background"; if neither does, "shape".


# %% id="uses-answer"
def uses(iid: float, background: float, codec: float) -> str:
    """The cue: background, codec or shape."""
    ### BEGIN SOLUTION
    if background < 0.3:
        return "background"
    if codec < 0.3:
        return "codec"
    return "shape"
    ### END SOLUTION


# %% id="uses-check"
check(uses).points

# %% [markdown] id="to-a-colleague-question"
# ## 6. Tell a colleague
#
# {{question:to_a_colleague}}
#
# A colleague has trained a network to tell two kinds of animals apart. It is right on 99 % of the test pictures, and
# all heat maps that she looked at lie on the animal. "So it knows the animals by their shape," she says. Write to her,
# in three to six sentences: what her maps and her accuracy do not show, which one experiment would decide, and what
# each of its possible results would mean.


# %% id="to-a-colleague-answer"
def to_a_colleague() -> str:
    """A few sentences."""
    ### BEGIN SOLUTION
    return (
        "Your maps say where the score comes from in these pictures. They lie on the animal, and so may the cue: an "
        "outline that a file format leaves sits on the animal, too, and a map can't tell it from the shape. Your test "
        "pictures come from the same source as the others and share whatever confounds them, so 99 % says nothing "
        "against it. Change one thing and leave the animals alone: swap the two kinds' backgrounds, then their file "
        "formats. If the accuracy stays, shape is what it uses; where it falls far below one half, that cue decides."
    )
    ### END SOLUTION


# %% id="to-a-colleague-check"
check(to_a_colleague).points

# %% [markdown] id="where-to-repair-question"
# ## 7. Where does a repair belong?
#
# {{question:where_to_repair}}
#
# A network used a cue of the files. You composite all pictures on white. Where must that be done?
#
# - a: in the test set
# - b: in the training folder, once
# - c: in the network's last layer
# - d: in the loader, for training and in use


# %% id="where-to-repair-answer"
def where_to_repair() -> str:
    """One of the letters a, b, c, d."""
    ### BEGIN SOLUTION
    return "d"
    ### END SOLUTION


# %% id="where-to-repair-check"
check(where_to_repair).points

# %% [markdown] id="where-to-repair-explained" tags=["solution-only"]
# And then swap again: the repair is a new data set, which may hold a shortcut of its own.
