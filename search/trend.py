"""What further training makes of a score: from a rung of the ladder to the last one."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Score = tuple[float, float]
"""Metric on validation (higher is better) and divergence from the original (nats)."""


@dataclass(frozen=True)
class Trend:
    """Factors from every rung to the last: of the divergence, and of what the metric is below the original's.

    The divergence's is the product, over the steps from rung to rung, of the median ratio among trials that have both;
    a step that none has taken changes nothing. The metric's is a ratio of sums, as many differences are about zero;
    None where a step has not been taken.
    """

    divergence: tuple[float, ...]
    shortfall: tuple[float | None, ...]
    original: float

    @classmethod
    def of(cls, trials: Iterable[Sequence[Score]], rungs: int, original: float) -> "Trend":
        """From every trial's scores on the rungs it has reached, lowest first; `original`: the original's metric."""
        ratios: list[list[float]] = [[] for _ in range(rungs - 1)]
        before, after = [0.0] * (rungs - 1), [0.0] * (rungs - 1)
        for scores in trials:
            for step, ((low, nats), (high, fewer)) in enumerate(pairwise(scores)):
                before[step] += max(original - low, 0.0)
                after[step] += max(original - high, 0.0)
                if nats > 0 and fewer > 0:
                    ratios[step].append(fewer / nats)
        divergence, shortfall = [1.0], list[float | None]([1.0])
        for step in reversed(range(rungs - 1)):
            divergence.append(divergence[-1] * (statistics.median(ratios[step]) if ratios[step] else 1.0))
            following = shortfall[-1]
            known = following is not None and before[step] > 0
            shortfall.append(
                following * min(after[step] / before[step], 1.0) if known and following is not None else None
            )
        return cls(tuple(reversed(divergence)), tuple(reversed(shortfall)), original)

    def expected(self, rung: int, score: Score) -> tuple[float | None, float]:
        """The score that a trial with this one on a rung would have on the last; the metric None where nobody knows."""
        value, nats = score
        factor = self.shortfall[rung]
        metric = None if factor is None else self.original - factor * (self.original - value)
        return metric, nats * self.divergence[rung]

    def differs(self, other: "Trend", factor: float) -> bool:
        """Whether a divergence would be expected by this factor more or less than by another, or a metric by as much
        of its distance to the original's."""
        ratios = (max(a, b) / min(a, b) for a, b in zip(self.divergence, other.divergence, strict=True))
        gaps = (
            math.inf if a is None or b is None else abs(a - b)
            for a, b in zip(self.shortfall, other.shortfall, strict=True)
            if a != b
        )
        return max(ratios) > factor or max(gaps, default=0.0) > factor - 1
