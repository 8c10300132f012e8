"""Laws that every method keeps, whatever the numbers and shapes; and what the ways in do with inputs of any kind."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from course_lib import figures
from course_lib.evaluation import rank_correlation
from course_lib.methods.cam import cam, grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, xgrad_cam
from course_lib.methods.gradients import gradient_times_input, integrated_gradients, saliency
from course_lib.methods.linear import contributions
from course_lib.methods.perturbation import occlusion
from course_lib.methods.registry import METHODS, explain
from course_lib.methods.steps import counterfactual, normalize, relu, upsample
from course_lib.preprocessing import Preprocessing, check_pictures, read_picture
from course_lib.recording import record

pytestmark = pytest.mark.full
settings.register_profile("course", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("course")

SENTENCES = (ValueError, TypeError, LookupError)
"""What a person's mistake may raise."""
FROM_TWO: list[Callable[[Tensor, Tensor], Tensor]] = [grad_cam, hires_cam, grad_cam_plus_plus, layer_cam, xgrad_cam]
small = st.integers(1, 5)
seeds = st.integers(0, 2**31)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(4, 3),
        ).double().eval()  # fmt: skip


# -------------------------------------------------------------------------------------------- maps from two tensors
@pytest.mark.parametrize("method", FROM_TWO)
@given(seed=seeds, b=small, k=small, h=small, w=small)
def test_pictures_and_places_and_channels_are_on_their_own(method, seed, b, k, h, w):
    a, g = normal(seed, b, k, h, w).relu(), normal(seed + 1, b, k, h, w)
    found = method(a, g)
    assert found.shape == (b, h, w)
    close(found, torch.cat([method(a[i : i + 1], g[i : i + 1]) for i in range(b)]))
    order = torch.randperm(k, generator=torch.Generator().manual_seed(seed))
    close(method(a[:, order], g[:, order]), found)
    close(method(a.flip(2).mT, g.flip(2).mT), found.flip(1).mT)


@pytest.mark.parametrize("method", [grad_cam, hires_cam, layer_cam, xgrad_cam])
@given(seed=seeds, k=small, h=small, w=small, scale=st.floats(0.1, 10))
def test_twice_the_logit_is_twice_the_map(method, seed, k, h, w, scale):
    """In the logit's unit; Grad-CAM++ isn't: its weights compare the gradient with 2 + Σ A g."""
    a, g = normal(seed, 2, k, h, w).relu(), normal(seed + 1, 2, k, h, w)
    close(method(a, scale * g), scale * method(a, g))


@given(seed=seeds, k=small, h=small, w=small, s=st.floats(-3, 3), t=st.floats(-3, 3))
def test_linear_in_the_score(seed, k, h, w, s, t):
    a, f, g = (normal(seed + i, 1, k, h, w) for i in range(3))
    for method in (grad_cam, hires_cam):
        close(method(a, s * f + t * g), s * method(a, f) + t * method(a, g))


@given(seed=seeds, k=small, h=small, w=small)
def test_where_the_gradient_is_the_same_everywhere_all_are_cam(seed, k, h, w):
    a, weights = normal(seed, 1, k, h, w).relu() + 0.1, normal(seed + 1, k)
    g = (weights / (h * w)).view(1, k, 1, 1).expand_as(a)
    for method in (grad_cam, hires_cam, xgrad_cam):
        close(method(a, g), cam(a, weights) / (h * w))
    close(hires_cam(a, g).sum((1, 2)), (a * g).sum((1, 2, 3)))


@given(seed=seeds, h=small, w=small, height=st.integers(5, 9), width=st.integers(5, 9))
def test_steps_from_map_to_heat_map(seed, h, w, height, width):
    raw = normal(seed, 2, h, w)
    close(relu(raw) - counterfactual(raw), raw)
    values = normalize(relu(raw))
    assert values.min() >= 0 and values.max() <= 1
    large = upsample(raw, (height, width))
    assert large.shape == (2, height, width)
    assert large.amin() >= raw.amin() - 1e-9 and large.amax() <= raw.amax() + 1e-9


# ------------------------------------------------------------------------------------------------- through a network
@given(seed=seeds, target=st.integers(0, 2), scale=st.floats(0.1, 5))
@settings(max_examples=15)
def test_completeness_and_sensitivity(seed, target, scale):
    model, x, start = network(seed % 50), normal(seed, 2, 3, 6, 6), normal(seed + 1, 1, 3, 6, 6)
    with torch.no_grad():
        climbed = (model(x) - model(start))[:, target]
    found = integrated_gradients(model, x, target, start, steps=400)
    torch.testing.assert_close(found.sum((1, 2)), climbed, rtol=2e-2, atol=2e-2)
    assert not integrated_gradients(model, x, target, x, steps=3).any()  # nothing changes, nothing is due
    assert occlusion(model, x, target, 2, 2, fill=x).abs().max() < 1e-12


@given(seed=seeds, target=st.integers(0, 2))
@settings(max_examples=15)
def test_on_a_linear_model_all_are_the_contributions(seed, target):
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).double()
    x = normal(seed, 2, 3, 2, 2)
    due = contributions(model[1].weight.detach(), x.flatten(1))[:, target].view(2, 3, 2, 2).sum(1)
    with record(model, "input") as tape:
        model(x)
    close(gradient_times_input(x, tape.gradients(target)["input"]), due)
    close(integrated_gradients(model, x, target, steps=3), due)
    close(occlusion(model, x, target, 1, 1, fill=0.0), due)
    assert saliency(x, tape.gradients(target)["input"]).min() >= 0


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.kind in ("layer", "input")])
@given(seed=seeds)
@settings(max_examples=8)
def test_a_map_does_not_depend_on_its_neighbours_in_the_batch(name, seed):
    model, x = network(seed % 50), normal(seed, 3, 3, 6, 6).sigmoid()
    together = explain(model, x, 1, name).map
    close(together, torch.cat([explain(model, one[None], 1, name).map for one in x]))


# --------------------------------------------------------------------------------- inputs of every shape, dtype, value
VALUES = [0.0, -0.0, 1.0, -1.0, 0.5, 255.0, 1e-30, 1e30, float("inf"), float("-inf"), float("nan")]
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int64, torch.bool,
          torch.complex64]  # fmt: skip


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    shape = draw(st.lists(st.sampled_from([0, 1, 2, 3, 5, 8]), min_size=0, max_size=5))
    count = int(np.prod(shape, dtype=int))
    values = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=5))
    filled = torch.tensor((values * (count // len(values) + 1))[:count], dtype=torch.float64).nan_to_num(
        **({} if draw(st.booleans()) else {"nan": float("nan"), "posinf": float("inf"), "neginf": float("-inf")})
    )
    return filled.reshape(shape).to(draw(st.sampled_from(DTYPES)))


arrays = tensors().filter(lambda tensor: not tensor.is_complex()).map(lambda tensor: tensor.double().numpy())
anything = st.one_of(
    tensors(), arrays, st.none(), st.integers(), st.floats(), st.text(max_size=5), st.lists(small, max_size=3)
)


def spoken(call: Callable[[], Any]) -> Any:
    """What it gives, or None after a sentence; any other exception fails the test."""
    try:
        return call()
    except SENTENCES as error:
        text = str(error)
        assert not isinstance(error, IndexError | KeyError) and len(text) > 20, error  # not Python's own words
        assert len(text) < 800 and "Traceback" not in text, error
        return None


@given(x=anything)
@settings(max_examples=300)
def test_pictures_of_every_kind(x):
    spoken(lambda: check_pictures(x))
    shown = spoken(lambda: Preprocessing(8)(x))
    assert shown is None or (shown.shape[-3:] == (3, 8, 8) and shown.isfinite().all())
    read = spoken(lambda: read_picture(x))
    assert read is None or (read.dtype == np.uint8 and read.ndim == 3)


@given(x=anything, target=st.one_of(st.integers(-2, 5), st.none(), st.floats(), st.text(max_size=2)),
       method=st.one_of(st.sampled_from(["Grad-CAM", "CAM", "saliency", "LayerCAM"]), st.text(max_size=4)),
       layer=st.one_of(st.none(), st.text(max_size=3), st.sampled_from(["0", "2", "6"])))  # fmt: skip
@settings(max_examples=200)
def test_explaining_anything(x, target, method, layer):
    found = spoken(lambda: explain(network(0), x, target, method, layer))
    assert found is None or found.map.isfinite().all()


@given(a=tensors(), b=tensors())
@settings(max_examples=150)
def test_maps_of_every_kind(a, b):
    assume(a.is_floating_point() and b.is_floating_point())
    for method in (*FROM_TWO, cam, contributions):
        spoken(lambda method=method: method(a, b))


@given(raw=tensors(), picture=anything)
@settings(max_examples=60)
def test_drawing_anything(raw, picture):
    spoken(lambda: figures.overlay_rgb(picture, raw))
    spoken(lambda: rank_correlation(raw, raw))
    spoken(lambda: figures.compare([[figures.Panel("a map", picture, raw)]]))
    figures.plt.close("all")
