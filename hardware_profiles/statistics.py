"""Medians, and means of processes' medians, with bootstrap intervals: all that a latency is reported with."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from greenfront.errors import MeasureError
from greenfront.hardware_profiles.cost import Interval

LEVEL = 0.95
RESAMPLES = 1000
_POLISHES = 3

Round = Mapping[str, NDArray[np.float64]]
"""Samples in ms by what was timed, each (repetitions, samples in a repetition), of repetitions that held the same."""


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


def across(processes: Sequence[float], *, seed: int, level: float = LEVEL) -> Interval:
    """The mean of what several processes found, with its bootstrap interval over them (Efron 1979).

    The percentiles are those of few values: expanded as Student's t is against the normal distribution, which gives
    them the coverage that four processes deserve (Hesterberg 2015, 1411.5279, section 5.3).

    Raises:
        MeasureError: no process, or a value that isn't finite.
    """
    values = np.asarray(processes, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise MeasureError(f"a mean needs one or more finite values, but got {list(processes)[:5]}")
    mean, count = float(values.mean()), values.size
    if count == 1:
        return Interval(mean, mean, mean)
    tail = float(ndtr(np.sqrt(count / (count - 1)) * stdtrit(count - 1, (1 - level) / 2)))
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, count, (RESAMPLES, count))].mean(axis=1)
    low, high = np.quantile(means, (tail, 1 - tail))
    middle = float(np.median(values))  # within, too: it is what a reader checks an interval with
    return Interval(mean, min(float(low), mean, middle), max(float(high), mean, middle))


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


def without_drift(rounds: Sequence[Round]) -> dict[str, NDArray[np.float64]]:
    """All samples by name, each divided by how slow its repetition was for everything.

    What slows a machine down does so for seconds at a time. A repetition's slowness is the median of its samples over
    their own medians, scaled to be 1 in the usual repetition; both kinds of median are polished in turn (Tukey 1977).
    Of 41 whole models timed in turn, the median of 30 samples was known to 0.7% without this, to 0.4% with it.
    """
    slowness = [np.ones(len(next(iter(samples.values())))) for samples in rounds]
    for _ in range(_POLISHES):
        medians = {name: np.median(samples) for name, samples in _divided(rounds, slowness).items()}
        relative = [[samples / medians[name] for name, samples in timed.items()] for timed in rounds]
        found = [np.median(np.concatenate(columns, axis=1), axis=1) for columns in relative]
        slowness = [values / np.median(np.concatenate(found)) for values in found]
    return _divided(rounds, slowness)


def _divided(rounds: Sequence[Round], slowness: Sequence[NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Samples by name, in the order taken, each over the slowness of its repetition."""
    samples: dict[str, list[NDArray[np.float64]]] = {}
    for timed, values in zip(rounds, slowness, strict=True):
        for name, taken in timed.items():
            samples.setdefault(name, []).append((taken / values[:, None]).ravel())
    return {name: np.concatenate(parts) for name, parts in samples.items()}


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """How alike two sequences order the same things, from -1 to 1 (Kendall 1938, tau-a); 1 for a single thing."""
    if len(first) < 2:
        return 1.0
    pairs = np.triu_indices(len(first), 1)
    orders = [np.sign(np.subtract.outer(values, values))[pairs] for values in (np.asarray(first), np.asarray(second))]
    return float(np.mean(orders[0] * orders[1]))
