"""Wrong answers to the exercise of lesson 8, by somebody who had not seen the registered mistakes."""

from math import ceil, log2
from typing import Any

import torch
from torch import Tensor

Answers = dict[str, dict[str, Any]]


def occlude_columns_first(score: Any, picture: Tensor, patch: int, fill: float) -> Tensor:
    height, width = picture.shape
    lost = []
    for left in range(0, width, patch):
        for top in range(0, height, patch):
            covered = picture.clone()
            covered[top : top + patch, left : left + patch] = fill
            lost.append(score(picture[None])[0] - score(covered[None])[0])
    return torch.stack(lost).reshape(height // patch, width // patch)


def occlude_never_uncovers(score: Any, picture: Tensor, patch: int, fill: float) -> Tensor:
    height, width = picture.shape
    lost = torch.zeros(height // patch, width // patch)
    covered = picture.clone()
    for i in range(height // patch):
        for j in range(width // patch):
            covered[i * patch : (i + 1) * patch, j * patch : (j + 1) * patch] = fill
            lost[i, j] = (score(picture[None]) - score(covered[None])).item()
    return lost


def occlude_patch_alone(score: Any, picture: Tensor, patch: int, fill: float) -> Tensor:
    height, width = picture.shape
    empty = torch.full_like(picture, fill)
    gained = torch.zeros(height // patch, width // patch)
    for i in range(height // patch):
        for j in range(width // patch):
            rows, columns = slice(i * patch, (i + 1) * patch), slice(j * patch, (j + 1) * patch)
            alone = empty.clone()
            alone[rows, columns] = picture[rows, columns]
            gained[i, j] = (score(alone[None]) - score(empty[None])).item()
    return gained


def occlude_black(score: Any, picture: Tensor, patch: int, fill: float) -> Tensor:
    height, width = picture.shape
    lost = torch.zeros(height // patch, width // patch)
    for i in range(height // patch):
        for j in range(width // patch):
            covered = picture.clone()
            covered[i * patch : (i + 1) * patch, j * patch : (j + 1) * patch] = 0
            lost[i, j] = (score(picture[None]) - score(covered[None])).item()
    return lost


def occlude_per_pixel(score: Any, picture: Tensor, patch: int, fill: float) -> Tensor:
    height, width = picture.shape
    lost = torch.zeros(height // patch, width // patch)
    for i in range(height // patch):
        for j in range(width // patch):
            covered = picture.clone()
            covered[i * patch : (i + 1) * patch, j * patch : (j + 1) * patch] = fill
            lost[i, j] = (score(picture[None]) - score(covered[None])).item() / patch**2
    return lost


def rise_by_each_pixels_own_count(scores: Tensor, masks: Tensor, kept: float) -> Tensor:
    return torch.einsum("n,nhw->hw", scores, masks) / masks.sum(0).clamp(min=1e-9)


def rise_by_the_share_found(scores: Tensor, masks: Tensor, kept: float) -> Tensor:
    return torch.einsum("n,nhw->hw", scores, masks) / (len(masks) * masks.mean())


def rise_masks_rounded(scores: Tensor, masks: Tensor, kept: float) -> Tensor:
    return (scores[:, None, None] * (masks > 0.5)).mean(0) / kept


def rise_product_of_means(scores: Tensor, masks: Tensor, kept: float) -> Tensor:
    return scores.mean() * masks.mean(0) / kept


def rise_without_share(scores: Tensor, masks: Tensor, kept: float) -> Tensor:
    return (scores[:, None, None] * masks).mean(0)


def evidence_mean_of_log_odds(p: float, samples: Tensor) -> Tensor:
    return log2(p / (1 - p)) - (samples / (1 - samples)).log2().mean()


def evidence_mean_of_odds(p: float, samples: Tensor) -> Tensor:
    return log2(p / (1 - p)) - (samples / (1 - samples)).mean().log2()


def evidence_in_nats(p: float, samples: Tensor) -> Tensor:
    return torch.logit(torch.as_tensor(p)) - torch.logit(samples.mean())


def evidence_of_probabilities(p: float, samples: Tensor) -> Tensor:
    return log2(p) - samples.mean().log2()


def evidence_of_the_median(p: float, samples: Tensor) -> Tensor:
    middle = samples.median()
    return log2(p / (1 - p)) - (middle / (1 - middle)).log2()


def passes_a_last_patch_that_sticks_out(height: int, width: int, patch: int, stride: int) -> int:
    return (ceil((height - patch) / stride) + 1) * (ceil((width - patch) / stride) + 1) + 1


def passes_places_over_stride(height: int, width: int, patch: int, stride: int) -> int:
    return ((height - patch + 1) // stride) * ((width - patch + 1) // stride) + 1


def passes_sides_over_stride(height: int, width: int, patch: int, stride: int) -> int:
    return (height // stride) * (width // stride) + 1


def passes_of_a_square(height: int, width: int, patch: int, stride: int) -> int:
    return ((height - patch) // stride + 1) ** 2 + 1


def passes_without_the_whole(height: int, width: int, patch: int, stride: int) -> int:
    return ((height - patch) // stride + 1) * ((width - patch) // stride + 1)


ANSWERS: Answers = {
    "occlude": {
        "walks down the columns, fills along the rows": occlude_columns_first,
        "a covered patch stays covered": occlude_never_uncovers,
        "what the patch adds to an empty picture": occlude_patch_alone,
        "covers with black, whatever the fill": occlude_black,
        "the loss for each pixel of the patch": occlude_per_pixel,
    },
    "rise_map": {
        "divided by how often each pixel was kept": rise_by_each_pixels_own_count,
        "divided by the share these masks kept": rise_by_the_share_found,
        "masks rounded to 0 and 1": rise_masks_rounded,
        "the mean score times the mean mask": rise_product_of_means,
        "the share kept is forgotten": rise_without_share,
    },
    "enough_alone": {
        "both are needed": lambda: (0.0, 0.0, 0.0, 1.0),
        "each gives half": lambda: (0.0, 0.5, 0.5, 1.0),
        "one or the other, not both": lambda: (0.0, 1.0, 1.0, 0.0),
        "they add up": lambda: (0.0, 1.0, 1.0, 2.0),
        "only the first counts": lambda: (0.0, 1.0, 0.0, 1.0),
    },
    "evidence": {
        "the mean of the log-odds": evidence_mean_of_log_odds,
        "the logarithm of the mean odds": evidence_mean_of_odds,
        "in nats": evidence_in_nats,
        "the probabilities' ratio, not the odds'": evidence_of_probabilities,
        "the median for the mean": evidence_of_the_median,
    },
    "passes": {
        "a last patch that sticks out is counted": passes_a_last_patch_that_sticks_out,
        "the places, divided by the stride and rounded down": passes_places_over_stride,
        "the sides, divided by the stride": passes_sides_over_stride,
        "as if the picture were a square": passes_of_a_square,
        "the whole picture is forgotten": passes_without_the_whole,
    },
    "which_fill": {"black": "a", "grey": "b", "any": "d"},
}
