"""The few examples that settings and elements are scored on."""

import numpy as np
import torch
from numpy.typing import NDArray

from greenfront.evaluators import Examples, batches
from greenfront.evaluators.examples import Indices
from greenfront.evaluators.strata import strata, uncertainty

SOME_EXAMPLES, LEAST_EXAMPLES, SOME_TOKENS = 64, 16, 10_000
"""How many there are, and the tokens beyond which there are fewer."""
BATCH, BATCH_TOKENS = 32, 2048


def some_batches(examples: Examples, *, seed: int, most: int = BATCH) -> list[dict[str, torch.Tensor]]:
    """Inputs of up to `SOME_EXAMPLES` random examples, fewer where they are long, grouped by length, `most` in a batch.

    Small batches are faster where texts are long: at 512 tokens 4 to 8 at a time take 60% of what 32 do, as less is
    padded and more stays in the cache.
    """
    order = np.random.default_rng(seed).permutation(len(examples))
    return _cut(examples.subset(order[: _affordable(examples, order)]), most)


def telling_batches(
    examples: Examples, logits: NDArray[np.float32] | None, *, seed: int, most: int = BATCH, count: int | None = None
) -> tuple[list[dict[str, torch.Tensor]], list[float]]:
    """Inputs of a few examples, and how many examples each one of a batch stands for.

    `count` of them, by default as many as `some_batches` takes, are drawn by how unsure the original is of each
    (`strata`), which its rows (P, C) tell; evenly where these aren't kept.
    """
    if count is None:
        count = _affordable(examples, np.random.default_rng(seed).permutation(len(examples)))
    uncertain = np.ones(len(examples)) if logits is None else uncertainty(logits, examples)
    found, weights = [], []
    for stratum in strata(uncertain, count, seed=seed):
        cut = _cut(examples.subset(stratum.indices), most)
        found += cut
        weights += [stratum.weight] * len(cut)
    return found, weights


def _affordable(examples: Examples, order: Indices) -> int:
    """How many examples of this order are compared on."""
    few = np.cumsum(examples.lengths[order]) <= SOME_TOKENS
    return min(len(examples), SOME_EXAMPLES, max(LEAST_EXAMPLES, int(few.sum())))


def _cut(chosen: Examples, most: int) -> list[dict[str, torch.Tensor]]:
    """Their inputs, grouped by length."""
    longest = int(chosen.lengths.max(initial=1))
    return [chosen.batch(indices) for indices in batches(chosen, max(1, min(most, BATCH_TOKENS // longest)))]
