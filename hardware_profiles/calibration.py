"""Calibrating the sum of operations on whole candidates: the fit, and how far off it is elsewhere."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from greenfront.hardware_profiles.records import PredictionError
from greenfront.hardware_profiles.statistics import kendall_tau
from greenfront.spaces import METHODS
from greenfront.spaces.approximation import AttentionMethod

# What is known before: relative errors of measured candidates, how far the slope is from 1, and how much of the
# original's latency a changed call costs beyond its operation, each as a standard deviation.
_NOISE, _SLOPE, _REPLACED_SLOPE, _SKIPPED_SLOPE = 0.01, 0.1, 0.05, 0.2
_ORIGINAL = 0.01
"""Of the original's latency: what it is off by itself, measured in as many processes as every plan."""
_PER_CALL = (0.001, 0.0003)
"""The last one is left to the data: a few methods at most calls are told apart by ten plans, seven methods aren't."""
_APPROXIMATED = 0.005
"""The same of an approximated attention, whatever the others': it is timed with its projections, which the runtime then
fuses in another way, and priced without them."""
LEAST_SHARE = 0.05
"""Of the original's latency: what takes less counts as if it took this, or plans of almost nothing would decide."""
_CACHED = ((0.0, 0.0), *itertools.product((0.2, 0.3, 0.4), (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)))
"""Shares of the original's latency below which a plan may be found to stay in the caches, and what it gains by that."""
_DOUBT = 1.5
"""Of a gain by caches: it has to save a third of the squared errors, or it would follow the noise of few plans."""
_IN_PROPORTION = 0.1
"""The median error up to which large queries are taken to change as latency does."""


@dataclass(frozen=True)
class Row:
    """A plan: the sum of its operations' changes, the calls that each method changes, and what it took.

    `skipped_ms` is the part of the change that is of skipped blocks, and stands in `change_ms` no more; `replaced_ms`
    is what took the modules of `change_ms` before.
    """

    change_ms: float
    calls: Mapping[str, int]
    measured_ms: float
    skipped_ms: float = 0.0
    replaced_ms: float = 0.0


@dataclass(frozen=True)
class Cached:
    """What plans gain whose weights stay in the caches from query to query, as those of the original don't.

    A plan of less than `below` of the original's latency, by the sum of its operations, takes less than the sum says:
    by a share that grows to `gain` at half of `below`. So what is faster by the sum is faster.
    """

    below: float = 0.0
    gain: float = 0.0

    def share(self, summed: float) -> float:
        """Of the original's latency: that of a plan whose operations sum to the share `summed`."""
        if summed >= self.below or not self.gain:
            return summed
        return summed * (1 - self.gain * min(2 - 2 * summed / self.below, 1.0))

    def elasticity(self, summed: float) -> float:
        """By how many per cent a plan's latency changes where its sum changes by one."""
        place = summed / self.below if self.gain else 1.0
        if not 0.5 < place < 1:
            return 1.0
        return (1 - 2 * self.gain + 4 * self.gain * place) / (1 - 2 * self.gain + 2 * self.gain * place)

    def summed(self, share: float) -> float:
        """The inverse of `share`."""
        if share >= self.below or not self.gain:
            return share
        if share <= (1 - self.gain) * self.below / 2:
            return share / (1 - self.gain)
        square, linear = 2 * self.gain / self.below, 1 - 2 * self.gain
        return 2 * share / (linear + math.sqrt(linear**2 + 4 * square * share))


@dataclass(frozen=True)
class Fit:
    """predicted = original - replaced_slope x what operations took + slope x what they take instead + sum over methods
    of per_call_ms x calls, but for what is `cached`.

    See `records.Calibration`.
    """

    slope: float
    per_call_ms: Mapping[str, float]
    skipped_slope: float = 1.0
    cached: Cached = Cached()
    beside: float = 1.0
    """Times what is predicted took the plans that were measured beside this original: it is off as a plan is, and alone
    what all others are compared with. Another measurement draws anew, so predictions don't have it."""
    replaced_slope: float = 1.0

    def predict(self, original_ms: float, plan: Row) -> float:
        """Milliseconds of a plan, whatever was measured of it."""
        return original_ms * self.cached.share(1 + self.summed(plan) / original_ms)

    def summed(self, plan: Row) -> float:
        """The change by the sum of a plan's operations, in milliseconds."""
        instead_ms = self.slope * (plan.change_ms + plan.replaced_ms) - self.replaced_slope * plan.replaced_ms
        per_call_ms = sum(self.per_call_ms[name] * n for name, n in plan.calls.items())
        return instead_ms + self.skipped_slope * plan.skipped_ms + per_call_ms


def fit(original_ms: float, rows: Sequence[Row], methods: Sequence[str]) -> Fit:
    """Least squares on relative errors, drawn towards a slope of 1 and nothing per call (ridge, Hoerl & Kennard 1970).

    The constant is what an operation alone can't show: what a runtime fuses, or shares between layers, in the whole
    model. It is per call and method, not per plan, which would break the sum that the search's solver needs. What
    operations took has a slope beside that of what they take instead: of a plan of a tenth of the latency nearly all is
    replaced, so that a hundredth of what was there is a tenth of what is left. Skipped blocks have another: a block
    alone takes longer than in the model, all in all and at any speed. By how
    much the original came out too fast or too slow is told by all plans together (`Fit.beside`). How
    much a call may cost, and from where on caches hold a plan, is what predicts each plan best from the others. Without
    rows operations stand as measured.
    """
    tried = [_Ridge(original_ms, rows, methods, Cached(*cached)) for cached in _CACHED]
    ridge, per_call = min(itertools.product(tried, _PER_CALL), key=lambda pair: pair[0].left_out(pair[1]))
    slope, replaced_slope, skipped_slope, off, *calls = map(float, ridge.solved(per_call))
    return Fit(slope, dict(zip(methods, calls, strict=True)), skipped_slope, ridge.cached, 1 + off, replaced_slope)


class _Ridge:
    """The fit of sums to what plans would take without the caches."""

    def __init__(self, original_ms: float, rows: Sequence[Row], methods: Sequence[str], cached: Cached) -> None:
        self.cached, self._original_ms = cached, original_ms
        groups = [METHODS[name].group if name in METHODS else "" for name in methods]
        self._approximates = np.array([group == AttentionMethod.group for group in groups], dtype=bool)
        summed = [original_ms * cached.summed(row.measured_ms / original_ms) for row in rows]
        self._features, wanted = _relative(original_ms, rows, summed, methods)
        self._prior = np.array([1.0, 1.0, 1.0, 0.0, *(0.0 for _ in methods)])
        self._wanted = wanted - self._features @ self._prior
        self._elasticity = np.array([cached.elasticity(summed_ms / original_ms) for summed_ms in summed])

    def solved(self, per_call: float) -> NDArray[np.float64]:
        """Slopes, what the original is off by, relative, and what a call of each method costs, (4 + methods)."""
        return self._prior + np.linalg.solve(self._normal(per_call), self._features.T @ self._wanted)

    def left_out(self, per_call: float) -> float:
        """The sum of squared errors of each plan, predicted from the others, times the doubt of a gain by caches.

        A left-out error is that of the fit to all, over one minus the plan's leverage (Allen 1974, PRESS). Errors
        of sums are made into those of latencies, or gains would be compared on scales of their own.
        """
        inverse = np.linalg.inv(self._normal(per_call))
        errors = self._wanted - self._features @ (inverse @ (self._features.T @ self._wanted))
        leverage = np.einsum("rf,fg,rg->r", self._features, inverse, self._features)
        return float(np.sum((self._elasticity * errors / (1 - leverage)) ** 2)) * (_DOUBT if self.cached.gain else 1.0)

    def _normal(self, per_call: float) -> NDArray[np.float64]:
        calls_ms = self._original_ms * np.where(self._approximates, _APPROXIMATED, per_call)
        spread = np.array([_SLOPE, _REPLACED_SLOPE, _SKIPPED_SLOPE, _ORIGINAL, *calls_ms])
        normal: NDArray[np.float64] = self._features.T @ self._features + np.diag((_NOISE / spread) ** 2)
        return normal


def _relative(
    original_ms: float, rows: Sequence[Row], summed_ms: Sequence[float], methods: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features (rows, 4 + methods) and changes (rows) of latency, both over what the plan takes."""
    weights = np.array([1 / max(taken_ms, LEAST_SHARE * original_ms) for taken_ms in summed_ms])
    columns = [
        [row.change_ms + row.replaced_ms for row in rows],
        [-row.replaced_ms for row in rows],
        [row.skipped_ms for row in rows],
        summed_ms,
        *([float(row.calls.get(name, 0)) for row in rows] for name in methods),
    ]
    features = np.array(columns).reshape(len(columns), len(rows)).T * weights[:, None]
    return features, (np.array(summed_ms) - original_ms) * weights


def fit_large_batch(
    original_ms: float, latency_ms: float, rows: Sequence[tuple[float, float, float]]
) -> tuple[float, float]:
    """How the change of a large query follows from those of latency (ms) and of work (GFLOP): neither below 0.

    In proportion to latency, where that is right to 10% in the median of the plans: on a processor it is to 4%, and
    two numbers fitted to five plans are off by twice as much at the 95th percentile. Elsewhere, where small queries
    leave a device idle, both are fitted on relative errors.

    Args:
        original_ms, latency_ms: the original's large query, and its latency.
        rows: of each plan, the change of its predicted latency, that of its work, and its measured large query.
    """
    in_proportion = original_ms / latency_ms
    if not rows:
        return in_proportion, 0.0
    changes, measured = np.array([row[:2] for row in rows]), np.array([row[2] for row in rows])
    errors = np.abs(original_ms + in_proportion * changes[:, 0] - measured) / measured
    if np.median(errors) <= _IN_PROPORTION:
        return in_proportion, 0.0
    (per_latency, per_work), _ = nnls(changes / measured[:, None], (measured - original_ms) / measured)
    return float(per_latency), float(per_work)


def prediction_error(pairs: Sequence[tuple[float, float]], least: float = 0.0) -> PredictionError | None:
    """Of (predicted, measured) latencies; None without any. What measures less than `least` is compared with that."""
    if not pairs:
        return None
    predicted, measured = np.array(pairs).T
    errors = np.abs(predicted - measured) / np.maximum(measured, least)
    median, p95 = np.quantile(errors, (0.5, 0.95))
    tau = kendall_tau(list(predicted), list(measured))
    return PredictionError(float(median), float(p95), float(errors.max()), tau, len(pairs))
