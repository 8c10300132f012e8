# %% [markdown] id="opening"
# # Exercise 2. Class activation maps
#
# {{counts}}, on lesson 2. Write each answer between the two marks, run its cell, then run the
# cell below it: `check` says at once whether it is right, and which mistake it is if that mistake is known.
# `hint(class_map)` gives a hint, and called again a larger one. The course's own functions earn nothing here: the steps
# are yours.

# %% id="setup"
import torch
from torch import Tensor

from course_lib.classroom.check import check, hint
from course_lib.networks.architectures import GapNetwork

# %% [markdown] id="class-map-question"
# ## 1. The map
#
# {{question:class_map}}
#
# The network ends in global average pooling and one linear layer. Return the class activation map of each picture, for
# its own target class:
#
# {{formula:cam}}


# %% id="class-map-answer"
def class_map(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    """The raw class activation map of each picture: (B, h, w)."""
    ### BEGIN SOLUTION
    chosen = weights[target]
    return (chosen[:, :, None, None] * activations).sum(1)
    ### END SOLUTION


# %% id="class-map-check"
check(class_map).points

# %% [markdown] id="logit-from-map-question"
# ## 2. What it adds up to
#
# {{question:logit_from_map}}
#
# Give the logit back from the map. Mind what global average pooling does, and what has no place on a map.


# %% id="logit-from-map-answer"
def logit_from_map(maps: Tensor, bias: Tensor) -> Tensor:
    """The logit that each map explains: (B,)."""
    ### BEGIN SOLUTION
    return maps.mean(dim=(1, 2)) + bias
    ### END SOLUTION


# %% id="logit-from-map-check"
check(logit_from_map).points

# %% [markdown] id="logit-from-map-explained" tags=["solution-only"]
# The sum over the channels and the mean over the places change places; the bias stays outside:
#
# {{formula:cam-sum-swap}}

# %% [markdown] id="box-around-question"
# ## 3. A box
#
# {{question:box_around}}
#
# Return the smallest box around all cells whose value is above `share` times the map's maximum, and not just at it.
# (Lesson 2 took the largest connected region of them; here all of them count.)


# %% id="box-around-answer"
def box_around(heat_map: Tensor, share: float) -> tuple[int, int, int, int]:
    """The box x0, y0, x1, y1 around the cells above a share of the maximum."""
    ### BEGIN SOLUTION
    rows, columns = torch.nonzero(heat_map > share * heat_map.max(), as_tuple=True)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
    ### END SOLUTION


# %% id="box-around-check"
check(box_around).points

# %% [markdown] id="centred-map-question"
# ## 4. The same probabilities, the same map
#
# {{question:centred_map}}
#
# Add one vector to the weights of every class: no probability changes, and every map does. Return the map that stays:
# of the target class less the mean map of all classes.
#
# {{formula:cam-shift}}


# %% id="centred-map-answer"
def centred_map(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    """The class-centred map of each picture: (B, h, w)."""
    ### BEGIN SOLUTION
    centred = weights - weights.mean(0)
    return (centred[target][:, :, None, None] * activations).sum(1)
    ### END SOLUTION


# %% id="centred-map-check"
check(centred_map).points

# %% [markdown] id="bent-head-question"
# ## 5. A head that does not add up
#
# {{question:bent_head}}
#
# A network has two channels and this head: it averages each channel over the places, takes the second mean from the
# first, and puts the result through a ReLU. Why has it no class activation map? Show it: give activations, none
# negative, for which the logit of the left cell alone plus that of the right cell alone differs from the logit of both
# together by at least 0.5, and the left cell alone gives more than 0.


# %% id="bent-head-answer"
def bent_head() -> Tensor:
    """Activations (2, 1, 2): channels, one row, left and right."""
    ### BEGIN SOLUTION
    return torch.tensor([[[2.0, 0.0]], [[0.0, 2.0]]])
    ### END SOLUTION


# %% id="bent-head-check"
check(bent_head).points

# %% [markdown] id="bent-head-explained" tags=["solution-only"]
# Left alone the ReLU reads 1 - 0 and gives 1; right alone it reads 0 - 1 and gives 0; together it reads 1 - 1 and gives
# 0. What the left cell is worth depends on the right one, so no map of the places can add up to the logit for all
# pictures.

# %% [markdown] id="network-map-question"
# ## 6. A trained network
#
# {{question:network_map}}
#
# This is the network of lesson 2, with its trained weights. It has the parts `network.normalize`, `network.features`
# (the convolutions, which end in a ReLU), `network.pool` and `network.fc`, and its forward pass goes through them in
# this order. Return the class activation map of each picture for its own target, which need not be the class that the
# network answers.


# %% id="network-map-answer"
def network_map(network: GapNetwork, pictures: Tensor, target: Tensor) -> Tensor:
    """CAM of each picture for its own target class: (B, h, w)."""
    ### BEGIN SOLUTION
    activations = network.features(network.normalize(pictures))
    return torch.einsum("bk,bkhw->bhw", network.fc.weight[target], activations).detach()
    ### END SOLUTION


# %% id="network-map-check"
check(network_map).points

# %% [markdown] id="where-cam-can-go-question"
# ## 7. Where can CAM go?
#
# {{question:where_cam_can_go}}
#
# Which network has class activation maps?
#
# - a: convolutions, flatten, three fully connected layers with ReLUs between them (VGG)
# - b: convolutions, global average pooling, one fully connected layer (ResNet)
# - c: convolutions, global average pooling, two fully connected layers with a ReLU between them
# - d: convolutions, flatten, one fully connected layer


# %% id="where-cam-can-go-answer"
def where_cam_can_go() -> str:
    """One of the letters a, b, c, d."""
    ### BEGIN SOLUTION
    return "b"
    ### END SOLUTION


# %% id="where-cam-can-go-check"
check(where_cam_can_go).points

# %% [markdown] id="where-cam-can-go-explained" tags=["solution-only"]
# Only there one number leads from each channel to each logit. (After flattening the head is linear too, and there is an
# exact map; its weights differ from place to place, so it is not CAM's.)
