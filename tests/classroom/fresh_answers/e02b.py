"""Wrong answers to `network_map` (exercise 2), written from its text alone, without the registered mistakes at hand."""

from typing import Any

import torch
from torch import Tensor


def without_normalization(network: Any, pictures: Tensor, target: Tensor) -> Tensor:
    return _map(network, network.features(pictures), target)


def of_the_answer(network: Any, pictures: Tensor, target: Tensor) -> Tensor:
    return _map(network, network.features(network.normalize(pictures)), network(pictures).argmax(1))


def target_of_the_first(network: Any, pictures: Tensor, target: Tensor) -> Tensor:
    return _map(network, network.features(network.normalize(pictures)), target[:1].expand_as(target))


def with_the_bias_in_each_cell(network: Any, pictures: Tensor, target: Tensor) -> Tensor:
    raw = _map(network, network.features(network.normalize(pictures)), target)
    return raw + network.fc.bias[target][:, None, None]


def normalized_twice(network: Any, pictures: Tensor, target: Tensor) -> Tensor:
    return _map(network, network.features(network.normalize(network.normalize(pictures))), target)


def shares_of_the_mean(network: Any, pictures: Tensor, target: Tensor) -> Tensor:
    raw = _map(network, network.features(network.normalize(pictures)), target)
    return raw / raw[0].numel()


def evidence_for_only(network: Any, pictures: Tensor, target: Tensor) -> Tensor:
    return _map(network, network.features(network.normalize(pictures)), target).relu()


def _map(network: Any, features: Tensor, target: Tensor) -> Tensor:
    return torch.einsum("bk,bkhw->bhw", network.fc.weight[target], features).detach()


ANSWERS: dict[str, dict[str, Any]] = {
    "network_map": {
        "leaves out the normalization": without_normalization,
        "explains what the network answers": of_the_answer,
        "takes the first target for all": target_of_the_first,
        "adds the bias to each cell": with_the_bias_in_each_cell,
        "normalizes twice": normalized_twice,
        "divides by the number of cells": shares_of_the_mean,
        "keeps evidence for the class only": evidence_for_only,
    }
}
