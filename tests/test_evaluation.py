"""Boxes, pointing, mass and intervals in closed form, and their laws."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from course_lib.evaluation import (
    box_from_map,
    centre_map,
    completeness_gap,
    edge_map,
    interval95,
    iou,
    mass_in_mask,
    pointing,
    random_map,
    rank_correlation,
)
from course_lib.methods.steps import upsample


def boxes_map(*boxes: tuple[int, int, int, int, float]) -> torch.Tensor:
    made = torch.zeros(20, 30)
    for x0, y0, x1, y1, value in boxes:
        made[y0:y1, x0:x1] = value
    return made


def test_the_box_surrounds_the_largest_region_not_the_highest() -> None:
    assert box_from_map(boxes_map((2, 3, 9, 8, 0.5), (20, 15, 22, 17, 1.0))) == (2, 3, 9, 8)
    assert box_from_map(boxes_map((2, 3, 9, 8, 0.5), (20, 15, 22, 17, 1.0)), 0.6) == (20, 15, 22, 17)


def test_the_threshold_is_a_share_of_the_maximum_and_excluded() -> None:
    rings = boxes_map((0, 0, 12, 12, 15.0), (3, 3, 9, 9, 20.0), (5, 5, 6, 6, 100.0))
    assert box_from_map(rings, 0.14) == (0, 0, 12, 12)
    assert box_from_map(rings, 0.15) == (3, 3, 9, 9)
    assert box_from_map(rings, 0.2) == (5, 5, 6, 6)
    assert box_from_map(7 * rings, 0.15) == box_from_map(rings)


def test_corners_connect_and_edges_are_reached() -> None:
    assert box_from_map(torch.eye(4)) == (0, 0, 4, 4)
    assert box_from_map(torch.ones(4, 6)) == (0, 0, 6, 4)


@pytest.mark.parametrize("empty", [torch.zeros(5, 5), -torch.ones(5, 5)])
def test_without_positive_evidence_the_box_is_empty(empty: torch.Tensor) -> None:
    assert box_from_map(empty) == (0, 0, 0, 0)
    assert iou(box_from_map(empty), (0, 0, 5, 5)) == 0


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 4, 4), (0, 0, 4, 4), 1),
        ((0, 0, 4, 4), (4, 0, 8, 4), 0),  # half-open boxes that touch share nothing
        ((0, 0, 4, 4), (2, 2, 6, 6), 4 / 28),
        ((0, 0, 10, 10), (2, 3, 4, 5), 4 / 100),
        ((5, 5, 5, 5), (5, 5, 5, 5), 0),
        (torch.tensor([0, 0, 2, 2]), (0, 1, 2, 3), 1 / 3),
    ],
)
def test_iou(a: Any, b: Any, expected: float) -> None:
    assert iou(a, b) == iou(b, a) == pytest.approx(expected, abs=1e-15)


def test_pointing_is_where_the_peak_lies() -> None:
    maps = torch.zeros(3, 10, 12)
    maps[0, 4, 7] = 1
    maps[1] = -torch.arange(120.0).reshape(10, 12)  # signed maps count too: the peak is at (0, 0)
    maps[2] = 5.0  # constant
    masks = torch.zeros(3, 10, 12, dtype=torch.bool)
    masks[0, 4, 7] = masks[1, 0, 1] = True
    masks[2] = True
    assert pointing(maps, masks).tolist() == [True, False, False]
    assert pointing(maps, masks, tolerance=1).tolist() == [True, True, False]


def test_tolerance_is_a_circle() -> None:
    maps, masks = torch.zeros(1, 10, 10), torch.zeros(1, 10, 10, dtype=torch.bool)
    maps[0, 2, 2], masks[0, 5, 6] = 1, True  # 3 rows and 4 columns away
    assert not pointing(maps, masks, tolerance=4.99) and pointing(maps, masks, tolerance=5)


def test_of_equal_peaks_the_middle_one_points() -> None:
    cell = upsample(torch.eye(3)[None] * torch.tensor([0.0, 1.0, 0.0]), (9, 9), "nearest")
    only_corner, only_middle = torch.zeros(2, 1, 9, 9, dtype=torch.bool)
    only_corner[0, 3, 3] = only_middle[0, 4, 4] = True
    assert pointing(cell, only_middle) and not pointing(cell, only_corner)


def test_a_monotone_rescaling_changes_no_pointing() -> None:
    generator = torch.Generator().manual_seed(0)
    maps, masks = torch.randn(50, 8, 8, generator=generator), torch.rand(50, 8, 8, generator=generator) < 0.3
    assert pointing(maps, masks).equal(pointing(torch.exp(3 * maps), masks))
    assert not pointing(maps, masks).equal(pointing(-maps, masks))


def test_mass_counts_positive_evidence_only() -> None:
    maps = torch.tensor([[[3.0, 1.0, -8.0]], [[-1.0, -1.0, 0.0]], [[2.0, 2.0, 2.0]]])
    masks = torch.tensor([[[1, 0, 1]], [[1, 1, 1]], [[1, 0, 0]]])
    assert mass_in_mask(maps, masks).tolist() == pytest.approx([0.75, 0.0, 1 / 3])
    assert mass_in_mask(10 * maps, masks).equal(mass_in_mask(maps, masks))


def test_the_controls() -> None:
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(4000, 10, 10, dtype=torch.bool)
    masks[:, :3, :4] = True  # 12 % of the picture
    noise = random_map((4000, 10, 10), generator)
    low, high = interval95(pointing(noise, masks))
    assert low < 0.12 < high and high - low < 0.03
    assert mass_in_mask(noise, masks).mean() == pytest.approx(0.12, abs=0.01)
    for height, width in ((64, 64), (7, 10)):
        centre = torch.zeros(1, height, width, dtype=torch.bool)
        centre[0, height // 2, width // 2] = True
        assert pointing(centre_map((1, height, width)), centre)
    assert centre_map((2, 64, 64)).shape == (2, 64, 64) and centre_map((8, 8)).min() == 0


def test_wilson_interval() -> None:
    z2 = 1.959963984540054**2
    assert interval95([False] * 10) == pytest.approx((0, z2 / (10 + z2)))
    assert interval95([True] * 10) == pytest.approx((10 / (10 + z2), 1))
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263
    assert interval95(torch.arange(263) < 81) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_student_interval() -> None:
    assert interval95([1.0, 2.0, 3.0]) == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)))
    assert interval95(np.array([5.0, 5.0])) == (5.0, 5.0)
    assert interval95([0, 1]) == pytest.approx((0.5 - 12.7062 / 2, 0.5 + 12.7062 / 2))


def test_intervals_cover_the_truth_19_times_in_20() -> None:
    generator = torch.Generator().manual_seed(0)
    shares = [interval95(torch.rand(60, generator=generator) < 0.3) for _ in range(2000)]
    means = [interval95(torch.randn(5, generator=generator)) for _ in range(2000)]
    assert np.mean([low <= 0.3 <= high for low, high in shares]) == pytest.approx(0.95, abs=0.02)
    assert np.mean([low <= 0 <= high for low, high in means]) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: box_from_map(torch.zeros(1, 4, 4)), r"one map \(H, W\) .* not \(1, 4, 4\)"),
        (lambda: box_from_map(torch.zeros(4, 4), 20), ", 20"),
        (lambda: box_from_map(torch.full((4, 4), math.nan)), "NaN or infinite"),
        (lambda: iou((3, 0, 1, 1), (0, 0, 1, 1)), "x0 <= x1"),
        (lambda: pointing(torch.zeros(1, 7, 7), torch.zeros(1, 64, 64)), r"\(1, 7, 7\) and masks \(1, 64, 64\)"),
        (lambda: mass_in_mask(torch.zeros(7, 7), torch.zeros(7, 7)), "must both be"),
        (lambda: pointing(torch.full((1, 4, 4), math.inf), torch.ones(1, 4, 4)), "NaN or infinite"),
        (lambda: interval95([]), "truth values"),
        (lambda: interval95([1.0]), "2 finite numbers or more"),
        (lambda: interval95([1.0, math.nan]), "finite"),
        (lambda: interval95(torch.zeros(2, 2)), "a list"),
    ],
)
def test_what_is_refused(call: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()


def test_rank_correlation_is_spearmans_with_mean_ranks_of_ties() -> None:
    a, b = torch.tensor([[[1.0, 2.0, 2.0, 9.0]]]), torch.tensor([[[4.0, 1.0, 3.0, 5.0]]])
    ranks = np.corrcoef([1, 2.5, 2.5, 4], [3, 1, 2, 4])[0, 1]
    assert rank_correlation(a, b).item() == pytest.approx(ranks, abs=1e-6)
    assert rank_correlation(a, -b).item() == pytest.approx(-ranks, abs=1e-6)


def test_rank_correlation_ignores_increasing_rescaling_and_gives_a_constant_map_0() -> None:
    a, b = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(rank_correlation(a.exp(), b**3), rank_correlation(a, b), atol=1e-12)
    assert rank_correlation(a, a).tolist() == pytest.approx([1] * 3) and rank_correlation(a, -a)[0] == pytest.approx(-1)
    assert rank_correlation(a, torch.ones_like(a)).tolist() == [0, 0, 0]
    assert rank_correlation(a, b).dtype == torch.float64


def test_rank_correlation_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"must both be \(B, h, w\), not \(1, 2, 2\) and \(1, 2, 3\)"):
        rank_correlation(torch.ones(1, 2, 2), torch.ones(1, 2, 3))
    with pytest.raises(ValueError, match="NaN or infinite"):
        rank_correlation(torch.full((1, 2, 2), math.nan), torch.ones(1, 2, 2))


def test_completeness_gap_is_what_the_sum_misses() -> None:
    maps = torch.tensor([[[1.0, 2.0]], [[1.0, -4.0]]])
    assert completeness_gap(maps, torch.tensor([3.0, 1.0])).tolist() == [0, 4]


def test_edges_are_where_brightness_changes_whatever_the_direction() -> None:
    picture = torch.zeros(1, 3, 7, 7)
    picture[..., 3, 3] = 1
    edges = edge_map(picture)
    assert edges[0, 3, 3] == 0 and edges[0, 2, 3] == edges[0, 3, 4] == 2
    assert torch.equal(edges, edge_map(picture.transpose(-1, -2)).transpose(-1, -2))
    assert not edge_map(torch.ones(1, 3, 4, 4)).any()
