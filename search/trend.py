"""What further training makes of a score: from a rung of the ladder to the last one."""

import math
import statistics
from bisect import bisect_left, insort
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
        growing = GrowingTrend(rungs, original)
        for number, scores in enumerate(trials):
            growing.add(number, scores)
        return growing.trend()

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


class GrowingTrend:
    """The trend of trials that are added one by one, or again with further scores: a sum or two for each."""

    def __init__(self, rungs: int, original: float) -> None:
        self._original = original
        self._places = dict[int, int]()
        self._steps = [_Step() for _ in range(rungs - 1)]

    def add(self, number: int, scores: Sequence[Score]) -> None:
        """Take in a trial's scores on the rungs it has reached, lowest first, in the place of those known of it."""
        place = self._places.setdefault(number, len(self._places))
        pairs = [*pairwise(scores)]
        for step, known in enumerate(self._steps):
            known.put(place, self._original, pairs[step] if step < len(pairs) else None)

    def trend(self) -> Trend:
        """Of all of them."""
        divergence, shortfall = [1.0], list[float | None]([1.0])
        for step in reversed(self._steps):
            divergence.append(divergence[-1] * (statistics.median(step.ratios) if step.ratios else 1.0))
            following, before = shortfall[-1], sum(step.before)
            known = following is not None and before > 0
            shortfall.append(
                following * min(sum(step.after) / before, 1.0) if known and following is not None else None
            )
        return Trend(tuple(reversed(divergence)), tuple(reversed(shortfall)), self._original)


class _Step:
    """What became of trials from one rung to the next one. Sums are over trials in their order: whoever comes when, a
    search that goes on expects the same to the last digit."""

    def __init__(self) -> None:
        self.before, self.after = list[float](), list[float]()
        """By place: what the metric was below the original's, and is; zero for those that haven't taken the step."""
        self.ratios = list[float]()
        """Of the divergence, ascending."""
        self._ratio = dict[int, float]()

    def put(self, place: int, original: float, pair: tuple[Score, Score] | None) -> None:
        missing = place + 1 - len(self.before)
        self.before += [0.0] * missing
        self.after += [0.0] * missing
        if place in self._ratio:
            del self.ratios[bisect_left(self.ratios, self._ratio.pop(place))]
        self.before[place] = self.after[place] = 0.0
        if pair is None:
            return
        (low, nats), (high, fewer) = pair
        self.before[place], self.after[place] = max(original - low, 0.0), max(original - high, 0.0)
        if nats > 0 and fewer > 0:
            self._ratio[place] = fewer / nats
            insort(self.ratios, fewer / nats)
