"""Calibrating the sum of operations on whole candidates: the fit, and how far off it is elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from greenfront.hardware_profiles.records import PredictionError
from greenfront.hardware_profiles.statistics import kendall_tau

# What is known before: relative errors of measured candidates, how far the slope is from 1, and how much of the
# original's latency a changed call costs beyond its operation, each as a standard deviation.
_NOISE, _SLOPE, _SKIPPED_SLOPE, _PER_CALL = 0.01, 0.1, 0.2, 0.003
_IN_PROPORTION = 0.1
"""The median error up to which large queries are taken to change as latency does."""


@dataclass(frozen=True)
class Row:
    """A plan: the sum of its operations' changes, the calls that each method changes, and what it took.

    `skipped_ms` is the part of the change that is of skipped blocks, and stands in `change_ms` no more.
    """

    change_ms: float
    calls: Mapping[str, int]
    measured_ms: float
    skipped_ms: float = 0.0


@dataclass(frozen=True)
class Fit:
    """predicted = original + slope x change + sum over methods of per_call_ms x calls; see `records.Calibration`."""

    slope: float
    per_call_ms: Mapping[str, float]
    skipped_slope: float = 1.0

    def predict(self, original_ms: float, change_ms: float, calls: Mapping[str, int], skipped_ms: float = 0.0) -> float:
        """Milliseconds of a plan."""
        summed_ms = self.slope * change_ms + self.skipped_slope * skipped_ms
        return original_ms + summed_ms + sum(self.per_call_ms[name] * n for name, n in calls.items())


def fit(original_ms: float, rows: Sequence[Row], methods: Sequence[str]) -> Fit:
    """Least squares on relative errors, drawn towards a slope of 1 and nothing per call (ridge, Hoerl & Kennard 1970).

    The constant is what an operation alone can't show: what a runtime fuses, or shares between layers, in the whole
    model. It is per call and method, not per plan, which would break the sum that the search's solver needs. Skipped
    blocks have a slope of their own: a block alone takes longer than in the model, all in all and at any speed. Without
    rows the operations stand as they were measured.
    """
    weights = np.array([1 / row.measured_ms for row in rows])
    columns = [
        [row.change_ms for row in rows],
        [row.skipped_ms for row in rows],
        *([float(row.calls.get(name, 0)) for row in rows] for name in methods),
    ]
    features = np.array(columns).reshape(len(columns), len(rows)).T * weights[:, None]
    prior = np.array([1.0, 1.0, *(0.0 for _ in methods)])
    spread = np.array([_SLOPE, _SKIPPED_SLOPE, *(_PER_CALL * original_ms for _ in methods)])
    wanted = np.array([row.measured_ms - original_ms for row in rows]) * weights - features @ prior
    inverse = np.diag((_NOISE / spread) ** 2)
    solution = prior + np.linalg.solve(features.T @ features + inverse, features.T @ wanted)
    slope, skipped_slope, *per_call = map(float, solution)
    return Fit(slope, dict(zip(methods, per_call, strict=True)), skipped_slope)


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


def prediction_error(pairs: Sequence[tuple[float, float]]) -> PredictionError | None:
    """Of (predicted, measured) latencies; None without any."""
    if not pairs:
        return None
    predicted, measured = np.array(pairs).T
    errors = np.abs(predicted - measured) / measured
    median, p95 = np.quantile(errors, (0.5, 0.95))
    tau = kendall_tau(list(predicted), list(measured))
    return PredictionError(float(median), float(p95), float(errors.max()), tau, len(pairs))
