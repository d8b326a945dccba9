"""Models trained from the same weights with the same seed on different data, merged by averaging their parameters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from greenfront.errors import PlanError
from greenfront.search.training_state import Weights


def average(weights: Sequence[Weights], shares: Sequence[float]) -> Weights:
    """`sum_i share_i theta_i` by key, the shares scaled to 1: Branch-Train-Merge's merge (Li et al. 2022, 2208.03306,
    section 2.2), with the sizes of the shards as shares.

    Models are as `to_arrays` gives them: int16 are bits of bfloat16. What isn't a number that trains (positions, seeds)
    must be the same in all. Sums are in float64.

    Raises:
        PlanError: no models, not one positive share for each, or models of other keys, shapes or constants.
    """
    if not weights or len(weights) != len(shares) or min(shares) <= 0:
        raise PlanError(f"models to average must have a positive share each, but {len(weights)} have {list(shares)}")
    first = weights[0]
    for other in weights[1:]:
        different = [name for name in {*first, *other} if _shape(first, name) != _shape(other, name)]
        if different:
            raise PlanError(f"models to average must be of one plan, but they differ in {', '.join(sorted(different))}")
    scaled = np.asarray(shares, dtype=np.float64) / sum(shares)
    return {name: _average(name, [each[name] for each in weights], scaled) for name in first}


def _shape(weights: Weights, name: str) -> object:
    return (weights[name].shape, weights[name].dtype) if name in weights else None


def _average(name: str, arrays: Sequence[NDArray[Any]], shares: NDArray[np.float64]) -> NDArray[Any]:
    first = arrays[0]
    if all(np.array_equal(first, other) for other in arrays[1:]):  # frozen, or no number that trains
        return first
    if first.dtype == np.int16:
        halves = [torch.from_numpy(np.array(each)).view(torch.bfloat16).double().numpy() for each in arrays]
        merged = torch.from_numpy(np.tensordot(shares, halves, axes=1)).bfloat16()
        return merged.view(torch.int16).numpy()
    if not np.issubdtype(first.dtype, np.floating):
        raise PlanError(f"models to average must have the same {name}, which is no parameter")
    total = np.zeros(first.shape, dtype=np.float64)
    for share, each in zip(shares, arrays, strict=True):
        total += share * each.astype(np.float64)
    return total.astype(first.dtype)
