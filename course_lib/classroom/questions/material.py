"""What questions hand to an answer besides plain data: networks from their weights. It knows no answers."""

from typing import Any

import torch
from torch import Tensor, nn


class TinyNetwork(nn.Module):
    """pictures -> conv -> ReLU -> flatten -> linear -> tanh -> linear -> logits; CAM has no weights to take here."""

    def __init__(self, kernels: Tensor, hidden: Tensor, out: Tensor) -> None:
        super().__init__()
        self.kernels, self.hidden, self.out = kernels, hidden, out

    def conv(self, pictures: Tensor) -> Tensor:
        """The convolution, before the ReLU: (B, 3, H, W) -> (B, K, h, w)."""
        return torch.conv2d(pictures, self.kernels)

    def head(self, activations: Tensor) -> Tensor:
        """From the activations, after the ReLU, to the logits: (B, K, h, w) -> (B, classes)."""
        return (activations.flatten(1) @ self.hidden.T).tanh() @ self.out.T

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, classes)."""
        return self.head(self.conv(pictures).relu())


def tiny_network(kernels: Tensor, hidden: Tensor, out: Tensor, pictures: Tensor, target: Tensor) -> tuple[Any, ...]:
    """A network, pictures, and the target class of each picture."""
    return TinyNetwork(kernels, hidden, out), pictures, target
