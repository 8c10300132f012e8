"""How good is an explanation? Its map against the truth, beside controls, with an interval."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.ndimage import label
from scipy.stats import rankdata, t
from torch import Tensor
from torch.nn import functional as F

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels; x1 and y1 are the first column and row outside


def box_from_map(heat_map: Tensor, threshold: float = 0.15) -> Box:
    """The smallest box around the largest connected region of a map (H, W) above `threshold` times its maximum.

    Pixels that touch at a corner are connected. A map without a positive value gives the empty box (0, 0, 0, 0).
    Source: Zhou et al. (CVPR 2016) take 20 % of the maximum for CAM, Selvaraju et al. (ICCV 2017) 15 % for Grad-CAM.

    >>> box_from_map(torch.tensor([[0.0, 9.0, 5.0], [0.0, 1.0, 0.0]]))
    (1, 0, 3, 1)
    """
    if heat_map.ndim != 2 or not 0 <= threshold < 1:
        shape = tuple(heat_map.shape)
        raise ValueError(f"A box needs one map (H, W) and a share of its maximum in [0, 1), not {shape}, {threshold}.")
    values = _finite(heat_map).cpu().numpy()
    regions, _ = label(values > max(threshold * values.max(initial=0), 0), np.ones((3, 3)))
    if not regions.any():
        return 0, 0, 0, 0
    rows, columns = np.nonzero(regions == np.bincount(regions.flat)[1:].argmax() + 1)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def iou(a: Sequence[Any] | Tensor, b: Sequence[Any] | Tensor) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1): 1 if they are the same, 0 if they don't meet or are empty.

    >>> iou((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = ([float(side) for side in box] for box in (a, b))
    if ax1 < ax0 or ay1 < ay0 or bx1 < bx0 or by1 < by0:
        raise ValueError(f"A box is x0, y0, x1, y1 with x0 <= x1 and y0 <= y1, not {list(a)} or {list(b)}.")
    shared = max(0.0, min(ax1, bx1) - max(ax0, bx0)) * max(0.0, min(ay1, by1) - max(ay0, by0))
    union = (ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - shared
    return shared / union if union else 0.0


def pointing(maps: Tensor, masks: Tensor, tolerance: float = 0.0) -> Tensor:
    """Does the peak of each map (B, H, W) lie in its mask (B, H, W), or within `tolerance` pixels of it? (B,) bool.

    A constant map points nowhere: a miss. Of several equal peaks the one nearest to their middle counts, so that the
    upper left corner of an enlarged cell has no advantage. Source: Zhang et al., ECCV 2016 (with 15 pixels).

    >>> pointing(torch.tensor([[[0.0, 2.0, 1.0]]]), torch.tensor([[[False, False, True]]]), tolerance=1)
    tensor([True])
    """
    maps, masks = _pair(maps, masks)
    peaks = maps == maps.amax((1, 2), keepdim=True)
    rows, columns = torch.arange(maps.shape[1]).to(maps)[:, None], torch.arange(maps.shape[2]).to(maps)

    def squared_distance(y: Tensor, x: Tensor) -> Tensor:
        return (rows - y[:, None, None]) ** 2 + (columns - x[:, None, None]) ** 2

    count = peaks.sum((1, 2))
    middle = squared_distance((peaks * rows).sum((1, 2)) / count, (peaks * columns).sum((1, 2)) / count)
    nearest = middle.masked_fill(~peaks, math.inf).flatten(1).argmin(1)
    away = squared_distance(nearest // maps.shape[2], nearest % maps.shape[2])
    hit = (masks & (away <= tolerance**2)).flatten(1).any(1)
    return hit & ~peaks.flatten(1).all(1)


def mass_in_mask(maps: Tensor, masks: Tensor) -> Tensor:
    """The share of a map's positive values that lies in the mask: Σ_mask max(M, 0) / Σ max(M, 0), (B, H, W) -> (B,).

    A map without a positive value gives 0. The control is the mask's share of the picture: a flat map gets it.
    Source: the energy-based pointing game of Wang et al., Score-CAM (CVPR Workshops 2020).

    >>> mass_in_mask(torch.tensor([[[3.0, 1.0, -5.0]]]), torch.tensor([[[True, False, True]]]))
    tensor([0.7500])
    """
    maps, masks = _pair(maps, masks)
    positive = maps.clamp(min=0)
    total = positive.sum((1, 2))
    return (positive * masks).sum((1, 2)) / torch.where(total > 0, total, torch.ones_like(total))


def rank_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Do two maps put the places in the same order? Spearman's ρ of each pair of maps, (B, h, w), (B, h, w) -> (B,).

    The correlation of the ranks (of equal values their mean rank): 1 the same order, -1 the reverse, near 0 unrelated.
    A constant map has no order and gives 0. Raises ValueError if the shapes differ or a value isn't finite.
    Source: Spearman, American Journal of Psychology 15 (1904).

    >>> rank_correlation(torch.tensor([[[1.0, 2.0, 9.0]]]), torch.tensor([[[3.0, 4.0, 5.0]]]))
    tensor([1.])
    """
    if a.ndim != 3 or a.shape != b.shape:
        shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise ValueError(f"Maps that are ranked together must both be (B, h, w), not {shapes}.")
    ranks = [torch.from_numpy(rankdata(_finite(one).flatten(1).cpu().numpy(), axis=1)) for one in (a, b)]
    x, y = (one - one.mean(1, keepdim=True) for one in ranks)
    size = (x.square().sum(1) * y.square().sum(1)).sqrt()
    return ((x * y).sum(1) / torch.where(size > 0, size, 1)).to(_finite(a))


def completeness_gap(maps: Tensor, to_explain: Tensor) -> Tensor:
    """How far a map's sum is from what there is to explain: |Σ M - (S_c(x) - S_c(x'))|, (B, h, w) -> (B,).

    In logits, for a map in logits only; x' is the method's baseline. Source: completeness, as in
    Sundararajan, Taly, Yan, ICML 2017.

    >>> completeness_gap(torch.tensor([[[3.0, -1.0]]]), torch.tensor([2.5]))
    tensor([0.5000])
    """
    return (_finite(maps).sum((1, 2)) - to_explain).abs()


def edge_map(pictures: Tensor) -> Tensor:
    """A control that knows the picture but no model: how steep the brightness is, (B, 3, H, W) -> (B, H, W).

    |∇| by Sobel's two filters on the mean of the colours; at the border the picture is continued by its last pixel.
    Source: Sobel and Feldman (1968); as a control: Adebayo et al., NeurIPS 2018.

    >>> edge_map(torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 3, 4, 4))[0, 0]
    tensor([0., 4., 4., 0.])
    """
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]).to(pictures)
    grey = F.pad(pictures.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    return F.conv2d(grey, torch.stack([across, across.T])[:, None]).square().sum(1).sqrt()


def random_map(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """A control that knows nothing: each value drawn evenly from [0, 1)."""
    return torch.rand(*shape, generator=generator)


def centre_map(shape: Sequence[int]) -> Tensor:
    """A control that has not looked: (..., H, W), 1 at the pixel (H // 2, W // 2), falling to 0 at the farthest corner.

    >>> centre_map((1, 3))
    tensor([[0., 1., 0.]])
    """
    height, width = shape[-2:]
    rows, columns = torch.arange(height)[:, None] - height // 2, torch.arange(width) - width // 2
    distance = (rows**2 + columns**2).sqrt()
    return (1 - distance / distance.max().clamp(min=1)).expand(*shape)


def interval95(values: Sequence[Any] | Tensor | np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a share, from truth values (Wilson), or of a mean, from one number a seed (Student's t).

    Share p of n, z = 1.96: (p + z²/2n ± z sqrt(p(1 - p)/n + z²/4n²)) / (1 + z²/n). Mean: m ± t s / sqrt(n), n >= 2.
    Source: Wilson, Journal of the American Statistical Association 22 (1927); Student, Biometrika 6 (1908).

    >>> [round(bound, 3) for bound in interval95([True] * 7 + [False] * 3)]
    [0.397, 0.892]
    """
    array = np.asarray(values.tolist() if isinstance(values, Tensor) else values)
    n, share = array.size, array.dtype == np.bool_
    if array.ndim != 1 or n < (1 if share else 2) or not np.isfinite(array).all():
        raise ValueError(f"An interval needs a list of truth values, or of 2 finite numbers or more, not {values!r}.")
    if share:
        p, z = float(array.mean()), 1.959963984540054
        middle, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)
    half = float(t.ppf(0.975, n - 1)) * float(array.std(ddof=1)) / math.sqrt(n)
    return float(array.mean()) - half, float(array.mean()) + half


def _finite(maps: Tensor) -> Tensor:
    maps = maps.detach()
    if not maps.isfinite().all():
        raise ValueError("This map has NaN or infinite values, so it has no peak and no share.")
    return maps if maps.is_floating_point() else maps.float()


def _pair(maps: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    if maps.ndim != 3 or maps.shape != masks.shape:
        shapes = f"Maps {tuple(maps.shape)} and masks {tuple(masks.shape)}"
        raise ValueError(f"{shapes} must both be (B, H, W), in pixels; try methods.steps.upsample on the maps.")
    return _finite(maps), masks.bool()
