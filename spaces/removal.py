"""What remains of a linear's inputs when whole heads or neurons go, made up for by least squares on calibration data.

Units (heads, neurons) are sorted by importance: `sum over examples of (dL/dmask)^2` (Kwon et al. 2022, 2204.09656,
section 4.1; the diagonal of the Fisher information of a mask on the unit's output) or `mean |dL/dmask|` (Michel et al.
2019, 1905.10650, section 4.1). The weights of the units kept then take over what they can of those removed (Kwon et
al., section 4.3): `W' = W S[:, K] S[K, K]^-1` minimises `E |W x - W' x_K|^2`, with S the second moment of the inputs,
centred where a bias takes the mean. Sorted, with `S = L L^T`, the kept are a leading block and

    W' = (W L)[:, :n] L[:n, :n]^-1,    W x - W' x_K  has the second moment  sum over j >= n of (W L)_j (W L)_j^T

so that one Cholesky factor serves every n, and the second-order loss of every n is a sum over columns.

Dimension letters: U units, I inputs, O outputs, N inputs kept.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from greenfront.spaces.factorization import with_ridge
from greenfront.spaces.reduced import features


@dataclass(frozen=True)
class Removal:
    """How to remove any number of units from the inputs of one linear, the least important first."""

    order: Tensor
    """The units (U), the most important first."""
    factor: Tensor
    """L of the sorted inputs, packed."""
    mean: Tensor
    """The inputs' mean (I) in sorted order; zeros where the linear has no bias to take it."""
    removal_loss: Tensor
    """The nats (U + 1) float64 lost by keeping 0..U units."""
    weighted: Tensor | None = None
    """W L (O x I) of the linear itself, which spares a product; None in libraries of earlier versions."""

    @property
    def unit(self) -> int:
        """Inputs per unit."""
        return len(self.mean) // len(self.order)

    def sorted_inputs(self) -> Tensor:
        """All inputs (I), the most important unit's first."""
        return features(self.order, self.unit, len(self.order))

    def reconstruct(self, weight: Tensor, count: int) -> Tensor:
        """Weights (O x N) on the inputs of the `count` best units that come closest to `weight` (O x I) on all."""
        kept, inputs = count * self.unit, len(self.mean)
        root, weight = unpack(self.factor)[:inputs, :kept], weight.float()[:, self.sorted_inputs()]
        # (W L)[:, :n] L[:n, :n]^-1, without the product that the inverse undoes again; solved for what has fewer rows.
        gone, below = weight[:, kept:], root[kept:]
        few = len(below) < len(weight)
        solved = _times_inverse(below if few else gone @ below, root[:kept])
        return weight[:, :kept] + (gone @ solved if few else solved)

    def reconstruct_own(self, weight: Tensor, count: int) -> Tensor:
        """`reconstruct` of the linear's own weights (O x I), in fewer products where many go."""
        kept, (outputs, inputs) = count * self.unit, weight.shape
        gone = inputs - kept
        # Multiplications by the number of inputs kept: half of each triangle, and what is gone by the solution.
        if self.weighted is None or kept * outputs / 2 > kept * min(gone, outputs) / 2 + outputs * gone:
            return self.reconstruct(weight, count)
        return self._solved(self.weighted[:, :kept])

    def _solved(self, right: Tensor) -> Tensor:
        """`right` (O x N) times L[:N, :N]^-1, by the triangles of L where they stand."""
        half, rest = len(self.factor), right.shape[1] - len(self.factor)
        first, last, below = self.factor[:, 1 : half + 1].T, self.factor[:, :half], self.factor[:, half + 1 :]
        if rest <= 0:
            return _times_inverse(right, first[: right.shape[1], : right.shape[1]])
        second = _times_inverse(right[:, half:], last[:rest, :rest])
        return torch.cat([_times_inverse(right[:, :half] - second @ below[:rest], first), second], dim=1)

    def mean_output(self, weight: Tensor, reconstructed: Tensor) -> Tensor:
        """What the mean output (O) loses when `reconstructed` (O x N) stands for `weight` (O x I)."""
        mean = torch.empty_like(self.mean).index_copy(0, self.sorted_inputs(), self.mean)
        return weight.float() @ mean - reconstructed @ self.mean[: reconstructed.shape[1]]


def removal(
    weight: Tensor, inputs: Tensor, mean: Tensor, gradients: Tensor, mask_gradients: Tensor, unit: int, importance: str
) -> Removal:
    """Prepare the removal of inputs of a linear `weight` (O x I).

    `inputs` (I x I) is their second moment, centred unless `mean` (I) is zero; `gradients` (O x O) that of the loss's
    gradients with respect to the outputs; `mask_gradients` (examples x I) each example's gradients with respect to a
    mask on the inputs.
    """
    of_units = mask_gradients.double().unflatten(1, (-1, unit)).sum(2)
    scores = of_units.abs().mean(0) if importance == "michel" else of_units.square().sum(0)
    order = scores.argsort(descending=True, stable=True)
    chosen = features(order, unit, len(order))
    root = torch.linalg.cholesky(with_ridge(inputs.double())[chosen][:, chosen])
    weighted = weight.double()[:, chosen] @ root
    lost = 0.5 * ((gradients.double() @ weighted) * weighted).sum(0).clamp(min=0).unflatten(0, (-1, unit)).sum(1)
    loss = torch.cat([lost.flip(0).cumsum(0).flip(0), torch.zeros(1, dtype=torch.float64)])
    return Removal(order, pack(root.float()), mean[chosen].float(), loss, weighted.float())


def _times_inverse(right: Tensor, lower: Tensor) -> Tensor:
    """(O x N) times the inverse of a lower triangle (N x N)."""
    solved: Tensor = torch.linalg.solve_triangular(lower, right, upper=False, left=False)
    return solved


def pack(lower: Tensor) -> Tensor:
    """A lower triangular matrix (I x I) without its zeros, (I/2 x I + 1): two triangles side by side, and a square.

    The first is turned over its diagonal, so that the other fits beside it (LAPACK's rectangular full packed format).
    Where I is odd, a row and a column of zeros are attached.
    """
    odd = len(lower) % 2
    lower = F.pad(lower, (0, odd, 0, odd))
    half = len(lower) // 2
    triangles = torch.zeros(half, half + 1, dtype=lower.dtype)
    triangles[:, 1:] = lower[:half, :half].T
    triangles[:, :half] += lower[half:, half:]
    return torch.cat([triangles, lower[half:, :half]], dim=1)


def unpack(packed: Tensor) -> Tensor:
    """Inverse of `pack`, but for the row and the column of zeros; above the diagonal stands what no solver reads."""
    half = len(packed)
    lower = packed.new_empty(2 * half, 2 * half)
    lower[:half, :half] = packed[:, 1 : half + 1].T
    lower[:half, half:] = 0
    lower[half:, half:] = packed[:, :half]
    lower[half:, :half] = packed[:, half + 1 :]
    return lower
