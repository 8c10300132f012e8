"""Contributions to a linear model."""

import pytest
import torch

from course_lib.methods.linear import contributions


def test_contributions_and_bias_add_up_to_the_output():
    model, x = torch.nn.Linear(4, 3, dtype=torch.float64), torch.randn(2, 5, 4, dtype=torch.float64)
    added = contributions(model.weight, x)
    assert added.shape == (2, 5, 3, 4)
    torch.testing.assert_close(added.sum(-1) + model.bias, model(x))
    without = x.clone()
    without[..., 2] = 0
    torch.testing.assert_close(model(x) - model(without), added[..., 2])


@pytest.mark.parametrize("inputs", [(4,), (2, 4), (2, 3, 4)])
@pytest.mark.parametrize("weights", [(3, 5), (3, 3), (4,), (1, 4, 4)])
def test_weights_that_do_not_fit(weights, inputs):
    with pytest.raises(ValueError, match=r"don't fit inputs of shape \(.*4,?\): expected \(outputs, 4\)\."):
        contributions(torch.zeros(weights), torch.zeros(inputs))
