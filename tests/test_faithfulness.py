"""Scores that change the picture or the model, on models whose answer can be worked out on paper."""

from itertools import permutations

import pytest
import torch
from torch import Tensor, nn

from course_lib.faithfulness import cascade, cell_means, count_passes, deletion_curve, filling, occlusion_drops
from course_lib.methods.gradients import integrated_gradients

RANDOM = torch.Generator().manual_seed(0)
PICTURES = torch.rand(3, 3, 8, 8, generator=RANDOM)
WEIGHTS = torch.randn(2, 3 * 8 * 8, generator=RANDOM)
TARGET = torch.tensor([0, 1, 1])


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 8 * 8, 2)
        self.fc.weight.data.copy_(WEIGHTS)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(x.flatten(1))
        return logits


def contributions(fill: Tensor | float = 0.0) -> Tensor:
    return (WEIGHTS[TARGET].view(3, 3, 8, 8) * (PICTURES - fill)).sum(1)


def test_fills() -> None:
    assert torch.allclose(filling(PICTURES)[1, 2], PICTURES[1, 2].mean().expand(8, 8))
    assert not filling(PICTURES, "black").any()
    blurred = filling(PICTURES, "blur")
    assert blurred.shape == PICTURES.shape and blurred.std() < 0.5 * PICTURES.std()
    assert torch.allclose(filling(torch.full((1, 3, 9, 12), 0.3), "blur"), torch.tensor(0.3))
    with pytest.raises(ValueError, match="mean, black, blur, not by 'white'"):
        filling(PICTURES, "white")


@pytest.mark.parametrize("fill", ["mean", "black", "blur"])
def test_a_curve_runs_from_the_picture_to_the_fill_and_insertion_back(fill: str) -> None:
    model, maps = Linear(), contributions()
    ends = [model(x).softmax(1).gather(1, TARGET[:, None])[:, 0] for x in (PICTURES, filling(PICTURES, fill))]
    for insert in (False, True):
        curve = deletion_curve(model, PICTURES, TARGET, maps, fill, insert, steps=5)
        assert curve.shape == (3, 6)
        assert torch.allclose(curve[:, [0, -1]], torch.stack(ends[:: -1 if insert else 1], 1), atol=1e-6)


def test_of_a_linear_model_the_contributions_delete_fastest() -> None:
    """The logit's curve lies below that of any other order, at each step; the softmax of two classes is monotone in
    the difference of their logits, so the map is that of the difference."""
    model, sign = Linear(), torch.tensor([1.0, -1.0, -1.0])[:, None, None]
    best = sign * ((WEIGHTS[0] - WEIGHTS[1]).view(3, 8, 8) * PICTURES).sum(1)
    lowest = deletion_curve(model, PICTURES, TARGET, best, "black", steps=16)
    for seed in range(5):
        other = torch.rand(best.shape, generator=torch.Generator().manual_seed(seed))
        assert (deletion_curve(model, PICTURES, TARGET, other, "black", steps=16) >= lowest - 1e-6).all()
    assert torch.equal(deletion_curve(model, PICTURES, TARGET, best**3, "black", steps=16), lowest)


def test_the_smallest_area_of_all_orders_is_that_of_the_contributions() -> None:
    parts = torch.tensor([0.4, -1.0, 2.0, 0.1])
    areas = {order: sum(parts.sum() - parts[list(order[:k])].sum() for k in range(1, 4)) for order in
             permutations(range(4))}  # fmt: skip
    assert min(areas, key=lambda order: float(areas[order])) == (2, 0, 3, 1)


def test_equal_values_go_in_an_order_that_favours_no_corner() -> None:
    mass = lambda x: torch.stack([10 * x[:, 0, :4].sum((1, 2)) / 32, 10 * x[:, 0, 4:].sum((1, 2)) / 32], 1)  # noqa: E731
    flat = deletion_curve(mass, torch.ones(1, 3, 8, 8), torch.tensor([0]), torch.zeros(1, 8, 8), "black", steps=4)  # type: ignore[arg-type]
    assert (flat[0] - 0.5).abs().max() < 0.45  # row by row the upper half would go first, and 10 against 0 is 0.99995


def test_batches_change_nothing_and_sizes_must_fit() -> None:
    model, maps = Linear(), contributions()
    whole = deletion_curve(model, PICTURES, TARGET, maps)
    assert torch.allclose(deletion_curve(model, PICTURES, TARGET, maps, batch=1), whole, atol=1e-6)
    drops = occlusion_drops(model, PICTURES, TARGET, 4)
    assert torch.allclose(occlusion_drops(model, PICTURES, TARGET, 4, batch=2), drops, atol=1e-5)
    with pytest.raises(ValueError, match=r"\(3, 4, 4\) must have the pictures' size, \(3, 8, 8\)"):
        deletion_curve(model, PICTURES, TARGET, maps[:, :4, :4])


@pytest.mark.parametrize("fill", ["mean", "black"])
def test_of_a_linear_model_occlusion_is_the_contribution_of_the_cell(fill: str) -> None:
    drops = occlusion_drops(Linear(), PICTURES, TARGET, cells=4, fill=fill)
    assert torch.allclose(drops, 4 * cell_means(contributions(filling(PICTURES, fill)), 4), atol=1e-4)


def test_a_cascade_goes_down_layer_by_layer_and_leaves_the_model_alone() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2)).eval()
    before = {name: values.clone() for name, values in model.state_dict().items()}
    kept = {}
    for stage, (name, changed) in enumerate(cascade(model)):
        kept[name] = stage
        same = {key for key, values in changed.named_parameters() if torch.equal(values, before[key])}
        assert "4.weight" not in same and ("0.weight" in same) == (stage < 2) and not changed.training
    assert list(kept) == ["4", "1", "0"]
    assert all(torch.equal(values, before[name]) for name, values in model.state_dict().items())


def test_a_cascade_repeats_and_shuffles_what_cannot_be_drawn() -> None:
    class Token(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.arange(20.0))

    (first,) = [changed.token.detach().clone() for _, changed in cascade(Token())]
    (again,) = [changed.token.detach().clone() for _, changed in cascade(Token())]
    assert torch.equal(first, again) and not torch.equal(first, torch.arange(20.0))
    assert torch.equal(first.sort().values, torch.arange(20.0))


def test_a_cascade_leaves_the_random_numbers_alone() -> None:
    model = Linear()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    list(cascade(model))
    assert torch.equal(torch.rand(2), expected)


def test_passes_are_counted_both_ways_and_no_longer_than_asked() -> None:
    model = Linear()
    with count_passes(model) as passes:
        integrated_gradients(model, PICTURES, 0, steps=10)
    assert (passes.forward, passes.backward) == (30, 30)
    with count_passes(model) as passes, torch.no_grad():
        model(PICTURES)
    model(PICTURES)
    assert (passes.forward, passes.backward) == (3, 0) and not model._forward_hooks
