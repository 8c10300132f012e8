"""The steps between a raw map and a picture of it: each is visible, none is hidden inside a method."""

import torch
import torch.nn.functional as F
from torch import Tensor


def relu(raw: Tensor) -> Tensor:
    """Keep the evidence for the target class: max(raw, 0), in the unit of the raw map.

    What it deletes is the evidence against it, so the map no longer adds up to the logit.

    >>> relu(torch.tensor([[1.0, -2.0]]))
    tensor([[1., 0.]])
    """
    return raw.clamp(min=0)


def counterfactual(raw: Tensor) -> Tensor:
    """Keep the evidence against the target class: max(-raw, 0), so that relu(raw) - counterfactual(raw) = raw.

    Source: Selvaraju et al., Grad-CAM (2017), section 3.3: the sign of the gradient turned round.

    >>> counterfactual(torch.tensor([[1.0, -2.0]]))
    tensor([[0., 2.]])
    """
    return (-raw).clamp(min=0)


def normalize(raw: Tensor) -> Tensor:
    """Scale each map of (..., h, w) to [0, 1] by its own minimum and maximum; a constant map becomes 0.

    Colours after this step compare places within one map, never one picture with another.

    >>> normalize(torch.tensor([[2.0, 4.0, 3.0]]))
    tensor([[0.0000, 1.0000, 0.5000]])
    >>> normalize(torch.full((1, 3), 7.0))
    tensor([[0., 0., 0.]])
    """
    low, high = raw.amin((-2, -1), keepdim=True), raw.amax((-2, -1), keepdim=True)
    span = high - low
    return (raw - low) / torch.where(span > 0, span, torch.ones_like(span))


def upsample(raw: Tensor, size: tuple[int, int], mode: str = "bilinear") -> Tensor:
    """Stretch maps (..., h, w) over a picture of `size` = (H, W) pixels; `mode` is "bilinear" or "nearest".

    "nearest" shows the cells as they are: s x s pixels each, where the sum grows by s². "bilinear" looks finer than
    what was measured. Raises ValueError for another mode.

    >>> upsample(torch.tensor([[1.0, 2.0]]), (2, 4), "nearest")
    tensor([[1., 1., 2., 2.],
            [1., 1., 2., 2.]])
    """
    if mode not in ("bilinear", "nearest"):
        raise ValueError(f'Upsampling is "bilinear" or "nearest", not {mode!r}.')
    flat = raw.reshape(-1, 1, *raw.shape[-2:])
    stretched = F.interpolate(flat, size, mode=mode, **({} if mode == "nearest" else {"align_corners": False}))
    return stretched.reshape(*raw.shape[:-2], *size)
