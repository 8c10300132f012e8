"""Methods that change the picture, or a layer, and watch what the answer does: no gradient, only forward passes.

Each takes a model that gives logits (B, classes), pictures (B, C, H, W) and a target class, and returns maps (B, H, W).
`batch` is the number of pictures in one pass (fewer, where they are larger than 224 x 224), which bounds the memory
whatever the number of patches or masks.
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_lib.layers import layers
from course_lib.methods.registry import find_layer, register
from course_lib.recordable import find_module
from course_lib.recording import copies_per_pass

Score = Callable[[Tensor], Tensor]
Fill = float | Tensor


@register("occlusion", kind="model", units="logits", source="Zeiler & Fergus, ECCV 2014")
@torch.no_grad()
def occlusion(
    model: nn.Module,
    pictures: Tensor,
    target: int,
    patch: int = 8,
    stride: int = 4,
    fill: Fill = 0.5,
    batch: int = 64,
    progress: bool = False,
) -> Tensor:
    """What the logit loses when a square patch is covered: at each pixel the mean over the patches that cover it.

    M(p) = mean over patches P with p in P of S_c(x) - S_c(x with P replaced by the fill). On a linear model with
    patches of one pixel that is w (x - fill), the contribution with the fill for a baseline.

    Args:
        patch: side of the square in pixels
        stride: pixels from one patch to the next; at most `patch`, so that each pixel is covered
        fill: what covers, in the units that the model takes: a number, or pictures (a blurred copy, say)

    Returns:
        (B, H, W), in logits

    Raises:
        ValueError: if patch and stride don't fit each other or the picture

    Source: Zeiler, Fergus, ECCV 2014, section 4.2 (grey patch, probability of the class; here the logit).

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> _ = model[1].weight.data.copy_(torch.tensor([[3.0, -1.0]]))
    >>> occlusion(model, torch.tensor([[[[2.0, 5.0]]]]), 0, patch=1, stride=1, fill=1.0)  # 3 (2 - 1) and -1 (5 - 1)
    tensor([[[ 3., -4.]]])
    """
    corners = _corners(pictures, patch, stride)
    losses = _losses(lambda x: model(x)[:, target], pictures, corners, patch, fill, batch, progress, "occlusion")
    return _mean_over_patches(losses, pictures, corners, patch)


@register("prediction difference", kind="model", units="bits", source="Zintgraf et al., ICLR 2017")
@torch.no_grad()
def prediction_difference(
    model: nn.Module,
    pictures: Tensor,
    target: int,
    patch: int = 8,
    stride: int = 8,
    samples: int = 4,
    seed: int = 0,
    batch: int = 64,
    progress: bool = False,
) -> Tensor:
    """How much a patch changes the odds of the class, when what could have stood there is averaged over.

    WE(P) = log2 odds(p_c(x)) - log2 odds(mean over samples of p_c(x with P replaced by a sample)), with odds(p) =
    p / (1 - p).
    At each pixel the mean over the patches that cover it. A sample is a patch from another place of the same picture:
    simpler than the conditional normal distribution of the paper, and like it no single colour.

    Args:
        patch, stride: as in `occlusion`
        samples: how many replacements are averaged over
        seed: which places they come from

    Returns:
        (B, H, W), in bits: 1 means that the patch doubles the odds

    Source: Zintgraf, Cohen, Adel, Welling, ICLR 2017, equations 1 to 4.

    >>> model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    >>> prediction_difference(model, torch.ones(1, 1, 4, 4), 0, 2, 2).abs().max() < 1e-5  # all patches are equal
    tensor(True)
    """
    corners, random = _corners(pictures, patch, stride), torch.Generator().manual_seed(seed)
    total = torch.zeros(len(corners), len(pictures), dtype=pictures.dtype, device=pictures.device)

    def chance(x: Tensor) -> Tensor:
        probability: Tensor = model(x).softmax(1)[:, target]
        return probability

    before = chance(pictures)
    for _ in tqdm(range(samples), desc="prediction difference", disable=not progress):
        shift = [int(torch.randint(1, side, (), generator=random)) if side > 1 else 0 for side in pictures.shape[-2:]]
        elsewhere = pictures.roll(shift, (-2, -1))
        total += before - _losses(chance, pictures, corners, patch, elsewhere, batch, False, "")
    evidence = _log_odds(before) - _log_odds(total / samples)
    return _mean_over_patches(evidence, pictures, corners, patch)


@register("representation erasure", kind="model", units="nats", source="Li et al., 2016")
@torch.no_grad()
def representation_erasure(
    model: nn.Module,
    pictures: Tensor,
    target: int,
    at: str | nn.Module | None = None,
    batch: int = 64,
    progress: bool = False,
) -> Tensor:
    """What the log-likelihood of the class loses when one cell of a layer is set to 0 in all its channels.

    I(i, j) = ln p_c(x) - ln p_c(x with A_ij = 0). On GAP and one linear layer the *logit* loses M_c(i, j) / Z, the
    class activation map (`cam-occlusion`); the log-likelihood also moves with every other class.

    Args:
        at: name or module of the layer whose output is (B, K, h, w); without it, the last one that gives such an output

    Returns:
        (B, H, W), in nats (units of the natural logarithm): each pixel has what its cell costs

    Raises:
        ValueError: for a layer without a grid
        LookupError: for a layer that isn't there

    Source: Li, Monroe, Jurafsky, arXiv 1612.08220 (2016), equation 1, there relative to the log-likelihood.

    >>> model = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2, bias=False))
    >>> _ = model[3].weight.data.copy_(torch.tensor([[4.0], [0.0]]))
    >>> x = torch.tensor([[[[3.0, 0.0], [0.0, 0.0]]]])
    >>> representation_erasure(model, x, 0, "0")  # without the first cell a logit of 3 falls to 0
    tensor([[[0.6446, 0.0000],
             [0.0000, 0.0000]]])
    """
    module, shape = _grid_module(model, pictures, at)
    cells = torch.eye(shape[-2] * shape[-1], dtype=pictures.dtype, device=pictures.device).view(-1, 1, 1, *shape[-2:])
    before = model(pictures).log_softmax(1)[:, target]
    kept: Tensor
    handle = module.register_forward_hook(lambda _module, _inputs, output: output * kept)
    losses = []
    try:
        for some in tqdm(cells.split(copies_per_pass(pictures, batch)), desc="erasure", disable=not progress):
            kept = 1 - some.repeat_interleave(len(pictures), 0)[:, 0]
            after = model(pictures.repeat(len(some), 1, 1, 1)).log_softmax(1)[:, target]
            losses.append(before - after.view(len(some), -1))
    finally:
        handle.remove()
    cost = torch.cat(losses).T.view(len(pictures), 1, *shape[-2:])
    return F.interpolate(cost, pictures.shape[-2:], mode="nearest")[:, 0]


@register("meaningful perturbation", kind="model", signed=False, units="share", source="Fong & Vedaldi, 2017")
def meaningful_perturbation(
    model: nn.Module,
    pictures: Tensor,
    target: int,
    cells: int = 16,
    steps: int = 120,
    rate: float = 0.1,
    area: float = 0.3,
    smooth: float = 0.2,
    fill: Fill | None = None,
    progress: bool = False,
) -> Tensor:
    """The smallest smooth mask whose erasure makes the class improbable, found by gradient descent.

    m = argmin of area mean(m) + smooth mean|∇m| + p_c(x (1 - m) + fill m), m in [0, 1] on a coarse grid, enlarged.

    Args:
        cells: side of the grid of the mask
        steps, rate: of Adam, from m = 1/2
        area, smooth: the price of erasing everything, and of a ragged mask
        fill: what is put in; without it, a blurred copy of the picture

    Returns:
        (B, H, W), the share erased, 0 to 1

    Source: Fong, Vedaldi, ICCV 2017, equations 3 to 5 (there with a jittered picture besides).

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> meaningful_perturbation(model, torch.rand(1, 1, 2, 2), 0, cells=2, steps=2).shape
    torch.Size([1, 2, 2])
    """
    if cells < 1 or steps < 1:
        raise ValueError(f"A mask needs at least one cell and one step, not {cells} and {steps}.")
    pictures, size = pictures.detach(), pictures.shape[-2:]
    other = blurred(pictures) if fill is None else fill
    raw = torch.zeros(len(pictures), 1, cells, cells, dtype=pictures.dtype, device=pictures.device, requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=rate)
    with torch.enable_grad():
        for _ in tqdm(range(steps), desc="meaningful perturbation", disable=not progress):
            mask = raw.sigmoid()
            shown = F.interpolate(mask, size, mode="bilinear", align_corners=False)
            chance = model(pictures * (1 - shown) + other * shown).softmax(1)[:, target]
            (raw.grad,) = torch.autograd.grad(price(mask, chance, area, smooth).sum(), raw)
            optimizer.step()
    return F.interpolate(raw.detach().sigmoid(), size, mode="bilinear", align_corners=False)[:, 0]


def price(mask: Tensor, chance: Tensor, area: float, smooth: float) -> Tensor:
    """What meaningful perturbation minimizes, (B,): area mean(m) + smooth mean|∇m| + p_c, for masks (B, 1, h, w).

    >>> price(torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([0.5]), area=0.2, smooth=0.1)  # 0.1 + 0.05 + 0.5
    tensor([0.6500])
    """
    ragged = mask.diff(dim=-1).abs().sum((1, 2, 3)) + mask.diff(dim=-2).abs().sum((1, 2, 3))
    return area * mask.mean((1, 2, 3)) + smooth * ragged / mask[0].numel() + chance


@register("RISE", kind="model", units="logits", source="Petsiuk et al., BMVC 2018")
@torch.no_grad()
def rise(
    model: nn.Module,
    pictures: Tensor,
    target: int,
    masks: int = 400,
    cells: int = 7,
    keep: float = 0.5,
    fill: Fill = 0.0,
    seed: int = 0,
    batch: int = 64,
    progress: bool = False,
) -> Tensor:
    """The mean score of randomly masked pictures, each weighted by how far the pixel was kept.

    M(p) = Σ_i S_c(x ⊙ M_i + fill (1 - M_i)) M_i(p) / (N keep), with masks M_i that keep each cell of a coarse grid with
    probability `keep`, enlarged smoothly and shifted at random. It estimates E[S_c | pixel p is kept].

    Args:
        masks: N, how many; the noise falls as 1 / sqrt(N)
        cells: side of the coarse grid
        keep: share of the cells that is kept
        fill: what stands where nothing is kept, in the units that the model takes

    Returns:
        (B, H, W), in logits; the same masks for each picture of the batch

    Raises:
        ValueError: if keep isn't between 0 and 1, or there isn't a mask or a cell

    Source: Petsiuk, Das, Saenko, BMVC 2018, equation 6 (there with probabilities, 4,000 to 8,000 masks).

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
    >>> rise(model, torch.rand(2, 1, 2, 2), 0, masks=10, cells=2).shape
    torch.Size([2, 2, 2])
    """
    if not 0 < keep < 1 or masks < 1 or cells < 1:
        raise ValueError(f"RISE needs masks, cells, and keep in (0, 1), not {masks}, {cells} and {keep}.")
    total = torch.zeros_like(pictures[:, 0])
    for some in random_masks(pictures, masks, cells, keep, seed, copies_per_pass(pictures, batch), progress):
        total += torch.einsum("nb,nhw->bhw", _masked(lambda x: model(x)[:, target], pictures, some, fill), some)
    return total / (masks * keep)


def random_masks(
    pictures: Tensor, masks: int, cells: int, keep: float, seed: int, chunk: int, progress: bool = False
) -> Iterator[Tensor]:
    """RISE's masks (n, H, W), chunk by chunk; they follow from the seed whatever the chunk."""
    height, width = pictures.shape[-2:]
    step = -(-height // cells), -(-width // cells)
    random = torch.Generator().manual_seed(seed)
    for start in tqdm(range(0, masks, chunk), desc="RISE", disable=not progress):
        some = []
        for _ in range(min(chunk, masks - start)):
            coarse = (torch.rand(1, 1, cells + 1, cells + 1, generator=random) < keep).to(pictures.dtype)
            size = ((cells + 1) * step[0], (cells + 1) * step[1])
            fine = F.interpolate(coarse, size, mode="bilinear", align_corners=False)[0, 0]
            y, x = (int(torch.randint(side, (), generator=random)) for side in step)
            some.append(fine[y : y + height, x : x + width])
        yield torch.stack(some).to(pictures.device)


def blurred(pictures: Tensor, radius: int = 8) -> Tensor:
    """Pictures without detail: the mean over a square of 2 radius + 1 pixels, twice. (B, C, H, W) -> the same.

    >>> blurred(torch.ones(1, 3, 5, 5)).allclose(torch.ones(1, 3, 5, 5))
    True
    """
    for _ in range(2):
        pictures = F.avg_pool2d(pictures, 2 * radius + 1, 1, radius, count_include_pad=False)
    return pictures


def _corners(pictures: Tensor, patch: int, stride: int) -> list[tuple[int, int]]:
    """The upper left corner (y, x) of each patch; the last ones end at the picture's edge."""
    height, width = pictures.shape[-2:]
    if not 1 <= stride <= patch <= min(height, width):
        raise ValueError(
            f"Patches of {patch} pixels every {stride} don't cover pictures of {height} x {width}: "
            "choose 1 <= stride <= patch <= the picture's side."
        )
    starts = [[*range(0, side - patch, stride), side - patch] for side in (height, width)]
    return [(y, x) for y in starts[0] for x in starts[1]]


def _losses(
    score: Score, pictures: Tensor, corners: list[tuple[int, int]], patch: int, fill: Fill, batch: int,
    progress: bool, name: str,
) -> Tensor:  # fmt: skip
    """What the score loses behind each patch, (n, B)."""
    before, chunk, rows = score(pictures), copies_per_pass(pictures, batch), []
    fill = torch.as_tensor(fill, dtype=pictures.dtype, device=pictures.device).expand_as(pictures)
    for start in tqdm(range(0, len(corners), chunk), desc=name, disable=not progress):
        some = corners[start : start + chunk]
        shown = pictures.repeat(len(some), 1, 1, 1, 1)  # (n, B, C, H, W)
        for one, (y, x) in zip(shown, some, strict=True):
            here = (..., slice(y, y + patch), slice(x, x + patch))
            one[here] = fill[here]
        rows.append(score(shown.flatten(0, 1)).view(len(some), len(pictures)))
    return before - torch.cat(rows)


def _mean_over_patches(values: Tensor, pictures: Tensor, corners: list[tuple[int, int]], patch: int) -> Tensor:
    """At each pixel the mean over the patches that cover it, (n, B) -> (B, H, W)."""
    total, count = torch.zeros_like(pictures[:, 0]), torch.zeros_like(pictures[0, 0])
    for value, (y, x) in zip(values, corners, strict=True):
        total[:, y : y + patch, x : x + patch] += value[:, None, None]
        count[y : y + patch, x : x + patch] += 1
    return total / count


def _masked(score: Score, pictures: Tensor, kept: Tensor, fill: Fill) -> Tensor:
    """The score of each picture under each mask, (n, B)."""
    kept = kept[:, None, None]
    shown = kept * pictures + (1 - kept) * fill  # (n, B, C, H, W)
    return score(shown.flatten(0, 1)).view(len(kept), len(pictures))


def _log_odds(p: Tensor) -> Tensor:
    return p.clamp(1e-6, 1 - 1e-6).logit() / torch.log(torch.tensor(2.0))


def _grid_module(model: nn.Module, pictures: Tensor, layer: str | nn.Module | None) -> tuple[nn.Module, torch.Size]:
    """The module and the shape (B, K, h, w) of what it gives."""
    listed = layers(model, pictures[:1])
    chosen = find_layer(listed, find_module(model, layer)[0] if layer is not None else None)
    if chosen.layout != "BKHW":
        raise ValueError(f"{chosen.name!r} gives {tuple(chosen.shape)}, no grid of channels, so no cell can be erased.")
    return find_module(model, chosen.name)[1], torch.Size((len(pictures), *chosen.shape[-3:]))
