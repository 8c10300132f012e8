"""Wrong answers to the exercise of lesson 1, by somebody who had not seen the registered mistakes."""

from typing import Any

import torch
from torch import Tensor


def shares_of_one(weights: Tensor, inputs: Tensor) -> Tensor:
    products = weights[None] * inputs[:, None]
    return products / products.sum(dim=2, keepdim=True)


def shares_of_deviations(weights: Tensor, inputs: Tensor) -> Tensor:
    return weights[None] * (inputs - inputs.mean(dim=0))[:, None]


def overflowing_chance(contributions: Tensor, bias: Tensor) -> Tensor:
    odds = (contributions.sum(dim=1) + bias).exp()
    return odds / (1 + odds)


def chance_among_rows(contributions: Tensor, bias: Tensor) -> Tensor:
    return torch.softmax(contributions.sum(dim=1) + bias, dim=0)


def split_evenly(w: Tensor, b: Tensor, x: Tensor, baseline: Tensor) -> tuple[Tensor, Tensor]:
    start = w @ baseline + b
    difference = w @ x + b - start
    return (difference / len(w)).repeat(len(w)), start


def from_input_to_baseline(w: Tensor, b: Tensor, x: Tensor, baseline: Tensor) -> tuple[Tensor, Tensor]:
    return w * (baseline - x), w @ x + b


def same_model_in_place(w: Tensor, b: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    w /= scale
    b -= w @ shift
    return w, b


def same_model_product_of_sums(w: Tensor, b: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    weights = w / scale
    return weights, b - weights.sum() * shift.mean()


def suppressor_in_the_first_column() -> tuple[Tensor, Tensor]:
    answers = torch.tensor([1.0, 1.0, -1.0, -1.0])
    noise = torch.tensor([1.0, -1.0, 1.0, -1.0])
    return torch.stack([noise, answers + noise], dim=1), answers


def suppressor_unrelated_to_the_other_input() -> tuple[Tensor, Tensor]:
    first = torch.tensor([1.0, 1.0, -1.0, -1.0])
    second = torch.tensor([1.0, -1.0, 1.0, -1.0])
    return torch.stack([first, second], dim=1), first + second


def suppressor_drawn_at_random() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    answers = torch.randn(200, generator=generator)
    noise = torch.randn(200, generator=generator)
    return torch.stack([answers + noise, noise], dim=1), answers


def suppressor_too_weak() -> tuple[Tensor, Tensor]:
    answers = torch.tensor([1.0, 1.0, -1.0, -1.0])
    noise = torch.tensor([1.0, -1.0, 1.0, -1.0])
    return torch.stack([answers + 0.4 * noise, noise], dim=1), answers


def suppressor_at_right_angles_but_correlated() -> tuple[Tensor, Tensor]:
    answers = torch.tensor([1.0, 2.0, 3.0, 4.0])
    noise = torch.tensor([2.0, -1.0, 4.0, -3.0])  # answers @ noise is 0, but neither has a mean of 0
    return torch.stack([answers + noise, noise], dim=1), answers


ANSWERS: dict[str, dict[str, Any]] = {
    "shares": {
        "divides by the output, so that the shares add up to 1": shares_of_one,
        "takes the first row of the inputs for all rows": lambda weights, inputs: (
            (weights * inputs[0])[None].repeat(len(inputs), 1, 1)
        ),
        "takes each input's deviation from the mean of the batch": shares_of_deviations,
        "drops the negative contributions": lambda weights, inputs: (weights[None] * inputs[:, None]).clamp(min=0),
        "returns (B, n, outputs)": lambda weights, inputs: (weights[None] * inputs[:, None]).transpose(1, 2),
    },
    "chance": {
        "adds the bias once for each input": lambda contributions, bias: torch.sigmoid(
            (contributions + bias).sum(dim=1)
        ),
        "e^y / (1 + e^y), which is nan for large log-odds": overflowing_chance,
        "compares the rows of the batch with one another": chance_among_rows,
        "returns the odds": lambda contributions, bias: (contributions.sum(dim=1) + bias).exp(),
        "forgets the minus before y": lambda contributions, bias: 1 / (1 + (contributions.sum(dim=1) + bias).exp()),
    },
    "rather_than": {
        "ignores the baseline: w x and b": lambda w, b, x, baseline: (w * x, b),
        "splits the difference evenly among the inputs": split_evenly,
        "goes from the input to the baseline": from_input_to_baseline,
        "returns start and contributions in the wrong order": lambda w, b, x, baseline: (
            w @ baseline + b,
            w * (x - baseline),
        ),
        "forgets the bias in the start": lambda w, b, x, baseline: (w * (x - baseline), w @ baseline),
    },
    "same_model": {
        "adds to the bias what must be taken off": lambda w, b, scale, shift: (w / scale, b + (w / scale) @ shift),
        "takes the shift as if it came before the scale": lambda w, b, scale, shift: (w / scale, b - w @ shift),
        "takes the scale's size without its sign": lambda w, b, scale, shift: (
            w / scale.abs(),
            b - (w / scale.abs()) @ shift,
        ),
        "shifts all inputs by the mean shift": same_model_product_of_sums,
        "changes the model it was given, so that a second call is wrong": same_model_in_place,
    },
    "suppressor": {
        "the suppressor is input 1": suppressor_in_the_first_column,
        "input 2 is uncorrelated with input 1 in place of the answer": suppressor_unrelated_to_the_other_input,
        "draws noise that happens to correlate with the answer": suppressor_drawn_at_random,
        "its weight is only 0.4 of the other": suppressor_too_weak,
        "the product with the answer is 0, but not the correlation": suppressor_at_right_angles_but_correlated,
    },
    "in_centimetres": {"its weight": "a", "nothing but the output": "c", "nothing": "d"},
}
