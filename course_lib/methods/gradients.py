"""Gradients with respect to the picture itself: x is (..., 3, H, W), g = ∂S_c/∂x has the same shape."""

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_lib.methods.registry import register
from course_lib.recording import INPUT, Score, record


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
        batch: pictures in one pass, which bounds the memory

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
    chunk = max(1, batch // len(pictures))
    for t in tqdm(torch.split(points, chunk), desc="integrated gradients", disable=not progress):
        path = start + t.view(-1, 1, 1, 1, 1) * (pictures - start)  # (steps of this chunk, B, C, H, W)
        with record(model, INPUT) as tape:
            model(path.flatten(0, 1))
        gradients = tape.gradients(score)[INPUT]
        if gradients.numel() != path.numel():
            raise ValueError("Integrated gradients explain one score at a time; call them for each class.")
        total += gradients.view_as(path).sum(0)
    return ((pictures - start) * total / steps).sum(-3)
