"""The linear model, where an explanation is exact: what each input adds to each output."""

from torch import Tensor


def contributions(weights: Tensor, inputs: Tensor) -> Tensor:
    """What input i adds to output j of a linear model.

    y_j = Σ_i w_ij x_i + b_j, so the contribution of x_i to y_j is w_ij x_i: in the unit of y_j (logits, for a
    classifier). The contributions and the bias add up to the output; the bias belongs to no input.

    Args:
        weights: (J, I), a row for each output, as in `torch.nn.Linear.weight`
        inputs: (..., I)

    Returns:
        (..., J, I)

    Raises:
        ValueError: if the weights take another number of inputs

    Three things hide in w_ij x_i: the baseline 0 that x_i is compared with, the bias, and that it explains the model,
    not the data. Source: any textbook; for the third, Haufe et al., NeuroImage 87 (2014).

    >>> import torch
    >>> contributions(torch.tensor([[2.0, -1.0]]), torch.tensor([3.0, 4.0]))
    tensor([[ 6., -4.]])
    """
    if weights.ndim != 2 or not inputs.ndim or weights.shape[1] != inputs.shape[-1]:
        raise ValueError(
            f"Weights of shape {tuple(weights.shape)} don't fit inputs of shape {tuple(inputs.shape)}: "
            f"expected (outputs, {inputs.shape[-1] if inputs.ndim else 'features'})."
        )
    return weights * inputs[..., None, :]
