"""Perturbation methods against closed forms on linear models, by their laws, and with wrong options."""

import pytest
import torch
from torch import Tensor, nn

from course_lib.methods.cam import cam
from course_lib.methods.perturbation import (
    blurred,
    meaningful_perturbation,
    occlusion,
    prediction_difference,
    random_masks,
    representation_erasure,
    rise,
)
from course_lib.methods.steps import upsample
from course_lib.networks import load
from course_lib.recording import record

W = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0], [2.0, 0.25, 4.0]]).double()
X = torch.tensor([[[[0.2, 0.9, 0.4], [0.7, 0.1, 0.6], [0.3, 0.8, 0.5]]]]).double()


def linear(weights: Tensor = W, bias: float = 0.5) -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(weights.numel(), 2)).double()
    with torch.no_grad():
        model[1].weight.copy_(torch.stack([weights.flatten(), torch.zeros(weights.numel())]))
        model[1].bias.copy_(torch.tensor([bias, 0.0]))
    return model.eval()


@pytest.fixture(scope="module")
def gap() -> nn.Module:
    return load("scenes_gap").model


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("fill", [0.0, 0.3, torch.full((1, 1, 3, 3), 0.7).double()])
def test_occlusion_of_a_pixel_is_the_contribution_from_the_fill(fill: float | Tensor) -> None:
    torch.testing.assert_close(occlusion(linear(), X, 0, 1, 1, fill), W * (X[:, 0] - fill).reshape(1, 3, 3))


def test_occlusion_of_a_patch_is_the_sum_of_its_pixels_and_of_patches_the_mean() -> None:
    one = occlusion(linear(), X, 0, 3, 1, 0.0)
    torch.testing.assert_close(one, (W * X[0]).sum().expand(1, 3, 3))
    phi = (W * X[0, 0]).unfold(0, 2, 1).unfold(1, 2, 1).sum((-2, -1))
    torch.testing.assert_close(occlusion(linear(), X, 0, 2, 1, 0.0)[0, 1, 1], phi.mean())
    torch.testing.assert_close(occlusion(linear(), X, 0, 2, 1, 0.0)[0, 0, 0], phi[0, 0])


def test_rise_estimates_the_mean_score_given_that_a_pixel_is_kept() -> None:
    """On a linear model E[S | pixel i kept] = (1 - p) w_i x_i + p Σ w x + b where masks are independent pixels."""
    keep, n = 0.5, 40_000
    masks = (torch.rand(n, 3, 3, generator=torch.Generator().manual_seed(1)) < keep).double()
    scores = (masks * W * X[0, 0]).sum((1, 2)) + 0.5
    estimate = torch.einsum("n,nhw->hw", scores, masks) / (n * keep)
    phi = W * X[0, 0]
    torch.testing.assert_close(estimate, (1 - keep) * phi + keep * phi.sum() + 0.5, atol=0.05, rtol=0)
    # the smooth masks of RISE: the same statistic of their own masks, whatever the batch
    model = linear()
    some = torch.cat(list(random_masks(X, 64, 2, keep, 0, 7)))
    by_hand = torch.einsum("n,nhw->hw", (some * phi).sum((1, 2)) + 0.5, some) / (64 * keep)
    for batch in (1, 7, 64):
        torch.testing.assert_close(rise(model, X, 0, 64, 2, keep, batch=batch)[0], by_hand)


def test_masks_keep_their_share_and_follow_from_the_seed(pictures: Tensor) -> None:
    masks = torch.cat(list(random_masks(pictures, 600, 7, 0.3, 0, 50)))
    assert masks.shape == (600, 64, 64) and 0 <= masks.min() and masks.max() <= 1
    assert abs(masks.mean() - 0.3) < 0.01 and masks.mean(0).std() < 0.03
    assert masks.equal(torch.cat(list(random_masks(pictures, 600, 7, 0.3, 0, 600))))
    assert not masks.equal(torch.cat(list(random_masks(pictures, 600, 7, 0.3, 1, 50))))


def test_erasing_a_cell_of_the_last_map_costs_the_logit_its_share_of_cam(gap: nn.Module, pictures: Tensor) -> None:
    with record(gap, "features") as tape:
        logits = gap(pictures)
    weights = gap.get_submodule("fc").weight.detach()
    maps = torch.stack([cam(tape.activations["features"], w) for w in weights], 1) / 256  # (B, classes, h, w)
    after = logits.detach()[..., None, None] - maps
    expected = logits.detach().log_softmax(1)[:, 3, None, None] - after.log_softmax(1)[:, 3]
    found = representation_erasure(gap, pictures, 3, "features", batch=100)
    torch.testing.assert_close(found, upsample(expected, (64, 64), "nearest"), atol=2e-5, rtol=1e-3)
    assert gap.get_submodule("features")._forward_hooks == {}
    torch.testing.assert_close(representation_erasure(gap, pictures[:1], 3, batch=1), found[:1], atol=1e-5, rtol=1e-3)


def test_hooks_go_also_when_the_model_raises(gap: nn.Module, pictures: Tensor) -> None:
    with pytest.raises(IndexError):
        representation_erasure(gap, pictures, 77, "features")
    assert all(not module._forward_hooks for module in gap.modules())


def test_prediction_difference_of_one_sample_by_hand() -> None:
    """The whole picture as one patch: the odds of the picture over those of the shifted one."""
    model = linear()
    random = torch.Generator().manual_seed(4)
    shift = [int(torch.randint(1, 3, (), generator=random)) for _ in range(2)]
    bits = (model(X) - model(X.roll(shift, (-2, -1))))[0] @ torch.tensor([1.0, -1.0]).double() / torch.tensor(2.0).log()
    found = prediction_difference(model, X, 0, 3, 1, samples=1, seed=4)
    torch.testing.assert_close(found, bits.detach().expand(1, 3, 3).to(found))


def test_meaningful_perturbation_erases_what_the_class_needs_and_nothing_else() -> None:
    """Of nine pixels one decides: its share goes up, the share of the others goes down."""
    weights = torch.zeros(3, 3).double()
    weights[1, 2] = 12.0
    mask = meaningful_perturbation(linear(weights, -4.0), torch.ones_like(X), 0, 3, 300, area=0.5, smooth=0.0, fill=0.0)
    assert mask[0, 1, 2] > 0.5
    mask[0, 1, 2] = 0
    assert mask.max() < 0.05


def test_blurring_keeps_the_mean_of_a_constant_and_takes_the_detail(pictures: Tensor) -> None:
    torch.testing.assert_close(blurred(torch.full((1, 3, 9, 9), 0.4)), torch.full((1, 3, 9, 9), 0.4))
    assert blurred(pictures).std() < 0.2 * pictures.std()


METHODS = {
    "occlusion": lambda model, x, **more: occlusion(model, x, 1, 16, 16, **more),
    "prediction difference": lambda model, x, **more: prediction_difference(model, x, 1, 32, 32, 2, **more),
    "erasure": lambda model, x, **more: representation_erasure(model, x, 1, "features", **more),
    "RISE": lambda model, x, **more: rise(model, x, 1, 20, **more),
}


@pytest.mark.parametrize("name", METHODS)
def test_the_batch_bounds_the_pictures_of_a_pass_and_nothing_else(name: str, gap: nn.Module, pictures: Tensor) -> None:
    sizes: list[int] = []
    handle = gap.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    try:
        small = METHODS[name](gap, pictures, batch=4)
        assert max(sizes) <= 4
    finally:
        handle.remove()
    torch.testing.assert_close(small, METHODS[name](gap, pictures, batch=64), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(small[1:], METHODS[name](gap, pictures[1:], batch=64), atol=1e-4, rtol=1e-3)
    assert small.std() > 0 and all(parameter.grad is None for parameter in gap.parameters())


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda x: occlusion(linear(), x, 0, 4, 1), "Patches of 4 pixels every 1 don't cover pictures of 3 x 3"),
        (lambda x: occlusion(linear(), x, 0, 1, 2), "choose 1 <= stride <= patch"),
        (lambda x: occlusion(linear(), x, 0, 1, 0), "choose 1 <= stride <= patch"),
        (lambda x: rise(linear(), x, 0, keep=1.0), r"keep in \(0, 1\), not 400, 7 and 1.0"),
        (lambda x: rise(linear(), x, 0, masks=0), "RISE needs masks"),
        (lambda x: meaningful_perturbation(linear(), x, 0, steps=0), "at least one cell and one step, not 16 and 0"),
        (lambda x: representation_erasure(linear(), x, 0, "1"), "'1' gives .*, no grid of channels"),
    ],
)
def test_wrong_options(wrong, sentence: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=sentence):
        wrong(X)
