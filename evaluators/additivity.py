"""Additivity: whether two changes together lose as much as each alone, which allocations take for granted."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field
from transformers import PreTrainedModel

from greenfront.errors import PlanError
from greenfront.evaluators.json_record import Whole, strict
from greenfront.evaluators.recorded_pass import Batch
from greenfront.evaluators.replace_one import divergences
from greenfront.spaces import Library, Plan, Settings, Space, check_plan

Ratio = Annotated[float, Field(ge=0, allow_inf_nan=False)]
SINGLES, PAIRS = 8, 16
"""Random changes, and random pairs among them: 24 partial passes."""
LEAST_NATS = 1e-4
"""Changes that lose less are left out: they matter to no allocation, and rounding to them."""


@strict
@dataclass(frozen=True)
class Additivity:
    """KL of two changes together, as a multiple of the sum of each alone: 1 where losses add up.

    Attributes:
        pairs: how many pairs of changes it was measured on.
        examples: on how many examples.
        median, p95: of the multiples.
    """

    pairs: Whole
    examples: Whole
    median: Ratio
    p95: Ratio

    def __str__(self) -> str:
        """One line for the notes of a run."""
        return (
            f"losses of single changes, added up: two changes together lose {self.median:.2f} times the sum in the "
            f"median, {self.p95:.2f} at the 95th percentile ({self.pairs} random pairs, {self.examples} examples)"
        )


def additivity(
    model: PreTrainedModel,
    space: Space,
    library: Library,
    losses: Mapping[str, Sequence[float]],
    batches: Sequence[Batch],
    *,
    seed: int,
    weights: Sequence[float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Additivity | None:
    """Measure it on random pairs of changes at different sites; None where fewer than two changes lose anything.

    Both the pair and its single changes are scored by divergence on the same batches, fewer than `losses` (by
    choice.name), which say what is worth it.
    """
    rng = random.Random(seed)
    lossy: dict[str, list[Settings]] = {}
    for choice in space.choices:
        known = zip(choice.settings, losses[choice.name], strict=False)  # losses end with the original's
        lossy.setdefault(choice.site.path, []).extend(s for s, loss in known if LEAST_NATS <= loss < math.inf)
    sites = [path for path, settings in lossy.items() if settings]
    singles = [(path, rng.choice(lossy[path])) for path in rng.sample(sites, min(SINGLES, len(sites)))]
    every = [(i, j) for j in range(len(singles)) for i in range(j) if _together(model, singles[i], singles[j])]
    pairs = rng.sample(every, min(PAIRS, len(every)))
    if not pairs:
        return None
    plans = [Plan(dict([change])) for change in singles]
    plans += [Plan(dict([singles[i], singles[j]])) for i, j in pairs]
    found = divergences(model, plans, library, batches, weights=weights, progress=progress)
    alone, together = found[: len(singles)], found[len(singles) :]
    ratios = [
        both / (alone[i] + alone[j])
        for (i, j), both in zip(pairs, together, strict=True)
        if alone[i] + alone[j] >= LEAST_NATS and np.isfinite([alone[i], alone[j], both]).all()
    ]
    if not ratios:
        return None
    examples = sum(len(next(iter(batch.values()))) for batch in batches)
    return Additivity(len(ratios), examples, float(np.median(ratios)), float(np.quantile(ratios, 0.95)))


def _together(model: PreTrainedModel, one: tuple[str, Settings], other: tuple[str, Settings]) -> bool:
    """Whether a Plan may have both: nothing can be chosen in a block that is skipped, say."""
    try:
        check_plan(model, Plan(dict([one, other])))
    except PlanError:
        return False
    return True
