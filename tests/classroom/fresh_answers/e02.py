"""Wrong answers to the exercise of lesson 2, by somebody who had not seen the registered mistakes."""

from typing import Any

import torch
from torch import Tensor


def class_map_of_the_largest_logit(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    best = (activations.mean(dim=(2, 3)) @ weights.T).argmax(dim=1)
    return torch.einsum("bk,bkhw->bhw", weights[best], activations)


def class_map_by_reshape(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    batch, channels, height, width = activations.shape
    cells = activations.reshape(batch, height * width, channels)  # should have been a permute
    return (cells @ weights[target][:, :, None]).reshape(batch, height, width)


def class_map_of_all_targets(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    return torch.einsum("ck,bkhw->bhw", weights[target], activations)


def class_map_of_first_target(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    return torch.einsum("k,bkhw->bhw", weights[target[0]], activations)


def class_map_of_positive_weights(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    return torch.einsum("bk,bkhw->bhw", weights[target].relu(), activations)


def box_at_or_above(heat_map: Tensor, share: float) -> tuple[int, int, int, int]:
    y, x = torch.where(heat_map >= share * heat_map.max())
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


def box_of_the_range(heat_map: Tensor, share: float) -> tuple[int, int, int, int]:
    low, high = heat_map.min(), heat_map.max()
    y, x = torch.where((heat_map - low) / (high - low) > share)
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


def box_with_width_and_height(heat_map: Tensor, share: float) -> tuple[int, int, int, int]:
    y, x = torch.where(heat_map > share * heat_map.max())
    return int(x.min()), int(y.min()), int(x.max() - x.min()) + 1, int(y.max() - y.min()) + 1


def box_without_the_last_row(heat_map: Tensor, share: float) -> tuple[int, int, int, int]:
    y, x = torch.where(heat_map > share * heat_map.max())
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max())


def box_of_sizes(heat_map: Tensor, share: float) -> tuple[int, int, int, int]:
    y, x = torch.where(heat_map.abs() > share * heat_map.abs().max())
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


def centred_on_the_others(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    others = (weights.sum(dim=0) - weights[target]) / (len(weights) - 1)
    return torch.einsum("bk,bkhw->bhw", weights[target] - others, activations)


def centred_over_places(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    maps = torch.einsum("bk,bkhw->bhw", weights[target], activations)
    return maps - maps.mean(dim=(1, 2), keepdim=True)


def centred_over_channels(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    centred = weights - weights.mean(dim=1, keepdim=True)
    return torch.einsum("bk,bkhw->bhw", centred[target], activations)


def centred_on_the_targets(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    centred = weights[target] - weights[target].mean(dim=0)
    return torch.einsum("bk,bkhw->bhw", centred, activations)


def centred_by_probability(activations: Tensor, weights: Tensor, target: Tensor) -> Tensor:
    probabilities = torch.softmax(activations.mean(dim=(2, 3)) @ weights.T, dim=1)
    return torch.einsum("bk,bkhw->bhw", weights[target] - probabilities @ weights, activations)


ANSWERS: dict[str, dict[str, Any]] = {
    "class_map": {
        "takes the class with the largest logit": class_map_of_the_largest_logit,
        "reshapes where it should permute": class_map_by_reshape,
        "adds up the maps of all targets in the batch": class_map_of_all_targets,
        "takes the first picture's target for all": class_map_of_first_target,
        "a ReLU on the weights": class_map_of_positive_weights,
    },
    "logit_from_map": {
        "divides by the height twice, right on square maps": lambda maps, bias: (
            maps.sum(dim=(1, 2)) / maps.shape[1] ** 2 + bias
        ),
        "divides the bias by the number of cells as well": lambda maps, bias: (
            (maps.sum(dim=(1, 2)) + bias) / maps[0].numel()
        ),
        "averages over the batch as well": lambda maps, bias: maps.mean() + bias,
        "takes the bias off": lambda maps, bias: maps.mean(dim=(1, 2)) - bias,
        "drops the negative cells": lambda maps, bias: maps.relu().mean(dim=(1, 2)) + bias,
    },
    "box_around": {
        "at or above in place of above": box_at_or_above,
        "a share of the way from minimum to maximum": box_of_the_range,
        "returns width and height in place of x1 and y1": box_with_width_and_height,
        "the last row is inside, the last column outside": box_without_the_last_row,
        "counts strongly negative cells too": box_of_sizes,
    },
    "centred_map": {
        "takes off the mean of the other classes": centred_on_the_others,
        "takes off the map's own mean over the places": centred_over_places,
        "takes off the mean weight over the channels": centred_over_channels,
        "takes off the mean over the targets in the batch": centred_on_the_targets,
        "takes off the mean weighted by probabilities": centred_by_probability,
    },
    "bent_head": {
        "left and right swapped: the left cell alone gives 0": lambda: torch.tensor([[[0.0, 4.0]], [[4.0, 0.0]]]),
        "forgets that the average halves: differs by 0.3": lambda: torch.tensor([[[0.6, 0.0]], [[0.0, 0.6]]]),
        "uses a negative activation": lambda: torch.tensor([[[2.0, -2.0]], [[0.0, 0.0]]]),
        "both cells are for the class, so that the head adds up": lambda: torch.tensor([[[4.0, 3.0]], [[1.0, 0.0]]]),
        "the cells below one another in place of side by side": lambda: torch.tensor([[[4.0], [0.0]], [[0.0], [4.0]]]),
    },
    "where_cam_can_go": {"flatten and three layers": "a", "two layers": "c", "flatten and one layer": "d"},
}
