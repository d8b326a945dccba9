"""Additivity: whether two changes together lose as much as each alone, which allocations take for granted."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedModel

from greenfront.evaluators.recorded_pass import Batch
from greenfront.evaluators.replace_one import divergences
from greenfront.spaces import Library, Plan, Space

SINGLES, PAIRS = 8, 16
"""Random changes, and random pairs among them: 24 partial passes."""
NOISE_NATS = 1e-6
"""Changes that lose less are left out: float32 rounds that much away."""


@dataclass(frozen=True)
class Additivity:
    """KL of two changes together, as a multiple of the sum of each alone: 1 where losses add up.

    Attributes:
        pairs: how many pairs of changes it was measured on.
        examples: on how many examples.
        median, p95: of the multiples.
    """

    pairs: int
    examples: int
    median: float
    p95: float


def additivity(
    model: PreTrainedModel,
    space: Space,
    library: Library,
    batches: Sequence[Batch],
    *,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Additivity | None:
    """Measure it on random pairs of changes at different sites; None where fewer than two changes do anything.

    Both the pair and its single changes are scored by divergence on the same batches: closed-form losses, which a
    library predicts without a pass, are not on their scale.
    """
    rng = random.Random(seed)
    choices = list({choice.site.path: choice for choice in rng.sample(space.choices, len(space.choices))}.values())
    singles = [(choice.site.path, rng.choice(choice.settings)) for choice in choices[:SINGLES]]
    every = [(i, j) for j in range(len(singles)) for i in range(j)]
    pairs = rng.sample(every, min(PAIRS, len(every)))
    plans = [Plan(dict([change])) for change in singles]
    plans += [Plan(dict([singles[i], singles[j]])) for i, j in pairs]
    found = divergences(model, plans, library, batches, progress=progress)
    alone, together = found[: len(singles)], found[len(singles) :]
    ratios = [
        both / (alone[i] + alone[j])
        for (i, j), both in zip(pairs, together, strict=True)
        if min(alone[i], alone[j]) > NOISE_NATS and np.isfinite([alone[i], alone[j], both]).all()
    ]
    if not ratios:
        return None
    examples = sum(len(next(iter(batch.values()))) for batch in batches)
    return Additivity(len(ratios), examples, float(np.median(ratios)), float(np.quantile(ratios, 0.95)))
