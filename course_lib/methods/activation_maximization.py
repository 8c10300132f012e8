"""Activation maximization: not a map of a picture, but a picture that a class or a channel likes best."""

import math

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_lib.recording import INPUT, Score, record


def activation_maximization(
    model: nn.Module,
    start: Tensor,
    score: Score,
    steps: int = 200,
    rate: float = 0.1,
    decay: float = 0.0,
    radius: float | None = None,
    blur: float = 0.0,
    jitter: int = 0,
    limits: tuple[float, float] | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Tensor:
    """Climb the score from a starting picture x₀: maximize S(x) - λ ‖x - x₀‖² by gradient ascent on the pixels.

    x <- x + η (∂S/∂x - 2 λ (x - x₀)). For S = w·x it ends at x₀ + w / (2λ), and on the ball ‖x - x₀‖ <= r at
    x₀ + r w / ‖w‖ (Cauchy and Schwarz); without decay, ball or limits it has no end.

    Args:
        model: anything that `record` takes
        start: x₀ (B, C, H, W), grey say; each picture is climbed by itself
        score: as in `Tape.gradients`
        steps, rate: how many steps, and η
        decay: λ
        radius: r, the ball that x is put back into after each step
        blur: standard deviation in pixels of a blur of the gradient, so that what grows is smooth (still uphill, since
            a Gaussian blur turns no gradient round)
        jitter: largest shift in pixels, drawn anew for each step, so that no pattern can sit on the grid
        limits: the range of a pixel, (0, 1) say, that x is put back into after each step
        seed: of the shifts

    Returns:
        x (B, C, H, W)

    Raises:
        ValueError: if there isn't at least one step, or the picture has run to infinity, with what to try

    Source: Erhan, Bengio, Courville, Vincent, TR 1341, Université de Montréal (2009); the penalty: Simonyan et al.,
    2014, section 2; blur and jitter: Olah, Mordvintsev, Schubert, Distill (2017).

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> _ = model[1].weight.data.copy_(torch.tensor([[3.0, -4.0]]))
    >>> activation_maximization(model, torch.zeros(1, 1, 1, 2), 0, radius=10.0)
    tensor([[[[ 6.0000, -8.0000]]]])
    """
    if steps < 1:
        raise ValueError(f"Activation maximization needs at least one step, not {steps}.")
    random, start = torch.Generator().manual_seed(seed), start.detach()
    x = start.clone()
    for _ in tqdm(range(steps), desc="activation maximization", disable=not progress):
        shift = torch.randint(-jitter, jitter + 1, (2,), generator=random).tolist()
        with record(model, INPUT) as tape:
            model(x.roll(shift, (-2, -1)))
        gradient = tape.gradients(score, release=True)[INPUT].roll([-s for s in shift], (-2, -1))
        if blur:
            from torchvision.transforms.functional import gaussian_blur  # here: its import takes as long as torch

            gradient = gaussian_blur(gradient, 2 * math.ceil(3 * blur) + 1, blur)
        x = x + rate * (gradient - 2 * decay * (x - start))
        if radius is not None:
            length = (x - start).flatten(1).norm(dim=1).view(-1, 1, 1, 1)
            x = start + (x - start) * (radius / length.clamp(min=radius))
        if limits:
            x = x.clamp(*limits)
    if not x.isfinite().all():
        raise ValueError(f"The picture has run to infinity: try a rate below {rate:g}, or limits such as (0, 1).")
    return x
