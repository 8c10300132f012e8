"""Wrong answers to the exercise of lesson 5, written from its text alone, without the registered mistakes at hand."""

from typing import Any

import torch
from torch import Tensor


def background_alone_is_weighted(pixels: Tensor, background: Tensor) -> Tensor:
    return pixels[:, :3] + (1 - pixels[:, 3:]) * background.view(1, 3, 1, 1)


def cut_at_one_half(pixels: Tensor, background: Tensor) -> Tensor:
    seen = (pixels[:, 3:] > 0.5).to(pixels.dtype)
    return seen * pixels[:, :3] + (1 - seen) * background.view(1, 3, 1, 1)


def mean_of_the_background(pixels: Tensor, background: Tensor) -> Tensor:
    alpha = pixels[:, 3:]
    return alpha * pixels[:, :3] + (1 - alpha) * background.mean()


def alpha_of_the_first_picture(pixels: Tensor, background: Tensor) -> Tensor:
    alpha = pixels[:1, 3:]
    return alpha * pixels[:, :3] + (1 - alpha) * background.view(1, 3, 1, 1)


def alpha_is_transparency(pixels: Tensor, background: Tensor) -> Tensor:
    alpha = pixels[:, 3:]
    return (1 - alpha) * pixels[:, :3] + alpha * background.view(1, 3, 1, 1)


def colours_the_wrong_way_round(pixels: Tensor, background: Tensor) -> Tensor:
    alpha = pixels[:, 3:]
    return alpha * pixels[:, :3] + (1 - alpha) * background.flip(0).view(1, 3, 1, 1)


def _blank(colour: Tensor, size: int) -> Tensor:
    return colour.view(1, 3, 1, 1).expand(1, 3, size, size)


def margin_of_probabilities(model: Any, colour: Tensor, size: int) -> Tensor:
    p = model(_blank(colour, size)).softmax(1)[0]
    return (p[0] - p[1]).detach()


def class_1_less_class_0(model: Any, colour: Tensor, size: int) -> Tensor:
    logits = model(_blank(colour, size))[0]
    return (logits[1] - logits[0]).detach()


def size_of_the_margin(model: Any, colour: Tensor, size: int) -> Tensor:
    logits = model(_blank(colour, size))[0]
    return (logits[0] - logits[1]).abs().detach()


def grey_of_the_mean(model: Any, colour: Tensor, size: int) -> Tensor:
    logits = model(torch.full((1, 3, size, size), float(colour.mean()), dtype=colour.dtype))[0]
    return (logits[0] - logits[1]).detach()


def one_pixel_on_black(model: Any, colour: Tensor, size: int) -> Tensor:
    picture = torch.zeros(1, 3, size, size, dtype=colour.dtype)
    picture[0, :, 0, 0] = colour
    logits = model(picture)[0]
    return (logits[0] - logits[1]).detach()


def less_that_of_black(model: Any, colour: Tensor, size: int) -> Tensor:
    logits = (model(_blank(colour, size)) - model(_blank(0 * colour, size)))[0]
    return (logits[0] - logits[1]).detach()


def times_the_std(gradients: Tensor, pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    z = (pictures - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    return (z * gradients).sum(1)


def divided_again(gradients: Tensor, pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    z = (pictures - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    return (z * gradients / std.view(1, 3, 1, 1)).sum(1)


def plain_gradient_times_input(gradients: Tensor, pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return (pictures * gradients).sum(1)


def mean_of_all_colours(gradients: Tensor, pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return ((pictures - mean.mean()) * gradients).sum(1)


def mean_over_colours(gradients: Tensor, pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return ((pictures - mean.view(1, 3, 1, 1)) * gradients).mean(1)


def mean_in_units_of_std(gradients: Tensor, pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return ((pictures - (mean / std).view(1, 3, 1, 1)) * gradients).sum(1)


def codec_first(iid: float, background: float, codec: float) -> str:
    return "codec" if codec < 0.3 else "background" if background < 0.3 else "shape"


def below_one_half(iid: float, background: float, codec: float) -> str:
    return "background" if background < 0.5 else "codec" if codec < 0.5 else "shape"


def largest_drop(iid: float, background: float, codec: float) -> str:
    if min(background, codec) >= 0.3:
        return "shape"
    return "background" if background < codec else "codec"


def relative_drop(iid: float, background: float, codec: float) -> str:
    return "background" if background < 0.3 * iid else "codec" if codec < 0.3 * iid else "shape"


def drop_of_30_points(iid: float, background: float, codec: float) -> str:
    return "background" if iid - background > 0.3 else "codec" if iid - codec > 0.3 else "shape"


def at_most_30(iid: float, background: float, codec: float) -> str:
    return "background" if background <= 0.3 else "codec" if codec <= 0.3 else "shape"


T = torch.tensor
ANSWERS: dict[str, dict[str, Any]] = {
    "on_background": {
        "doesn't weaken the picture": background_alone_is_weighted,
        "takes more than half opaque for opaque": cut_at_one_half,
        "makes the background grey": mean_of_the_background,
        "takes the first picture's opacity for all": alpha_of_the_first_picture,
        "takes opacity for transparency": alpha_is_transparency,
        "turns the colours of the background round": colours_the_wrong_way_round,
    },
    "blank_margin": {
        "takes probabilities": margin_of_probabilities,
        "takes class 1 less class 0": class_1_less_class_0,
        "loses the sign": size_of_the_margin,
        "makes the colour grey": grey_of_the_mean,
        "colours one pixel only": one_pixel_on_black,
        "compares with black": less_that_of_black,
    },
    "blind_spot": {
        "the weight is 0, and the pixel is white": lambda: (T([0.0, 1.0]), T([1.0, 1.0])),
        "the pixel is white": lambda: (T([-2.0, 1.0]), T([1.0, 1.0])),
        "f stays above 0": lambda: (T([-0.5, 1.0]), T([0.0, 1.0])),
        "f is below 0 at first": lambda: (T([-2.0, -1.0]), T([0.0, 1.0])),
        "f is exactly 0 after the change": lambda: (T([-1.0, 1.0]), T([0.0, 1.0])),
        "the other pixel is out of range": lambda: (T([-2.0, 1.0]), T([0.0, 1.5])),
        "the pixel is nearly black": lambda: (T([-2.0, 1.0]), T([1e-6, 1.0])),
    },
    "hidden_baseline": {
        "multiplies z by the gradient of the pixels": times_the_std,
        "divides by std twice": divided_again,
        "stays with the pixels": plain_gradient_times_input,
        "takes one mean for all colours": mean_of_all_colours,
        "takes the mean over the colours": mean_over_colours,
        "takes the mean in units of std": mean_in_units_of_std,
    },
    "uses": {
        "asks for the codec first": codec_first,
        "takes less than half": below_one_half,
        "takes the largest drop where both fall": largest_drop,
        "takes 30 % of what was right before": relative_drop,
        "takes a drop of 30 points": drop_of_30_points,
        "takes exactly 30 % as well": at_most_30,
    },
    "where_to_repair": {"a": "a", "b": "b", "c": "c"},
}
