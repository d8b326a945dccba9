"""Hypervolume and additive epsilon of what a search has found so far, by moocore, on one normalisation for all.

Both objectives are logarithms between an ideal and a reference point: to halve a divergence, or a latency, is worth as
much wherever it is done. The archive is unbounded: every feasible plan scored counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from states import Numbers


@dataclass(frozen=True)
class Scale:
    """The corners of what counts, each (divergence in nats, latency in ms): at or beyond `worst` nothing is gained."""

    best: tuple[float, float]
    worst: tuple[float, float]

    def normalised(self, points: Numbers) -> Numbers:
        """Points (N, 2) with 0 at the best corner and 1 at the worst."""
        low, high = np.log(self.best), np.log(self.worst)
        scaled: Numbers = (np.log(np.maximum(points, 1e-12)) - low) / (high - low)
        return scaled

    def hypervolume(self, points: Numbers) -> float:
        """The share of the box between the corners that points (N, 2) dominate; beyond the best corner is cut off."""
        inside = np.clip(self.normalised(points), 0.0, 1.0)
        return float(moocore.hypervolume(inside, ref=[1.0, 1.0])) if len(inside) else 0.0

    def epsilon(self, points: Numbers, front: Numbers) -> float:
        """By how much, on the normalised scales, points (N, 2) have to be better to cover a front (M, 2)."""
        if not len(points):
            return 1.0
        clipped = np.clip(self.normalised(points), 0.0, 1.0)
        return float(moocore.epsilon_additive(clipped, ref=np.clip(self.normalised(front), 0.0, 1.0)))


def curve(scale: Scale, points: Numbers, counts: Sequence[int]) -> Numbers:
    """The hypervolume of the first n points, for each n of `counts` (they rise)."""
    found, kept = [], np.zeros((0, 2))
    taken = 0
    for count in counts:
        fresh = points[taken:count]
        taken = max(taken, count)
        kept = np.vstack([kept, fresh])
        if len(kept):
            kept = np.asarray(moocore.filter_dominated(kept))
        found.append(scale.hypervolume(kept))
    return np.array(found)
