# %% [markdown] id="opening"
# # Exercise 7. Gradient and propagation methods
#
# {{counts}}, on lesson 7. Write each answer between the two marks, run its cell, then run the
# cell below it: `check` says at once whether it is right, and which mistake it is if that mistake is known.
# `hint(saliency_map)` gives a hint, and called again a larger one. The course's own functions earn nothing here: the
# steps
# are yours.

# %% id="setup"
import torch
from torch import Tensor

from course_lib.classroom.check import check, hint
from course_lib.classroom.questions.material import TinyNetwork

# %% [markdown] id="saliency-map-question"
# ## 1. Saliency
#
# {{question:saliency_map}}
#
# How fast does the target's logit move with a pixel, whichever way? Of the three colours the largest counts.
#
# {{formula:saliency}}


# %% id="saliency-map-answer"
def saliency_map(model: TinyNetwork, x: Tensor, target: Tensor) -> Tensor:
    """Saliency of each picture for its own target: (B, H, W)."""
    ### BEGIN SOLUTION
    x = x.requires_grad_()
    score = model(x).gather(1, target[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, x)
    return gradient.abs().amax(dim=1)
    ### END SOLUTION


# %% id="saliency-map-check"
check(saliency_map).points

# %% [markdown] id="smooth-question"
# ## 2. SmoothGrad
#
# {{question:smooth}}
#
# The noise is drawn already: average the gradients of the target's logit at `x + noise[0]`, `x + noise[1]`, ...
#
# {{formula:smooth-grad}}


# %% id="smooth-answer"
def smooth(model: TinyNetwork, x: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    """The mean gradient around each picture: (B, 3, H, W)."""
    ### BEGIN SOLUTION
    total = torch.zeros_like(x)
    for one in noise:
        at = (x + one).requires_grad_()
        total += torch.autograd.grad(model(at).gather(1, target[:, None]).sum(), at)[0]
    return total / len(noise)
    ### END SOLUTION


# %% id="smooth-check"
check(smooth).points

# %% [markdown] id="back-through-relu-question"
# ## 3. Three rules
#
# {{question:back_through_relu}}
#
# Three methods differ in one line: what they let back through a ReLU.
#
# {{formula:backward-rules}}


# %% id="back-through-relu-answer"
def back_through_relu(rule: str, x: Tensor, arrives: Tensor) -> Tensor:
    """What goes on, of what arrives at a ReLU that read x: (n,)."""
    ### BEGIN SOLUTION
    keep = torch.ones_like(arrives)
    if rule in ("gradient", "guided"):
        keep = keep * (x > 0)
    if rule in ("deconvolution", "guided"):
        keep = keep * (arrives > 0)
    return arrives * keep
    ### END SOLUTION


# %% id="back-through-relu-check"
check(back_through_relu).points

# %% [markdown] id="relevance-question"
# ## 4. Relevance
#
# {{question:relevance}}
#
# Hand the relevance that arrives at a linear layer's outputs on to its inputs, by the epsilon rule:
#
# {{formula:lrp-epsilon}}


# %% id="relevance-answer"
def relevance(inputs: Tensor, weights: Tensor, bias: Tensor, arrives: Tensor, epsilon: float) -> Tensor:
    """The relevance of each input, by the epsilon rule: (B, n)."""
    ### BEGIN SOLUTION
    z = inputs @ weights.T + bias
    share = arrives / (z + epsilon * z.sign())
    return inputs * (share @ weights)
    ### END SOLUTION


# %% id="relevance-check"
check(relevance).points

# %% [markdown] id="relevance-explained" tags=["solution-only"]
# What the inputs get adds up to less than what arrived: the biases and epsilon absorbed the rest.
#
# {{formula:lrp-conservation}}

# %% [markdown] id="loss-gradient-question"
# ## 5. The loss fades
#
# {{question:loss_gradient}}
#
# You have the gradient of every logit. Make the gradient of the loss, -ln p of the target, of it, for each picture by
# itself.


# %% id="loss-gradient-answer"
def loss_gradient(logits: Tensor, gradients: Tensor, target: Tensor) -> Tensor:
    """The gradient of each picture's own loss: (B, n)."""
    ### BEGIN SOLUTION
    p = logits.softmax(dim=1)
    p[torch.arange(len(p)), target] -= 1
    return (p[:, :, None] * gradients).sum(1)
    ### END SOLUTION


# %% id="loss-gradient-check"
check(loss_gradient).points

# %% [markdown] id="loss-gradient-explained" tags=["solution-only"]
# {{formula:loss-gradient}}

# %% [markdown] id="only-a-drawing-question"
# ## 6. Explanation or drawing?
#
# {{question:only_a_drawing}}
#
# Which method's map stays nearly the same when you ask about another class, and when the last layers get random
# weights?
#
# - a: guided backpropagation
# - b: saliency
# - c: Grad-CAM
# - d: none of these


# %% id="only-a-drawing-answer"
def only_a_drawing() -> str:
    """One of the letters a, b, c, d."""
    ### BEGIN SOLUTION
    return "a"
    ### END SOLUTION


# %% id="only-a-drawing-check"
check(only_a_drawing).points

# %% [markdown] id="only-a-drawing-explained" tags=["solution-only"]
# It draws the edges that the first layers see. That it looks sharp is no merit: the picture is sharp.
