"""The course's own networks: one trunk of convolutions, three heads, so that only the head differs between them.

Each takes pictures (B, 3, H, W) in [0, 1], normalizes them itself, and gives logits (B, classes). No ReLU works in
place, and each is a layer of its own, so that every step can be recorded.
"""

from collections import OrderedDict

from torch import Tensor, nn


class Normalize(nn.Module):
    """(x - 0.5) / 0.25: the normalization is part of the network, so black is -2 to the first convolution."""

    def forward(self, pictures: Tensor) -> Tensor:
        return (pictures - 0.5) / 0.25


def trunk(channels: tuple[int, ...] = (16, 32, 64, 64, 64), halvings: int = 2) -> nn.Sequential:
    """Blocks of convolution, BatchNorm and ReLU; the first `halvings` of them halve the grid."""
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    before = 3
    for place, after in enumerate(channels):
        parts: list[tuple[str, nn.Module]] = [
            ("conv", nn.Conv2d(before, after, 3, 2 if place < halvings else 1, 1, bias=False)),
            ("norm", nn.BatchNorm2d(after)),
            ("relu", nn.ReLU()),
        ]
        blocks[f"block{place + 1}"] = nn.Sequential(OrderedDict(parts))
        before = after
    return nn.Sequential(blocks)


class GapNetwork(nn.Module):
    """Convolutions, global average pooling, one linear layer: what CAM is made for."""

    def __init__(self, classes: int, channels: tuple[int, ...] = (16, 32, 64, 64, 64), halvings: int = 2) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.features = trunk(channels, halvings)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels[-1], classes)

    def forward(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.pool(self.features(self.normalize(pictures))).flatten(1))
        return logits


class TwoLayerNetwork(nn.Module):
    """Convolutions, a 4 x 4 grid of means, two fully connected layers: no single weight for a channel."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.features = trunk()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.fc1 = nn.Linear(64 * 16, 64)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(64, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        pooled = self.pool(self.features(self.normalize(pictures))).flatten(1)
        logits: Tensor = self.fc2(self.relu(self.fc1(pooled)))
        return logits


class RecurrentNetwork(nn.Module):
    """Convolutions, then a recurrent network (GRU) that reads an 8 x 8 grid cell by cell, row by row."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.features = trunk()
        self.pool = nn.AdaptiveAvgPool2d(8)
        self.rnn = nn.GRU(64, 64, batch_first=True)
        self.fc = nn.Linear(64, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        cells = self.pool(self.features(self.normalize(pictures))).flatten(2).transpose(1, 2)
        states, _ = self.rnn(cells)
        logits: Tensor = self.fc(states[:, -1])
        return logits
