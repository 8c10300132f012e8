"""The visible steps between a raw map and a picture of it."""

import pytest
import torch

from course_lib.methods.steps import counterfactual, normalize, relu, upsample

RAW = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_evidence_for_less_evidence_against_is_the_raw_map():
    assert (relu(RAW) - counterfactual(RAW)).equal(RAW)
    assert relu(RAW).min() == 0 == counterfactual(RAW).min()
    assert (relu(RAW) * counterfactual(RAW)).eq(0).all()
    assert counterfactual(RAW).equal(relu(-RAW))


def test_normalize_goes_from_0_to_1_for_each_map():
    scaled = normalize(RAW)
    assert scaled.amin((1, 2)).tolist() == [0] * 3 and scaled.amax((1, 2)).tolist() == [1] * 3
    torch.testing.assert_close(normalize(5 * RAW - 7), scaled)
    assert scaled.flatten(1).argsort(1).equal(RAW.flatten(1).argsort(1))
    assert normalize(RAW[1]).equal(scaled[1])


def test_a_constant_map_becomes_0():
    mixed = torch.stack([torch.zeros(2, 2), torch.full((2, 2), -3.0), torch.tensor([[0.0, 1.0], [2.0, 4.0]])])
    assert normalize(mixed)[:2].eq(0).all() and normalize(mixed)[2].max() == 1


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_upsample_keeps_batch_and_dtype(mode, dtype):
    for raw in (RAW[0], RAW, RAW[None]):
        stretched = upsample(raw.to(dtype), (8, 15), mode)
        assert stretched.shape == (*raw.shape[:-2], 8, 15) and stretched.dtype == dtype
    assert upsample(torch.full((2, 3), 2.0), (7, 5), mode).eq(2).all()


def test_nearest_repeats_each_cell():
    assert upsample(RAW, (8, 15), "nearest").equal(RAW.repeat_interleave(2, 1).repeat_interleave(3, 2))


def test_bilinear_takes_cells_as_areas_not_as_corners():
    expected = torch.tensor([[0.0, 0.25, 0.75, 1.0]])
    torch.testing.assert_close(upsample(torch.tensor([[0.0, 1.0]]), (1, 4)), expected)


def test_another_mode():
    with pytest.raises(ValueError, match='Upsampling is "bilinear" or "nearest", not \'bicubic\'.'):
        upsample(RAW, (8, 8), "bicubic")
