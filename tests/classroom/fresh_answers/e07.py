"""Wrong answers to the exercise of lesson 7, by somebody who had not seen the registered mistakes."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

Answers = dict[str, dict[str, Any]]


def _gradient(score: Any, x: Tensor) -> Tensor:
    x = x.detach().clone().requires_grad_(True)
    return torch.autograd.grad(score(x).sum(), x)[0]


def _logit(model: Any, x: Tensor, target: Tensor) -> Any:
    return model(x).gather(1, target[:, None])[:, 0]


def saliency_magnitude_after_maximum(model: Any, x: Tensor, target: Tensor) -> Tensor:
    return _gradient(lambda x: _logit(model, x, target), x).amax(1).abs()


def saliency_of_mean_over_batch(model: Any, x: Tensor, target: Tensor) -> Tensor:
    return _gradient(lambda x: _logit(model, x, target).mean(), x).abs().amax(1)


def saliency_of_probability(model: Any, x: Tensor, target: Tensor) -> Tensor:
    return _gradient(lambda x: model(x).softmax(1).gather(1, target[:, None]), x).abs().amax(1)


def saliency_first_target_for_all(model: Any, x: Tensor, target: Tensor) -> Tensor:
    return _gradient(lambda x: model(x)[:, target[0]], x).abs().amax(1)


def saliency_euclidean_over_colours(model: Any, x: Tensor, target: Tensor) -> Tensor:
    return _gradient(lambda x: _logit(model, x, target), x).norm(dim=1)


def smooth_gradient_at_mean_noise(model: Any, x: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    return _gradient(lambda x: _logit(model, x, target), x + noise.mean(0))


def smooth_noise_piles_up(model: Any, x: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    total = torch.zeros_like(x)
    for e in noise:
        x = x + e
        total = total + _gradient(lambda x: _logit(model, x, target), x)
    return total / len(noise)


def smooth_targets_in_the_wrong_order(model: Any, x: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    noisy = (x + noise).flatten(0, 1)
    targets = target.repeat_interleave(len(noise))
    return _gradient(lambda x: _logit(model, x, targets), noisy).reshape(noise.shape).mean(0)


def smooth_mean_of_magnitudes(model: Any, x: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    return torch.stack([_gradient(lambda x: _logit(model, x, target), x + e).abs() for e in noise]).mean(0)


def smooth_with_the_clean_picture(model: Any, x: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    every = [x, *(x + e for e in noise)]
    return torch.stack([_gradient(lambda x: _logit(model, x, target), p) for p in every]).mean(0)


def relu_gradient_and_deconvolution_exchanged(rule: str, x: Tensor, arrives: Tensor) -> Tensor:
    if rule == "gradient":
        return arrives * (arrives > 0)
    if rule == "deconvolution":
        return arrives * (x > 0)
    return arrives * (x > 0) * (arrives > 0)


def relu_guided_by_the_product(rule: str, x: Tensor, arrives: Tensor) -> Tensor:
    passes = {"gradient": x > 0, "deconvolution": arrives > 0, "guided": x * arrives > 0}
    return arrives * passes[rule]


def relu_guided_lets_either_through(rule: str, x: Tensor, arrives: Tensor) -> Tensor:
    passes = {"gradient": x > 0, "deconvolution": arrives > 0, "guided": (x > 0) | (arrives > 0)}
    return arrives * passes[rule]


def relu_open_at_zero(rule: str, x: Tensor, arrives: Tensor) -> Tensor:
    passes = {"gradient": x >= 0, "deconvolution": arrives >= 0, "guided": (x >= 0) & (arrives >= 0)}
    return arrives * passes[rule]


def relu_times_what_it_read(rule: str, x: Tensor, arrives: Tensor) -> Tensor:
    if rule == "gradient":
        return arrives * x.relu()
    return arrives.relu() if rule == "deconvolution" else arrives.relu() * x.relu()


def relevance_without_bias(inputs: Tensor, weights: Tensor, bias: Tensor, arrives: Tensor, epsilon: float) -> Tensor:
    z = inputs @ weights.T
    return inputs * ((arrives / (z + epsilon * z.sign())) @ weights)


def relevance_epsilon_without_sign(
    inputs: Tensor, weights: Tensor, bias: Tensor, arrives: Tensor, epsilon: float
) -> Tensor:
    z = inputs @ weights.T + bias
    return inputs * ((arrives / (z + epsilon)) @ weights)


def relevance_magnitude_below(inputs: Tensor, weights: Tensor, bias: Tensor, arrives: Tensor, epsilon: float) -> Tensor:
    z = inputs @ weights.T + bias
    return inputs * ((arrives / (z.abs() + epsilon)) @ weights)


def relevance_made_to_sum(inputs: Tensor, weights: Tensor, bias: Tensor, arrives: Tensor, epsilon: float) -> Tensor:
    z = inputs @ weights.T + bias
    r = inputs * ((arrives / (z + epsilon * z.sign())) @ weights)
    return r * arrives.sum(1, keepdim=True) / r.sum(1, keepdim=True)


def relevance_sign_before_bias(
    inputs: Tensor, weights: Tensor, bias: Tensor, arrives: Tensor, epsilon: float
) -> Tensor:
    z = inputs @ weights.T
    return inputs * ((arrives / (z + bias + epsilon * z.sign())) @ weights)


def loss_only_the_target(logits: Tensor, gradients: Tensor, target: Tensor) -> Tensor:
    rows = torch.arange(len(target))
    p = logits.softmax(1)[rows, target]
    return (p - 1)[:, None] * gradients[rows, target]


def loss_mean_over_batch(logits: Tensor, gradients: Tensor, target: Tensor) -> Tensor:
    factor = logits.softmax(1) - one_hot(target, logits.shape[1])
    return torch.einsum("bc,bcn->bn", factor, gradients) / len(target)


def loss_logit_taken_for_probability(logits: Tensor, gradients: Tensor, target: Tensor) -> Tensor:
    rows = torch.arange(len(target))
    return -gradients[rows, target] / logits.softmax(1)[rows, target][:, None]


def loss_best_class_for_all(logits: Tensor, gradients: Tensor, target: Tensor) -> Tensor:
    rows = torch.arange(len(target))
    return gradients[rows, logits.argmax(1)] - gradients[rows, target]


def loss_sigmoid(logits: Tensor, gradients: Tensor, target: Tensor) -> Tensor:
    factor = logits.sigmoid() - one_hot(target, logits.shape[1])
    return torch.einsum("bc,bcn->bn", factor, gradients)


ANSWERS: Answers = {
    "saliency_map": {
        "the magnitude is taken after the largest colour is chosen": saliency_magnitude_after_maximum,
        "the mean logit over the batch is differentiated": saliency_of_mean_over_batch,
        "the probability is differentiated": saliency_of_probability,
        "the first picture's target for all": saliency_first_target_for_all,
        "the Euclidean length over the colours": saliency_euclidean_over_colours,
    },
    "smooth": {
        "one gradient, at the picture with the mean noise": smooth_gradient_at_mean_noise,
        "each noise is added to what the one before left": smooth_noise_piles_up,
        "the targets are repeated in another order than the pictures": smooth_targets_in_the_wrong_order,
        "the mean of magnitudes": smooth_mean_of_magnitudes,
        "the picture without noise is averaged too": smooth_with_the_clean_picture,
    },
    "back_through_relu": {
        "the gradient's and deconvolution's rules exchanged": relu_gradient_and_deconvolution_exchanged,
        "guided asks whether the product is positive": relu_guided_by_the_product,
        "guided lets through where either is positive": relu_guided_lets_either_through,
        "open where the ReLU read 0": relu_open_at_zero,
        "times what the ReLU gave": relu_times_what_it_read,
    },
    "relevance": {
        "the bias is left out of z": relevance_without_bias,
        "epsilon is added without the sign": relevance_epsilon_without_sign,
        "divided by the magnitude of z": relevance_magnitude_below,
        "rescaled to sum to what arrived": relevance_made_to_sum,
        "the sign is that of z without the bias": relevance_sign_before_bias,
    },
    "loss_gradient": {
        "only the target's logit": loss_only_the_target,
        "the mean loss of the batch": loss_mean_over_batch,
        "-1 / p times the logit's gradient": loss_logit_taken_for_probability,
        "the best class stands for all of them": loss_best_class_for_all,
        "sigmoid for softmax": loss_sigmoid,
    },
    "only_a_drawing": {"saliency": "b", "Grad-CAM": "c", "none": "d"},
}
