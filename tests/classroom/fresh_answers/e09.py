"""Wrong answers to the exercise of lesson 9, by somebody who had not seen the registered mistakes."""

from typing import Any

import torch
from torch import Tensor

Answers = dict[str, dict[str, Any]]


def points_largest_magnitude(maps: Tensor, masks: Tensor) -> Tensor:
    return masks.flatten(1).gather(1, maps.flatten(1).abs().argmax(1, keepdim=True))[:, 0]


def points_one_peak_for_the_batch(maps: Tensor, masks: Tensor) -> Tensor:
    return ((maps == maps.max()) & masks).flatten(1).any(1)


def points_rows_and_columns_exchanged(maps: Tensor, masks: Tensor) -> Tensor:
    return masks.flatten(1).gather(1, maps.transpose(1, 2).flatten(1).argmax(1, keepdim=True))[:, 0]


def points_best_row_and_best_column(maps: Tensor, masks: Tensor) -> Tensor:
    return masks[torch.arange(len(maps)), maps.sum(2).argmax(1), maps.sum(1).argmax(1)]


def points_brighter_inside(maps: Tensor, masks: Tensor) -> Tensor:
    inside = (maps * masks).sum((1, 2)) / masks.sum((1, 2)).clamp(min=1)
    outside = (maps * ~masks).sum((1, 2)) / (~masks).sum((1, 2)).clamp(min=1)
    return inside > outside


def beyond_magnitudes(maps: Tensor, masks: Tensor) -> Tensor:
    strength = maps.abs()
    total = strength.sum((1, 2))
    share = (strength * masks).sum((1, 2)) / total.clamp(min=1e-12)
    area = masks.float().mean((1, 2))
    return torch.where(total > 0, share - area, torch.zeros_like(share))


def beyond_flat_map_gets_less_than_nothing(maps: Tensor, masks: Tensor) -> Tensor:
    positive = maps.relu()
    share = (positive * masks).sum((1, 2)) / positive.sum((1, 2)).clamp(min=1e-12)
    return share - masks.float().mean((1, 2))


def beyond_area_of_all_masks(maps: Tensor, masks: Tensor) -> Tensor:
    positive = maps.relu()
    total = positive.sum((1, 2))
    share = (positive * masks).sum((1, 2)) / total.clamp(min=1e-12)
    return torch.where(total > 0, share - masks.float().mean(), torch.zeros_like(share))


def beyond_lifted_by_the_minimum(maps: Tensor, masks: Tensor) -> Tensor:
    lifted = maps - maps.amin((1, 2), keepdim=True)
    total = lifted.sum((1, 2))
    share = (lifted * masks).sum((1, 2)) / total.clamp(min=1e-12)
    return torch.where(total > 0, share - masks.float().mean((1, 2)), torch.zeros_like(share))


def beyond_nothing_over_nothing(maps: Tensor, masks: Tensor) -> Tensor:
    positive = maps.relu()
    return (positive * masks).sum((1, 2)) / positive.sum((1, 2)) - masks.float().mean((1, 2))


def _delete(weights: Tensor, x: Tensor, order: Tensor, fill: float) -> Tensor:
    x = x.clone()
    curve = [torch.sigmoid(weights @ x)]
    for i in order:
        x[i] = fill
        curve.append(torch.sigmoid(weights @ x))
    return torch.stack(curve)


def deletion_by_magnitude(weights: Tensor, x: Tensor, scores: Tensor, fill: float) -> Tensor:
    return _delete(weights, x, scores.abs().argsort(descending=True), fill)


def deletion_one_at_a_time(weights: Tensor, x: Tensor, scores: Tensor, fill: float) -> Tensor:
    curve = [torch.sigmoid(weights @ x)]
    for i in scores.argsort(descending=True):
        emptied = x.clone()
        emptied[i] = fill
        curve.append(torch.sigmoid(weights @ emptied))
    return torch.stack(curve)


def deletion_to_zero(weights: Tensor, x: Tensor, scores: Tensor, fill: float) -> Tensor:
    return _delete(weights, x, scores.argsort(descending=True), 0.0)


def deletion_order_taken_for_ranks(weights: Tensor, x: Tensor, scores: Tensor, fill: float) -> Tensor:
    order = scores.argsort(descending=True)
    steps = [torch.where(order < k, torch.full_like(x, fill), x) for k in range(len(x) + 1)]
    return torch.stack([torch.sigmoid(weights @ step) for step in steps])


def deletion_by_true_contribution(weights: Tensor, x: Tensor, scores: Tensor, fill: float) -> Tensor:
    return _delete(weights, x, (weights * x).argsort(descending=True), fill)


def blind_rows_times_columns(masks: Tensor) -> Tensor:
    often = masks.float().mean(0)
    return often.sum(1)[:, None] * often.sum(0)[None, :]


def blind_only_what_all_share(masks: Tensor) -> Tensor:
    return masks.all(0).float()


def blind_large_objects_count_less(masks: Tensor) -> Tensor:
    return (masks.float() / masks.sum((1, 2), keepdim=True).clamp(min=1)).mean(0)


def blind_at_the_mean_centre(masks: Tensor) -> Tensor:
    _, height, width = masks.shape
    places = masks.nonzero().float()
    row, column = places[:, 1].mean(), places[:, 2].mean()
    return -((torch.arange(height)[:, None] - row) ** 2) - (torch.arange(width)[None, :] - column) ** 2


def blind_wherever_any_object_was(masks: Tensor) -> Tensor:
    return masks.any(0).float()


def _correlate(r: Tensor, s: Tensor, centre: bool = True) -> Tensor:
    r, s = r.double(), s.double()
    if centre:
        r, s = r - r.mean(1, keepdim=True), s - s.mean(1, keepdim=True)
    return ((r * s).sum(1) / (r.square().sum(1) * s.square().sum(1)).sqrt()).float()


def agreement_of_values(a: Tensor, b: Tensor) -> Tensor:
    return _correlate(a.flatten(1), b.flatten(1))


def agreement_sorted_once(a: Tensor, b: Tensor) -> Tensor:
    return _correlate(a.flatten(1).argsort(1), b.flatten(1).argsort(1))


def agreement_of_pairs(a: Tensor, b: Tensor) -> Tensor:
    a, b = a.flatten(1), b.flatten(1)
    n = a.shape[1]
    same = (a[:, :, None] - a[:, None, :]).sign() * (b[:, :, None] - b[:, None, :]).sign()
    return same.sum((1, 2)) / (n * (n - 1))


def agreement_ranked_over_the_batch(a: Tensor, b: Tensor) -> Tensor:
    r, s = (m.flatten().argsort().argsort().reshape(len(m), -1) for m in (a, b))
    return _correlate(r, s)


def agreement_without_the_mean(a: Tensor, b: Tensor) -> Tensor:
    r, s = (m.flatten(1).argsort(1).argsort(1) + 1 for m in (a, b))
    return _correlate(r, s, centre=False)


ANSWERS: Answers = {
    "points_at": {
        "the largest magnitude is the peak": points_largest_magnitude,
        "one peak for the whole batch": points_one_peak_for_the_batch,
        "rows and columns exchanged": points_rows_and_columns_exchanged,
        "the best row and the best column, each by itself": points_best_row_and_best_column,
        "brighter inside the mask than outside, on the average": points_brighter_inside,
    },
    "beyond_area": {
        "magnitudes for positive values": beyond_magnitudes,
        "a map without positive values gets less than 0": beyond_flat_map_gets_less_than_nothing,
        "the area of all masks together": beyond_area_of_all_masks,
        "lifted by the minimum, not cut at 0": beyond_lifted_by_the_minimum,
        "nothing divided by nothing": beyond_nothing_over_nothing,
    },
    "deletion": {
        "ordered by magnitude": deletion_by_magnitude,
        "each input emptied alone": deletion_one_at_a_time,
        "emptied to 0, whatever the fill": deletion_to_zero,
        "the order taken for the ranks": deletion_order_taken_for_ranks,
        "ordered by weight times input": deletion_by_true_contribution,
    },
    "blind_map": {
        "how often a row times how often a column": blind_rows_times_columns,
        "only where all objects overlap": blind_only_what_all_share,
        "a large object counts less": blind_large_objects_count_less,
        "near the objects' mean centre": blind_at_the_mean_centre,
        "wherever there was any object": blind_wherever_any_object_was,
    },
    "agreement": {
        "the values correlated, not the ranks": agreement_of_values,
        "sorted once: order for ranks": agreement_sorted_once,
        "pairs in the same order (Kendall)": agreement_of_pairs,
        "ranked over the whole batch": agreement_ranked_over_the_batch,
        "the mean rank is not taken off": agreement_without_the_mean,
    },
    "passed": {"right about the model": "a", "points at the object": "c", "nothing": "d"},
}
