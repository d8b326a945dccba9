"""Medians with bootstrap intervals: the only statistics a latency is reported with."""

from collections.abc import Sequence

import numpy as np

from greenfront.errors import MeasureError
from greenfront.hardware_profiles.cost import Interval

LEVEL = 0.95
RESAMPLES = 1000


def median_interval(
    samples: Sequence[float], *, seed: int, level: float = LEVEL, resamples: int = RESAMPLES
) -> Interval:
    """The median of `samples` with its percentile-bootstrap interval (Efron 1979), same seed, same result.

    Raises:
        MeasureError: no samples, or one that isn't finite.
    """
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise MeasureError(f"a median needs one or more finite samples, but got {list(samples)[:5]}")
    rng = np.random.default_rng(seed)
    medians = np.median(values[rng.integers(0, values.size, (resamples, values.size))], axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(medians, (tail, 1 - tail))
    median = float(np.median(values))
    return Interval(median, min(float(low), median), max(float(high), median))


def ratio_interval(samples: Sequence[float], baseline: Sequence[float], *, seed: int) -> Interval:
    """The median of the ratios `samples[i] / baseline[i]`: what slows both at the same time cancels.

    Raises:
        MeasureError: the two differ in length, or a baseline that isn't above zero.
    """
    if len(samples) != len(baseline) or any(value <= 0 for value in baseline):
        raise MeasureError(
            f"ratios need as many positive baselines as samples, but got {len(samples)} and {len(baseline)}"
        )
    return median_interval([a / b for a, b in zip(samples, baseline, strict=True)], seed=seed)


def relative_half_width(interval: Interval) -> float:
    """Half the interval's width over its median; 0 for a median of 0."""
    return (interval.high - interval.low) / 2 / interval.median if interval.median else 0.0


def drift(samples: Sequence[float]) -> float:
    """How much the median of the last third differs from that of the first third, as a share of the first."""
    third = len(samples) // 3
    if third == 0:
        return 0.0
    first, last = float(np.median(samples[:third])), float(np.median(samples[-third:]))
    return (last - first) / first
