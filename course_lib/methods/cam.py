"""Class activation maps and their relatives: pure functions of activations, weights and gradients.

Throughout, A is (..., K, h, w): K channels on a grid of h x w cells, Z = h w; g = ∂S_c/∂A has the same shape, or
(S, ..., K, h, w) for S classes at once; S_c is the score of the target class, a logit. Every map is (..., h, w), raw
and signed: ReLU, normalization and upsampling are steps of their own (`methods.steps`).
"""

import torch
from torch import Tensor

from course_lib.methods.registry import register


def _same_shape(activations: Tensor, gradients: Tensor) -> None:
    if activations.ndim < 3 or gradients.shape[-activations.ndim :] != activations.shape:
        raise ValueError(
            f"Activations {tuple(activations.shape)} and gradients {tuple(gradients.shape)} must have one shape, "
            "(..., channels, height, width)."
        )


@register("CAM", kind="head", units="logits", source="Zhou et al., CVPR 2016")
def cam(activations: Tensor, weights: Tensor) -> Tensor:
    """Class activation map: what each cell contributes to the logit of a network that ends conv -> GAP -> linear.

    M_c(i, j) = Σ_k w_k^c A^k_ij, in logits: mean_ij M_c + b_c = S_c. (Zhou et al. sum over the cells instead of taking
    the mean, so theirs is Σ_ij M_c = S_c; and they leave the bias out.)

    Args:
        activations: A (..., K, h, w) of the last convolutional layer, just what the average pooling sees
        weights: w^c (K,) or (..., K), the row of the linear layer for the target class

    Raises:
        ValueError: if there isn't one weight for each channel

    Source: Zhou, Khosla, Lapedriza, Oliva, Torralba, CVPR 2016, equations 1 and 2.

    >>> cam(torch.tensor([[[1.0, 3.0]], [[2.0, 0.0]]]), torch.tensor([1.0, -1.0]))
    tensor([[-1.,  3.]])
    """
    pairs = zip(weights.shape[-2::-1], activations.shape[-4::-1], strict=False)
    fits = weights.ndim > 0 and all(1 in pair or pair[0] == pair[1] for pair in pairs)
    if activations.ndim < 3 or not fits or weights.shape[-1] != activations.shape[-3]:
        raise ValueError(
            f"Activations {tuple(activations.shape)} have the shape (..., channels, height, width) and need one weight "
            f"for each channel, but the weights are {tuple(weights.shape)}."
        )
    return (weights[..., None, None] * activations).sum(-3)


def neuron_importance(gradients: Tensor) -> Tensor:
    """Grad-CAM's weight of each channel: α_k^c = (1/Z) Σ_ij ∂S_c/∂A^k_ij, (..., K, h, w) -> (..., K).

    In logits per unit of activation. Source: Selvaraju et al., ICCV 2017, equation 1.

    >>> neuron_importance(torch.tensor([[[1.0, 3.0]]]))
    tensor([2.])
    """
    return gradients.mean((-2, -1))


@register("Grad-CAM", units="logits", source="Selvaraju et al., ICCV 2017")
def grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Gradient-weighted class activation map, before its ReLU.

    L(i, j) = Σ_k α_k^c A^k_ij with α_k^c = (1/Z) Σ_ij g^k_ij. On conv -> GAP -> linear, where g^k_ij = w_k^c / Z at
    each cell, L = M_c / Z: Σ_ij L + b_c = S_c. Elsewhere the average is an approximation and the sum is not the logit.

    Args:
        activations: A (..., K, h, w)
        gradients: g, the same shape

    Raises:
        ValueError: if the two shapes differ

    Source: Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, ICCV 2017, equations 1 and 2 (the ReLU of equation 2 is
    `steps.relu`).

    >>> A = torch.tensor([[[1.0, 3.0]]])
    >>> grad_cam(A, torch.tensor([[[1.0, 0.0]]]))  # paints the second cell although its gradient is 0
    tensor([[0.5000, 1.5000]])
    """
    _same_shape(activations, gradients)
    return cam(activations, neuron_importance(gradients))


@register("HiResCAM", units="logits", source="Draelos & Carin, 2020")
def hires_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM without the averaging: Σ_k g^k_ij A^k_ij.

    Exact for a linear head, also a flattened one: Σ_ij map + b_c = S_c, and each cell is what the logit loses when the
    cell is set to 0. Equal to Grad-CAM after any head that starts with global average pooling.

    Args and Raises: as `grad_cam`. Source: Draelos & Carin, arXiv 2011.08891 (2020).

    >>> hires_cam(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[1.0, 0.0]]]))
    tensor([[1., 0.]])
    """
    _same_shape(activations, gradients)
    return (gradients * activations).sum(-3)


@register("Grad-CAM++", units="logits", source="Chattopadhay et al., WACV 2018")
def grad_cam_plus_plus(activations: Tensor, gradients: Tensor, epsilon: float = 0.0) -> Tensor:
    """Grad-CAM with weights that count positive gradients only, each by a closed-form share.

    w_k = Σ_ij a^k_ij ReLU(g^k_ij) with a^k_ij = (g^k_ij)² / (2 (g^k_ij)² + Σ_ab A^k_ab (g^k_ij)³), and 0/0 = 0.
    On GAP + linear the weight is ReLU(w_k) / (2 + w_k mean A^k): not in proportion to w_k, so this is no
    generalization of CAM.

    Args and Raises: as `grad_cam`; `epsilon` is added to the denominator, as other implementations do (1e-6 or 1e-7:
    where gradients are small it outweighs 2g²).
    Source: Chattopadhay, Sarkar, Howlader, Balasubramanian, WACV 2018, equations 5 and 19.

    >>> grad_cam_plus_plus(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[1.0, 0.0]]]))
    tensor([[0.1667, 0.5000]])
    """
    _same_shape(activations, gradients)
    share = (activations.sum((-2, -1), keepdim=True) * gradients).add_(2)  # 1 / a, g² shortened; in place: it is large
    if epsilon:
        share += epsilon / gradients**2
    share.reciprocal_().nan_to_num_(nan=torch.nan, posinf=0, neginf=0)
    return cam(activations, share.mul_(gradients.clamp(min=0)).sum((-2, -1)))


@register("LayerCAM", units="logits", source="Jiang et al., TIP 2021")
def layer_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """HiResCAM with the positive gradients only: Σ_k ReLU(g^k_ij) A^k_ij.

    Made for early layers, where the sign of a cell's gradient changes from cell to cell.

    Args and Raises: as `grad_cam`. Source: Jiang, Zhang, Hou, Cheng, Wei, IEEE TIP 30 (2021), equations 5 to 7 (their
    outer ReLU is `steps.relu`).

    >>> layer_cam(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[1.0, -1.0]]]))
    tensor([[1., 0.]])
    """
    return hires_cam(activations, gradients.clamp(min=0))


@register("XGrad-CAM", units="logits", source="Fu et al., BMVC 2020")
def xgrad_cam(activations: Tensor, gradients: Tensor, epsilon: float = 0.0) -> Tensor:
    """Grad-CAM with each gradient weighed by its cell's share of the channel's activation.

    w_k = Σ_ij (A^k_ij / Σ_ab A^k_ab) g^k_ij. Then Σ_ij map = Σ_ij HiResCAM wherever Σ_ab A^k_ab isn't 0 (such a channel
    is left out).

    Args and Raises: as `grad_cam`; `epsilon` is added to Σ_ab A^k_ab, as other implementations do.
    Source: Fu, Hu, Dong, Guo, Gao, Li, BMVC 2020, equation 8.

    >>> xgrad_cam(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[1.0, 0.0]]]))
    tensor([[0.2500, 0.7500]])
    """
    _same_shape(activations, gradients)
    total = activations.sum((-2, -1)) + epsilon
    agreement = (gradients * activations).sum((-2, -1))
    return cam(activations, torch.where(total != 0, agreement / torch.where(total != 0, total, 1), 0))
