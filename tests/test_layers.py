"""The list of layers: their order, what they give out, and the grid that lies over the picture."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from course_lib.layers import Layer, layers
from course_lib.recording import record


def listed(model: nn.Module, height: int = 64, width: int = 64) -> dict[str, Layer]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {layer.name: layer for layer in layers(model, torch.rand(1, 3, height, width))}


class Tokens(nn.Module):
    """Pictures as a sequence: patches of 8 x 8 pixels, after `prefix` tokens of another kind."""

    def __init__(self, prefix: int) -> None:
        super().__init__()
        self.patches, self.prefix = nn.Conv2d(3, 6, 8, 8), nn.Parameter(torch.zeros(1, prefix, 6))
        self.block = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.prefix.expand(len(x), -1, -1), patches], 1)
        return self.head(self.block(tokens)[:, 0])


def test_order_shapes_and_cells_of_a_resnet():
    found = listed(models.resnet18().eval())
    names = list(found)
    assert names[:4] == ["conv1", "bn1", "relu", "maxpool"] and names[-3:] == ["layer4", "avgpool", "fc"]
    assert found["layer4"] == Layer("layer4", "Sequential", (512, 2, 2), (2, 2), (32, 32), "BKHW")
    assert found["maxpool"].grid == (16, 16) and found["maxpool"].cell == (4, 4)
    assert names.index("layer1.0.conv1") < names.index("layer1.0") < names.index("layer1")
    assert found["layer1.0.relu:2"].kind == "ReLU" and "layer1.0.relu" not in found
    assert found["avgpool"].grid is None and found["avgpool"].cell is None  # 1 x 1 is no grid
    assert str(found["avgpool"]) == "avgpool (AdaptiveAvgPool2d): 512 x 1 x 1, no grid"
    assert str(found["layer3"]) == "layer3 (Sequential): 4 x 4 cells of 16 pixels"


@pytest.mark.parametrize("make", [models.resnet18, models.squeezenet1_0, models.mobilenet_v3_small])
def test_every_name_can_be_recorded_and_gives_what_was_said(make):
    model = make().eval()
    x = torch.rand(2, 3, 64, 64)
    found = layers(model, x[0])
    with record(model, [layer.name for layer in found]) as tape:
        model(x)
    assert list(tape.activations) == [layer.name for layer in found]
    for layer in found:
        assert tuple(tape.activations[layer.name].shape[1:]) == layer.shape
        if layer.grid:
            assert layer.to_grid(tape.activations[layer.name]).shape[-2:] == layer.grid


def test_a_picture_that_is_not_square():
    found = listed(models.resnet18().eval(), 96, 160)
    assert found["layer3"].grid == (6, 10) and found["layer3"].cell == (16, 16)
    assert found["layer4"].grid == (3, 5)
    found = listed(models.resnet18().eval(), 97, 131)
    assert found["layer4"].grid == (4, 5) and found["layer4"].cell == (97 / 4, 131 / 5)
    assert str(found["layer4"]).endswith("4 x 5 cells of 24.2 x 26.2 pixels")


def test_convolutions_without_padding_and_pooling_to_a_square():
    model = nn.Sequential(nn.Conv2d(3, 40, 5), nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(1960, 3)).eval()
    found = listed(model, 32, 64)
    assert found["0"].grid == (28, 60)
    assert found["1"].grid == (7, 7) and found["1"].cell == (32 / 7, 64 / 7)
    assert found["2"].grid is None and found["3"].shape == (3,)


def test_squeezenet_goes_on_to_maps_of_classes():
    found = listed(models.squeezenet1_0().eval(), 128, 128)
    assert found["features.12"].grid == (7, 7) and found["features.12"].shape == (512, 7, 7)
    assert found["classifier.2"].shape == (1000, 7, 7) and found["classifier.3"].grid is None


def test_swin_carries_its_channels_last():
    found = listed(models.swin_t().eval())
    assert found["features.1"] == Layer("features.1", "Sequential", (16, 16, 96), (16, 16), (4, 4), "BHWK")
    assert found["features.7"].grid == (2, 2) and found["features.7"].layout == "BHWK"
    assert found["permute"].layout == "BKHW" and found["features.0.0"].layout == "BKHW"
    assert listed(models.swin_t().eval(), 64, 96)["features.1"].grid == (16, 24)


def test_convnext_turns_its_channels_within_a_block():
    found = listed(models.convnext_tiny().eval())
    assert [found[f"features.1.0.block.{part}"].layout for part in range(7)] == ["BKHW", *["BHWK"] * 5, "BKHW"]
    assert found["features.7"] == Layer("features.7", "Sequential", (768, 2, 2), (2, 2), (32, 32), "BKHW")
    assert found["classifier.0"].grid is None


@pytest.mark.parametrize("prefix", [0, 1, 2, 5])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 80)])
def test_tokens_after_others_of_another_kind(prefix, height, width):
    layer = listed(Tokens(prefix).eval(), height, width)["block"]
    assert (layer.grid, layer.prefix, layer.layout) == ((height // 8, width // 8), prefix, "BTK")
    assert layer.cell == (8, 8)


def test_a_vision_transformer():
    model = models.VisionTransformer(64, 16, 2, 2, 12, 24, num_classes=5).eval()
    found = listed(model)
    block = found["encoder.layers.encoder_layer_1"]
    assert block == Layer("encoder.layers.encoder_layer_1", "EncoderBlock", (17, 12), (4, 4), (16, 16), "BTK", 1)
    assert found["conv_proj"].layout == "BKHW" and found["heads"].grid is None
    tokens = torch.arange(17.0)[None, :, None].expand(1, 17, 12)
    assert block.to_grid(tokens)[0, 3].equal(torch.arange(1.0, 17).view(4, 4))  # row by row, without the class token


class Attention(Tokens):
    """Tokens whose attention, 64 x 64 between 64 tokens, goes through a module; its weights could pass for a grid."""

    def __init__(self) -> None:
        super().__init__(0)
        self.weights, self.positions = nn.Softmax(-1), nn.Linear(2, 6)
        self.register_buffer("table", torch.rand(1, 8, 8, 2))
        self.scaled = nn.utils.parametrizations.spectral_norm(nn.Conv2d(6, 1, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.block(self.patches(x).flatten(2).transpose(1, 2) + self.positions(self.table).flatten(1, 2))
        tokens = self.weights(tokens[:, None] @ tokens[:, None].mT)[:, 0] @ tokens
        return self.head(tokens.mean(1)) + self.scaled(tokens.mT.unflatten(2, (8, 8))).mean()


def test_what_looks_like_a_grid_and_is_none():
    found = listed(Attention().eval())
    assert found["weights"].shape == (1, 64, 64) and found["weights"].grid is None
    assert found["patches"].grid == found["block"].grid == found["scaled"].grid == (8, 8)
    assert not [name for name in found if "positions" in name or "parametrizations" in name]


def test_the_windows_of_maxvit_and_the_tables_of_swin_are_no_grid():
    found = listed(models.MaxVit((64, 64), 8, 4, [8], [1], 8, 0.0, num_classes=3).eval())
    inside = {layer.shape: layer.grid for name, layer in found.items() if "attn_layer" in name}
    assert inside[(16, 16, 8)] is None, "16 windows of 16 tokens"
    assert not any(inside.values())
    assert found["blocks.0.layers.0.layers.window_attention"].grid == (16, 16)
    found = listed(models.swin_v2_t().eval())
    assert found["features.1.0.mlp"].grid == (16, 16) and not [name for name in found if "cpb_mlp" in name]


def test_to_grid():
    stacked = torch.randn(3, 2, 4, 5, 6)  # (S, B, ...)
    assert Layer("a", "X", (4, 5, 6), (5, 6), (1, 1), "BKHW").to_grid(stacked) is stacked
    last = Layer("a", "X", (4, 5, 6), (4, 5), (1, 1), "BHWK").to_grid(stacked)
    assert last.shape == (3, 2, 6, 4, 5) and last[0, 1, 5, 2, 3] == stacked[0, 1, 2, 3, 5]
    tokens = torch.randn(3, 2, 7, 4)
    grid = Layer("a", "X", (7, 4), (2, 3), (1, 1), "BTK", 1).to_grid(tokens)
    assert grid.shape == (3, 2, 4, 2, 3) and grid[1, 0, 3, 1, 2] == tokens[1, 0, 6, 3]
    with pytest.raises(ValueError, match=r"Layer 'fc' gives out \(10,\): no grid .* before the pooling"):
        Layer("fc", "Linear", (10,)).to_grid(torch.zeros(1, 10))


class Several(nn.Module):
    """A tuple, whole numbers, a layer called "input", and one that isn't reached."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.rnn, self.input, self.spare = nn.Conv2d(3, 4, 3), nn.GRU(4, 4), nn.ReLU(), nn.Linear(2, 2)
        self.whole = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        self.whole(torch.ones(1, 2, dtype=torch.int64))
        features = self.input(self.conv(x))
        self.rnn(features.flatten(2).transpose(1, 2))
        return features.mean((2, 3))


def test_only_what_can_be_recorded_is_listed():
    assert list(listed(Several().eval())) == ["conv", "input:1"]


def test_the_model_is_as_before_and_no_memory_is_kept():
    model = models.mobilenet_v3_small().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    hooks = [len(module._forward_hooks) for module in model.modules()]
    found = layers(model, torch.rand(3, 64, 64))
    assert [len(module._forward_hooks) for module in model.modules()] == hooks
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
    assert not any(isinstance(value, Tensor) for layer in found for value in vars(layer).values())
    with pytest.raises(RuntimeError):
        layers(model, torch.rand(5, 64, 64))
    assert [len(module._forward_hooks) for module in model.modules()] == hooks


def test_what_cannot_be_listed():
    model = models.resnet18()
    with pytest.raises(ValueError, match="in train mode"):
        layers(model, torch.rand(3, 64, 64))
    assert model.bn1.num_batches_tracked == 0
    unfit: Any = "resnet18"
    with pytest.raises(TypeError, match="A model is a torch.nn.Module, not a str."):
        layers(unfit, torch.rand(3, 64, 64))


def test_a_grid_is_where_the_layer_looked():
    """A bright cell of the picture lights the cell of the same place, on each layout."""
    x = torch.zeros(1, 3, 32, 48)
    x[..., 8:16, 32:40] = 1
    for axis, model in {
        "BKHW": nn.Sequential(nn.AvgPool2d(8)),
        "BHWK": nn.Sequential(nn.AvgPool2d(8), Last()),
        "BTK": nn.Sequential(nn.AvgPool2d(8), Sequence()),
    }.items():
        layer = layers(model.eval(), x)[-1]
        with record(model, layer.name) as tape:
            model(x)
        assert layer.layout == axis
        assert layer.to_grid(tape.activations[layer.name])[0, 0].nonzero().tolist() == [[1, 4]]


class Last(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.movedim(1, 3)


class Sequence(nn.Module):
    """Two tokens of another kind, then the grid row by row."""

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x.flatten(2).transpose(1, 2), (0, 0, 2, 0))
