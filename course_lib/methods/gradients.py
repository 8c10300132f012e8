"""Gradients with respect to the picture itself: x is (..., 3, H, W), g = ∂S_c/∂x has the same shape."""

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_lib.methods.registry import register
from course_lib.recording import INPUT, Score, check_target, copies_per_pass, record


@register("saliency", kind="input", signed=False, units="logits per unit of input", source="Simonyan et al., 2014")
def saliency(pixels: Tensor, gradients: Tensor) -> Tensor:
    """Which pixels move the score when they are changed a little: max over channels of |∂S_c/∂x|.

    It says how sensitive the score is, not what a pixel contributed; it has no sign. (..., C, H, W) -> (..., H, W), in
    logits per unit of input. Source: Simonyan, Vedaldi, Zisserman, ICLR Workshop 2014, section 3.1.

    >>> saliency(torch.ones(2, 1, 2), torch.tensor([[[1.0, -3.0]], [[-2.0, 0.0]]]))
    tensor([[2., 3.]])
    """
    return gradients.abs().amax(-3)


@register("gradient x input", kind="input", units="logits", source="Shrikumar et al., 2016")
def gradient_times_input(pixels: Tensor, gradients: Tensor) -> Tensor:
    """The linear model's contribution with the gradient for a weight: Σ_channels x ∂S_c/∂x.

    (..., C, H, W) -> (..., H, W), in logits. A pixel that is 0 gets 0 whatever the network does with it. x is the
    tensor that the gradient was taken at, so it depends on how the picture is encoded. Source: Shrikumar, Greenside,
    Shcherbina, Kundaje, arXiv 1605.01713 (2016).

    >>> gradient_times_input(torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[3.0, 5.0]]]))
    tensor([[6., 0.]])
    """
    return (pixels * gradients).sum(-3)


@register("integrated gradients", kind="model", units="logits", source="Sundararajan et al., ICML 2017")
def integrated_gradients(
    model: nn.Module,
    pictures: Tensor,
    score: Score,
    baseline: Tensor | float = 0.0,
    steps: int = 64,
    batch: int = 32,
    progress: bool = False,
) -> Tensor:
    """Gradients gathered on the straight path from a baseline x' to the picture x.

    IG = Σ_channels (x - x') ∫₀¹ ∂S_c/∂x (x' + t (x - x')) dt, the integral by the midpoint rule. Complete:
    Σ_pixels IG -> S_c(x) - S_c(x') as the steps grow (for x³ the relative error is 1 / (4 steps²)).

    Args:
        model: anything that `record` takes
        pictures: x (B, C, H, W)
        score: as in `Tape.gradients`, with one class for all pictures
        baseline: x', a number or a tensor that broadcasts to the pictures
        steps: points on the path
        batch: pictures in one pass (fewer of more than 224 x 224), which bounds the memory

    Returns:
        (B, H, W), in logits

    Raises:
        ValueError: if there isn't at least one step, or the score is of several classes

    Source: Sundararajan, Taly, Yan, ICML 2017, equations 1 and 3.

    >>> cube = nn.Module(); cube.forward = lambda x: (x**3).flatten(1)
    >>> integrated_gradients(cube, torch.full((1, 1, 1, 1), 8.0), 0, steps=1000).round()  # 8³ - 0³
    tensor([[[512.]]])
    """
    if steps < 1:
        raise ValueError(f"Integrated gradients need at least one step, not {steps}.")
    pictures = pictures.detach()
    start = torch.as_tensor(baseline, dtype=pictures.dtype, device=pictures.device).expand_as(pictures)
    total = torch.zeros_like(pictures)
    points = ((torch.arange(steps, dtype=torch.float64) + 0.5) / steps).to(pictures)
    chunk = copies_per_pass(pictures, batch)
    for t in tqdm(torch.split(points, chunk), desc="integrated gradients", disable=not progress):
        path = start + t.view(-1, 1, 1, 1, 1) * (pictures - start)  # (steps of this chunk, B, C, H, W)
        total += _gradients(model, path, score, "Integrated gradients explain").sum(0)
    return ((pictures - start) * total / steps).sum(-3)


@register("saliency of the loss", kind="model", signed=False, units="nats per unit of input", source="Tang, 2020")
def loss_saliency(model: nn.Module, pictures: Tensor, target: int) -> Tensor:
    """Saliency of the cross-entropy for the label `target` in place of its score: max over channels of |∂L/∂x|.

    L = -ln p_c, so ∂L/∂x = Σ_j (p_j - [j = c]) ∂S_j/∂x: the map fades to nothing where p_c nears 1, although the score
    depends on the picture as before. (B, C, H, W) -> (B, H, W), in nats per unit of input. Source: the derivative of
    the loss is what Tang's article (2020) describes; Simonyan et al. take the score. Raises as `Tape.gradients`.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
    >>> _ = model[1].weight.data.copy_(torch.tensor([[4.0], [0.0]]))
    >>> loss_saliency(model, torch.tensor([[[[1.0]]], [[[3.0]]]]), 0).flatten()  # 4 (1 - p), p = 0.982 and 0.999994
    tensor([7.1945e-02, 2.4796e-05])
    """
    with record(model, INPUT) as tape:
        model(pictures)
    target = check_target(target, tape.output)
    gradients = tape.gradients(lambda logits: -logits.log_softmax(1)[:, target].sum(), release=True)
    return saliency(pictures, gradients[INPUT])


@register("SmoothGrad", kind="model", signed=False, units="logits per unit of input", source="Smilkov et al., 2017")
def smooth_grad(
    model: nn.Module,
    pictures: Tensor,
    score: Score,
    noise: float = 0.15,
    samples: int = 50,
    seed: int = 0,
    batch: int = 32,
    progress: bool = False,
) -> Tensor:
    """The saliency of the mean gradient over noisy copies: max over channels of |1/n Σ_n ∂S_c/∂x (x + e_n)|.

    e_n ~ N(0, σ²) with σ = noise (max x - min x). What is averaged is the gradient of a smoothed score: that of ReLU at
    x becomes Φ(x/σ), in place of a step.

    Args:
        model: anything that `record` takes
        pictures: x (B, C, H, W)
        score: as in `Tape.gradients`, with one class for all pictures
        noise: σ as a share of each picture's range
        samples: n; each e_n serves all pictures
        seed: of the noise
        batch: pictures in one pass (fewer of more than 224 x 224), which bounds the memory

    Returns:
        (B, H, W), in logits per unit of input

    Raises:
        ValueError: if there isn't at least one sample, the noise is negative, or the score is of several classes

    Source: Smilkov, Thorat, Kim, Viégas, Wattenberg, arXiv 1706.03825 (2017), section 2.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> _ = model[1].weight.data.copy_(torch.tensor([[1.0, -2.0]]))
    >>> smooth_grad(model, torch.rand(1, 1, 1, 2), 0)
    tensor([[[1., 2.]]])
    """
    if samples < 1 or noise < 0:
        raise ValueError(f"SmoothGrad needs at least one sample and noise of 0 or more, not {samples} and {noise}.")
    pictures = pictures.detach()
    random, total = torch.Generator().manual_seed(seed), torch.zeros_like(pictures)
    spread = noise * (pictures.amax((1, 2, 3), keepdim=True) - pictures.amin((1, 2, 3), keepdim=True))
    chunks = torch.arange(samples).split(copies_per_pass(pictures, batch))
    for some in tqdm(chunks, desc="SmoothGrad", disable=not progress):
        drawn = [torch.randn(pictures.shape[1:], generator=random) for _ in some]  # one by one, so that chunks and
        noisy = pictures + spread * torch.stack(drawn)[:, None].to(pictures)  # the dtype make no difference
        total += _gradients(model, noisy, score, "Smoothed gradients explain").sum(0)
    return saliency(pictures, total / samples)


def _gradients(model: nn.Module, copies: Tensor, score: Score, who: str) -> Tensor:
    """The gradient at each of several copies of the pictures, (n, B, C, H, W), in one pass."""
    with record(model, INPUT) as tape:
        model(copies.flatten(0, 1))
    gradients = tape.gradients(score, release=True)[INPUT]
    if gradients.numel() != copies.numel():
        raise ValueError(f"{who} one score at a time; call them for each class.")
    return gradients.view_as(copies)
