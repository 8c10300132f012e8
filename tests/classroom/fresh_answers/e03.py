"""Wrong answers to the exercise of lesson 3, by somebody who had not seen the registered mistakes."""

from typing import Any

import torch
from torch import Tensor


def alpha_of_cells_that_count(gradients: Tensor) -> Tensor:
    return gradients.sum(dim=(2, 3)) / (gradients != 0).sum(dim=(2, 3)).clamp(min=1)


def alpha_normalized(gradients: Tensor) -> Tensor:
    weights = gradients.mean(dim=(2, 3))
    return weights / weights.abs().sum(dim=1, keepdim=True)


def pooled(activations: Tensor, score: Tensor, at: Tensor | None = None) -> Tensor:
    (gradients,) = torch.autograd.grad(score, activations if at is None else at)
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    heat: Tensor = (weights * activations).sum(dim=1)
    return heat.relu().detach()


def grad_cam_every_target_for_every_picture(model: Any, pictures: Tensor, target: Tensor) -> Tensor:
    activations = model.conv(pictures).relu().detach().requires_grad_()
    return pooled(activations, model.head(activations)[:, target].sum())


def grad_cam_of_the_mean_score(model: Any, pictures: Tensor, target: Tensor) -> Tensor:
    activations = model.conv(pictures).relu().detach().requires_grad_()
    return pooled(activations, model.head(activations)[torch.arange(len(target)), target].mean())


def grad_cam_with_gradients_before_the_relu(model: Any, pictures: Tensor, target: Tensor) -> Tensor:
    before = model.conv(pictures).detach().requires_grad_()
    activations = before.relu()
    return pooled(activations, model.head(activations)[torch.arange(len(target)), target].sum(), at=before)


def grad_cam_relu_in_each_channel(model: Any, pictures: Tensor, target: Tensor) -> Tensor:
    activations = model.conv(pictures).relu().detach().requires_grad_()
    score = model.head(activations).gather(1, target[:, None]).sum()
    (gradients,) = torch.autograd.grad(score, activations)
    return (gradients.mean(dim=(2, 3), keepdim=True) * activations).relu().sum(dim=1).detach()


def grad_cam_of_log_probability(model: Any, pictures: Tensor, target: Tensor) -> Tensor:
    activations = model.conv(pictures).relu().detach().requires_grad_()
    logs = torch.log_softmax(model.head(activations), dim=1)
    return pooled(activations, logs.gather(1, target[:, None]).sum())


def raw_grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    return (gradients.mean(dim=(2, 3), keepdim=True) * activations).sum(dim=1)


def negative_weights_only(activations: Tensor, gradients: Tensor) -> Tensor:
    return ((-gradients.mean(dim=(2, 3), keepdim=True)).relu() * activations).sum(dim=1)


def against_without_pooling(activations: Tensor, gradients: Tensor) -> Tensor:
    return (-gradients * activations).sum(dim=1).relu()


def upside_down(activations: Tensor, gradients: Tensor) -> Tensor:
    heat = raw_grad_cam(activations, gradients).relu()
    return heat.amax(dim=(1, 2), keepdim=True) - heat


def against_from_negative_gradients(activations: Tensor, gradients: Tensor) -> Tensor:
    weights = (-gradients).relu().mean(dim=(2, 3), keepdim=True)
    return (weights * activations).sum(dim=1).relu()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def kills_all_but_the_batch() -> tuple[Tensor, Tensor]:
    activations, gradients = drawn(1, 4, 3, 3).abs(), drawn(1, 4, 3, 3, seed=1)
    return activations.repeat(2, 1, 1, 1), gradients.repeat(2, 1, 1, 1)


def kills_all_but_the_relu_on_weights() -> tuple[Tensor, Tensor]:
    gradients = drawn(2, 3, 4, 4, seed=1)
    gradients = gradients - gradients.mean(dim=(2, 3), keepdim=True)
    gradients = gradients + torch.tensor([0.3, 0.5, 0.2, 0.6, 0.1, 0.4]).reshape(2, 3, 1, 1)  # the means, all positive
    return drawn(2, 3, 4, 4), gradients


def kills_all_but_the_missing_relu() -> tuple[Tensor, Tensor]:
    activations = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat(2, 2, 1, 1)
    activations[:, 0] += 5
    gradients = torch.tensor([[[3.0, 1.0], [2.0, -1.0]], [[-2.0, 1.0], [-2.0, 0.0]]]).repeat(2, 1, 1, 1)
    gradients[1, 0] += 1
    return activations, gradients


def kills_all_but_the_mean_over_channels() -> tuple[Tensor, Tensor]:
    return drawn(3, 1, 4, 4), drawn(3, 1, 4, 4, seed=1)


def kills_all_but_no_pooling() -> tuple[Tensor, Tensor]:
    return drawn(2, 3, 4, 4), drawn(2, 3, 1, 1, seed=1).repeat(1, 1, 4, 4)


ANSWERS: dict[str, dict[str, Any]] = {
    "alpha": {
        "divides by the height twice, right on square layers": lambda gradients: (
            gradients.sum(dim=(2, 3)) / gradients.shape[2] ** 2
        ),
        "divides by the number of cells whose gradient isn't 0": alpha_of_cells_that_count,
        "averages over the batch as well": lambda gradients: gradients.mean(dim=(0, 2, 3)).repeat(len(gradients), 1),
        "drops the negative gradients before the mean": lambda gradients: gradients.relu().mean(dim=(2, 3)),
        "divides by the sum of the sizes": alpha_normalized,
    },
    "grad_cam": {
        "the targets of all pictures for each picture": grad_cam_every_target_for_every_picture,
        "the gradient of the mean over the batch": grad_cam_of_the_mean_score,
        "the gradient before the ReLU, the activations after it": grad_cam_with_gradients_before_the_relu,
        "the ReLU before the sum over the channels": grad_cam_relu_in_each_channel,
        "the gradient of the log-probability": grad_cam_of_log_probability,
    },
    "bias_from_map": {
        "the mean in place of the sum": lambda raw, logit: logit - raw.mean(dim=(1, 2)),
        "the map after the ReLU": lambda raw, logit: logit - raw.relu().sum(dim=(1, 2)),
        "sums over the batch as well": lambda raw, logit: logit - raw.sum(),
        "one bias for all pictures, the mean": lambda raw, logit: (
            (logit - raw.sum(dim=(1, 2))).mean().repeat(len(logit))
        ),
        "map less logit": lambda raw, logit: raw.sum(dim=(1, 2)) - logit,
    },
    "counterfactual_map": {
        "adds up the channels with a negative weight only": negative_weights_only,
        "doesn't pool the gradient": against_without_pooling,
        "turns Grad-CAM upside down: maximum less map": upside_down,
        "pools the negative gradients only": against_from_negative_gradients,
        "keeps the negative cells, with their sign": lambda activations, gradients: (
            raw_grad_cam(activations, gradients).clamp(max=0)
        ),
    },
    "killing_input": {
        "the same picture twice: pooling over the batch survives": kills_all_but_the_batch,
        "each channel's mean is positive: a ReLU on the weights survives": kills_all_but_the_relu_on_weights,
        "the map is positive everywhere: no ReLU survives": kills_all_but_the_missing_relu,
        "a single channel: the mean over the channels survives": kills_all_but_the_mean_over_channels,
        "the gradient is the same in all places: no pooling survives": kills_all_but_no_pooling,
    },
    "equal_heads": {"every linear head": "a", "after a ReLU": "b", "every head": "d"},
}
