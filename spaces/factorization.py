"""Low-rank factorization of a linear layer under a two-sided weighting, computed once for every rank.

Dimension letters: O outputs, I inputs, R rank. With `S = E[x x^T]` over a layer's inputs (centred where a bias
can absorb the mean) and `G = E[g g^T]` over the gradients of the loss with respect to its outputs (the
Kronecker-factored Fisher of the layer, Martens & Grosse 2015), the best `W'` of rank R minimises

    1/2 tr(G (W - W') S (W - W')^T)

which is the second-order loss in nats. With `G = R R^T`, `S = L L^T`: `W' = R^-T [R^T W L]_R L^-1`.
`S = I` or `G = I` give the input-weighted (DRONE, SVD-LLM) and the plain decomposition.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

RIDGE = 1e-4
"""Added to both moments, as a share of their mean diagonal: they are singular on small calibration sets."""
FLOOR = 1e-30
"""Stands for zero where it would be divided by, so that weights or gradients of zero get finite factors."""


@dataclass(frozen=True)
class Spectrum:
    """A factorization for every rank: `up[:, :r] @ down[:r]` is the best of rank r.

    `up` (O x R) and `down` (R x I) float32; `loss` (R + 1) float64, the nats lost by keeping r = 0..R components.
    Balanced: column i of `up` is as long as row i of `down`. Raw factors (`R^-T U s` and `V^T L^-1`) are so badly
    scaled that they do not survive fine-tuning.
    """

    up: Tensor
    down: Tensor
    loss: Tensor


def factorize(
    weight: Tensor,
    inputs: Tensor,
    gradients: Tensor,
    rank: int,
    *,
    weigh_inputs: bool = True,
    weigh_outputs: bool = True,
) -> Spectrum:
    """Factor `weight` (O x I) for every rank up to `rank`.

    `inputs` is the second moment S, (I x I) or (I,) where it is diagonal (an embedding's one-hot inputs);
    `gradients` is G (O x O). Both always price the loss, and weigh the decomposition where asked to.
    """
    weight, inputs, gradients = weight.double(), with_ridge(inputs.double()), with_ridge(gradients.double())
    root_out = torch.linalg.cholesky(gradients) if weigh_outputs else None  # R, lower triangular
    scaled = root_out.T @ weight if root_out is not None else weight  # R^T W, (O x I)
    if weigh_inputs:
        root_in = torch.linalg.cholesky(inputs) if inputs.dim() == 2 else inputs.sqrt()
        weighted = scaled @ root_in if inputs.dim() == 2 else scaled * root_in  # R^T W L
    else:
        weighted = scaled
    # Eigenvectors of the smaller Gram matrix instead of an SVD: several times faster, and float64 has room for it.
    if weight.shape[0] <= weight.shape[1]:
        left = _leading(weighted @ weighted.T, rank)
        down = left.T @ scaled  # U^T R^T W = s V^T L^-1
        up = left if root_out is None else torch.linalg.solve_triangular(root_out.T, left, upper=True)
    else:
        right = _leading(weighted.T @ weighted, rank)
        down = right.T
        if weigh_inputs:
            down = (
                torch.linalg.solve_triangular(root_in.T, right, upper=True).T
                if inputs.dim() == 2
                else right.T / root_in
            )
        up = weighted @ right  # R^T W L V = U s
        up = up if root_out is None else torch.linalg.solve_triangular(root_out.T, up, upper=True)
    up_length, down_length = up.norm(dim=0).clamp(min=FLOOR), down.norm(dim=1).clamp(min=FLOOR)
    share = (down_length / up_length).sqrt()
    up, down = up * share, down / share[:, None]
    return Spectrum(up.float(), down.float(), _losses(weight, up, down, inputs, gradients))


def _losses(weight: Tensor, up: Tensor, down: Tensor, inputs: Tensor, gradients: Tensor) -> Tensor:
    """1/2 tr(G E S E^T) of the error E = W - up_r down_r for r = 0..R, in one pass over Gram matrices.

    With a_i, b_i the components: tr(G W S W^T) - 2 sum_i a_i^T G W S b_i + sum_ij (a_i^T G a_j)(b_j^T S b_i).
    """
    weight_s = weight @ inputs if inputs.dim() == 2 else weight * inputs
    down_s = down @ inputs if inputs.dim() == 2 else down * inputs
    graded = gradients @ weight_s  # G W S
    whole = (graded * weight).sum()
    linear = ((up.T @ graded) * down).sum(1)
    pairs = (up.T @ gradients @ up) * (down_s @ down.T)
    quadratic = pairs.cumsum(0).cumsum(1).diagonal()
    zero = torch.zeros(1, dtype=torch.float64)
    return (0.5 * (whole - 2 * torch.cat([zero, linear.cumsum(0)]) + torch.cat([zero, quadratic]))).clamp(min=0)


def _leading(gram: Tensor, rank: int) -> Tensor:
    """Eigenvectors of the largest eigenvalues (N x R), largest first: the singular vectors of a Gram's factor."""
    vectors: Tensor = torch.linalg.eigh(gram).eigenvectors
    return vectors.flip(1)[:, :rank]


def with_ridge(moment: Tensor) -> Tensor:
    """A moment, (I x I) or (I,), with so much on its diagonal that it can be inverted."""
    if moment.dim() == 1:
        return moment + RIDGE * moment.mean()
    identity = torch.eye(len(moment), dtype=moment.dtype)
    ridge = RIDGE * max(float(moment.diagonal().mean()), FLOOR)
    # Rounding leaves inputs that never vary with a covariance slightly below zero.
    while ridge < math.inf and int(torch.linalg.cholesky_ex(moment + ridge * identity).info):
        ridge *= 10
    return moment + ridge * identity
