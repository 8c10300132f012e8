"""Rollout and class-specific attention, on a transformer of five tokens whose every number can be had on paper."""

import pytest
import torch
from torch import Tensor, nn

from course_lib import networks
from course_lib.methods.attention import class_attention, rollout
from course_lib.methods.registry import explain
from course_lib.networks.transformer import Attention
from course_lib.recording import record


class Paper(nn.Module):
    """A class token 0 and four pixels as tokens of one number; two attentions; logits ± the class token."""

    def __init__(self, sharpness: float = 0.0, pixels: int = 4) -> None:
        super().__init__()
        self.first, self.second = Attention(), Attention()
        self.sharpness, self.pixels = sharpness, pixels

    def forward(self, pictures: Tensor) -> Tensor:
        x = torch.cat([torch.zeros(len(pictures), 1), pictures.flatten(1)[:, : self.pixels]], 1)[:, None, :, None]
        for attention in (self.first, self.second):
            x = x + attention(self.sharpness * x, x) @ x
        return torch.cat([x[:, 0, 0], -x[:, 0, 0]], 1)


PICTURE = torch.tensor([[[[1.0, 2.0], [3.0, -4.0]]]])


def test_rollout_on_paper():
    """Even attention: Ã = J/10 + I/2, so Ã² = 0.15 J + I/4."""
    assert torch.allclose(rollout(Paper().eval(), PICTURE, 0), torch.full((1, 2, 2), 0.15))


def test_class_attention_on_paper():
    """A = 1/5; x = (0, 1, 2, 3, -4), then x + 0.4; the gradient of A_2's first row is ± x + 0.4, that of A_1's row i
    is ± (δ_i0 + 1/5) x; then R_2's first row is worked out by hand."""
    model = Paper().eval()
    assert torch.allclose(class_attention(model, PICTURE, 0), torch.tensor([[[0.5968, 1.1136], [1.6304, 0.0]]]))
    assert torch.allclose(class_attention(model, PICTURE, 1), torch.tensor([[[0.0, 0.0], [0.0, 1.7952]]]))


def test_order_of_the_blocks():
    """The later attention stands on the left: A_2 A_1 isn't A_1 A_2 once the rows differ."""
    model = Paper(0.7).eval()
    with record(model, ["first", "second"]) as tape:
        model(PICTURE)
    first, second = ((tape.activations[name][0, 0] + torch.eye(5)) / 2 for name in ("first", "second"))
    got = rollout(model, PICTURE, 0).flatten()
    assert torch.allclose(got, (second @ first)[0, 1:])
    assert not torch.allclose(got, (first @ second)[0, 1:], rtol=0.01)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return networks.untrained("scenes_vit").model


PICTURES = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_rollout_asks_no_class_and_gives_shares(model):
    first, second = (explain(model, PICTURES, c, "rollout").map for c in (0, 3))
    assert first.equal(second) and (first > 0).all() and (first.sum((1, 2)) < 1).all()


def test_class_attention_is_of_the_class(model):
    first, second = (explain(model, PICTURES, c, "class attention").map for c in (0, 3))
    assert (first >= 0).all() and not torch.allclose(first, second, rtol=0.1)


@pytest.mark.parametrize("method", ["rollout", "class attention"])
def test_pictures_do_not_mix(model, method):
    alone = torch.cat([explain(model, one[None], 1, method).map for one in PICTURES])
    assert torch.allclose(explain(model, PICTURES, 1, method).map, alone, rtol=1e-3, atol=1e-6)


def test_last_block_gives_patches_exactly_nothing(model):
    with record(model, ["blocks.2", "blocks.3.norm1", "blocks.3"]) as tape:
        model(PICTURES)
    gradients = tape.gradients(0)
    assert not gradients["blocks.3"][:, 1:].any() and gradients["blocks.3"][:, 0].any()
    assert gradients["blocks.3.norm1"][:, 1:].any() and gradients["blocks.2"][:, 1:].any()
    explained = explain(model, PICTURES, 0, "Grad-CAM", "blocks.3")
    assert not explained.map.any() and "exactly 0" in explained.words


@pytest.mark.parametrize("method", ["rollout", "class attention"])
def test_a_model_without_attention(method):
    plain = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).eval()
    with pytest.raises(ValueError, match="Sequential has no attention that can be recorded.*Try Grad-CAM"):
        explain(plain, torch.rand(1, 3, 2, 2), 0, method)


def test_tokens_without_a_square_grid():
    with pytest.raises(ValueError, match="4 tokens are no class token and a square grid"):
        rollout(Paper(pixels=3).eval(), PICTURE, 0)
