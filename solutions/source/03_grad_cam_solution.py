# %% [markdown] id="opening"
# # Exercise 3. Grad-CAM
#
# {{counts}}, on lesson 3. Write each answer between the two marks, run its cell, then run the cell below it: `check`
# says at once whether it is right, and which mistake it is if that mistake is known. `hint(alpha)` gives a hint, and
# called again a larger one. The course's own functions earn nothing here: the steps are yours.

# %% id="setup"
import torch
from torch import Tensor

from course_lib.classroom.check import check, hint
from course_lib.classroom.questions.material import TinyNetwork

# %% [markdown] id="alpha-question"
# ## 1. One weight for each channel
#
# {{question:alpha}}
#
# Given the gradient {{g}} of a class score with respect to the activations of a layer, return Grad-CAM's weights:
#
# {{formula:grad-cam-alpha}}

# %% id="alpha-answer"
def alpha(gradients: Tensor) -> Tensor:
    """Grad-CAM's weights: (B, K, h, w) -> (B, K)."""
    ### BEGIN SOLUTION
    return gradients.mean(dim=(2, 3))
    ### END SOLUTION


# %% id="alpha-check"
check(alpha).points

# %% [markdown] id="grad-cam-question"
# ## 2. Grad-CAM, from the picture to the map
#
# {{question:grad_cam}}
#
# The network has two methods: `model.conv(pictures)` gives the convolution *before* its ReLU, and
# `model.head(activations)` makes the logits (B, classes) from the activations *after* it. The head is no GAP and linear
# layer. Each picture has a target of its own, which need not be the class with the largest logit. Return the map after
# Grad-CAM's ReLU, in logits, not normalized.

# %% id="grad-cam-answer"
def grad_cam(model: TinyNetwork, pictures: Tensor, target: Tensor) -> Tensor:
    """Grad-CAM of each picture for its own target class: (B, h, w)."""
    ### BEGIN SOLUTION
    activations = model.conv(pictures).relu().requires_grad_()
    logits = model.head(activations)
    score = logits.gather(1, target[:, None]).sum()
    gradients = torch.autograd.grad(score, activations)[0]
    weights = gradients.mean(dim=(2, 3))
    return (weights[:, :, None, None] * activations).sum(1).relu().detach()
    ### END SOLUTION


# %% id="grad-cam-check"
check(grad_cam).points

# %% [markdown] id="bias-question"
# ## 3. The number that the theorem leaves over
#
# {{question:bias_from_map}}
#
# A network ends in GAP and one linear layer. You have the raw Grad-CAM maps (before the ReLU) and the logits of the
# class they explain; the pictures of a batch may be of several classes. Which number must the layer's bias be for each?
#
# {{formula:grad-cam-theorem}}

# %% id="bias-answer"
def bias_from_map(raw: Tensor, logit: Tensor) -> Tensor:
    """The bias of a GAP and linear head, from raw maps (B, h, w) and logits (B,): (B,)."""
    ### BEGIN SOLUTION
    return logit - raw.sum(dim=(1, 2))
    ### END SOLUTION


# %% id="bias-check"
check(bias_from_map).points

# %% [markdown] id="counterfactual-question"
# ## 4. The evidence against
#
# {{question:counterfactual_map}}
#
# {{formula:counterfactual}}

# %% id="counterfactual-answer"
def counterfactual_map(activations: Tensor, gradients: Tensor) -> Tensor:
    """What speaks against the class, as positive numbers: (B, h, w)."""
    ### BEGIN SOLUTION
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    return torch.relu(-(weights * activations).sum(1))
    ### END SOLUTION


# %% id="counterfactual-check"
check(counterfactual_map).points

# %% [markdown] id="killing-question"
# ## 5. Write the test that kills these broken Grad-CAMs
#
# {{question:killing_input}}
#
# Seven people wrote Grad-CAM, each with one mistake: the *sum* of the gradient for its mean; *no pooling*; pooling over
# the *batch* as well; the *absolute* gradient; a *ReLU on the weights*; the *mean* over the channels; *no ReLU*. A test
# runs a function on an input and compares. Give an input on which each of the seven maps differs from the right one.

# %% id="killing-answer"
def killing_input() -> tuple[Tensor, Tensor]:
    """Activations and gradients, both (B, K, h, w)."""
    ### BEGIN SOLUTION
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(2, 3, 2, 4, generator=generator)
    gradients = torch.randn(2, 3, 2, 4, generator=generator)
    return activations, gradients
    ### END SOLUTION


# %% id="killing-check"
check(killing_input).points

# %% [markdown] id="choice-question"
# ## 6. When are they equal?
#
# {{question:equal_heads}}
#
# On which heads does Grad-CAM equal HiResCAM, whatever the activations?
#
# - a: on every linear head
# - b: on every head that follows a ReLU
# - c: on every head that begins with global average pooling
# - d: on every head

# %% id="choice-answer"
def equal_heads() -> str:
    """One of the letters a, b, c, d."""
    ### BEGIN SOLUTION
    return "c"
    ### END SOLUTION


# %% id="choice-check"
check(equal_heads).points

# %% [markdown] id="choice-explained" tags=["solution-only"]
# The gradient of a mean is the same at every place, so averaging it changes nothing, however the head goes on. A linear
# head that is flattened gives each place a weight of its own.
