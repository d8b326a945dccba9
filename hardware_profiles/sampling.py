"""The timing loop: every variant once per repetition, in a fresh random order, until medians are known."""

import gc
import math
import random
import statistics as plain
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from greenfront.hardware_profiles.statistics import median_interval, relative_half_width

MINIMUM_SAMPLE_MS = 1.0
"""A short operation's sample is as many passes as last this long, so that reading the clock doesn't show."""
LEAD_IN_MS, LONG_MS = 12.0, 40.0
"""Untimed passes before a sample last so long, or a pass; passes longer than the second need none. A model that fits
into the caches gets them back in ten passes, not in one: decision 16."""
CHECK_EVERY = 4
FEW, FEW_SECONDS = 8, 0.1
"""Samples of each variant, at least, in one of several processes, and how long it is warmed up there, at most."""

Run = Callable[[], Any]
"""One forward pass on fixed inputs: returns the outputs, perhaps before the device has finished them."""
Progress = Callable[[int, int], None]
Clock = Callable[[], int]


@dataclass(frozen=True)
class Variant:
    """Something to be timed: a chain of runs that is passed through `inner` times a sample.

    `lead_in`: untimed passes come right before every sample, as in a process that answers one query of this one model
    after another; without them the sample begins with the caches as another variant left them. Long passes do without.
    `before`: run untimed before every pass, as what comes between two passes where the variant is a part of something.
    `times`: samples in a repetition, more for what others are compared with.
    """

    name: str
    chain: tuple[Run, ...]
    inner: int = 1
    lead_in: bool = False
    times: int = 1
    before: Run | None = None


@dataclass(frozen=True)
class Schedule:
    """When sampling ends: after `minimum` repetitions, once `seconds` are over or all intervals are narrow.

    Narrow: the watched variants' medians are known to `tolerance` (half the 95% interval over the median).
    """

    minimum: int
    seconds: float
    tolerance: float = 0.01


def warm_up(
    variant: Variant,
    synchronize: Callable[[], None],
    seconds: float = 1.0,
    clock_ns: Clock = time.perf_counter_ns,
) -> float:
    """Pass through a variant until it is stable, and return the milliseconds a pass takes.

    Stable: the median of the last three passes is within 5% of that of the three before. Ends unstable after
    20 passes or `seconds`, whichever comes first, but not before 3 passes, or one that is longer than `LONG_MS`.
    """
    times: list[float] = []
    deadline = clock_ns() + seconds * 1e9
    while len(times) < 20 and (len(times) < (1 if _is_long(times[:1]) else 3) or clock_ns() < deadline):
        times.append(_sample(variant, 1, synchronize, clock_ns))
        if len(times) >= 6:
            last, before = plain.median(times[-3:]), plain.median(times[-6:-3])
            if abs(last - before) <= 0.05 * before:
                break
    return plain.median(times[-3:])


def inner_passes(pass_ms: float) -> int:
    """How many passes a sample of an operation holds."""
    return max(1, math.ceil(MINIMUM_SAMPLE_MS / max(pass_ms, 1e-6)))


def interleave(
    variants: Sequence[Variant],
    schedule: Schedule,
    *,
    watched: Sequence[str],
    seed: int,
    synchronize: Callable[[], None],
    progress: Progress | None = None,
    clock_ns: Clock = time.perf_counter_ns,
) -> dict[str, list[float]]:
    """Raw samples of every variant in ms per single run of its chain, in the order of the repetitions.

    A repetition holds a variant's `times` samples: where that is 1, sample i is from repetition i.
    """
    rng = random.Random(seed)
    samples: dict[str, list[float]] = {variant.name: [] for variant in variants}
    order = [variant for variant in variants for _ in range(variant.times)]
    start = clock_ns()
    repetition, planned = 0, schedule.minimum
    gc.collect()
    gc.disable()
    try:
        while True:
            rng.shuffle(order)
            for variant in order:
                if variant.before is not None:
                    _sample(variant, 1, synchronize, clock_ns)
                if variant.lead_in and not _is_long(samples[variant.name]):
                    _lead_in(variant, synchronize, clock_ns)
                took = _sample(variant, variant.inner, synchronize, clock_ns)
                samples[variant.name].append(took / variant.inner / len(variant.chain))
            repetition += 1
            elapsed = (clock_ns() - start) / 1e9
            if repetition == 1:
                planned = max(schedule.minimum, math.floor(schedule.seconds / max(elapsed, 1e-6)))
            if progress is not None:
                progress(min(repetition, planned), planned)
            if repetition >= schedule.minimum and (
                elapsed * (repetition + 1) / repetition > schedule.seconds
                or (repetition % CHECK_EVERY == 0 and _narrow(samples, watched, schedule.tolerance))
            ):
                return samples
    finally:
        gc.enable()


def time_in_turn(
    variants: Sequence[Variant],
    schedule: Schedule,
    seed: int,
    synchronize: Callable[[], None],
    progress: Progress | None = None,
    *,
    warm_seconds: float = 1.0,
) -> dict[str, list[float]]:
    """Warm all up, each so long at most, then samples as of `interleave`, all of them watched."""
    for variant in variants:
        warm_up(variant, synchronize, warm_seconds)
    names = [variant.name for variant in variants]
    return interleave(variants, schedule, watched=names, seed=seed, synchronize=synchronize, progress=progress)


def _sample(variant: Variant, inner: int, synchronize: Callable[[], None], clock_ns: Clock) -> float:
    """Milliseconds of `inner` passes through the chain, the device's work included."""
    if variant.before is None:
        return _timed(variant.chain, inner, synchronize, clock_ns)
    total_ms = 0.0
    for _ in range(inner):
        variant.before()
        total_ms += _timed(variant.chain, 1, synchronize, clock_ns)
    return total_ms


def _timed(chain: Sequence[Run], passes: int, synchronize: Callable[[], None], clock_ns: Clock) -> float:
    synchronize()
    start = clock_ns()
    for _ in range(passes):
        for run in chain:
            run()
    synchronize()
    return (clock_ns() - start) / 1e6


def _lead_in(variant: Variant, synchronize: Callable[[], None], clock_ns: Clock) -> None:
    spent_ms = 0.0
    while spent_ms < LEAD_IN_MS:
        spent_ms += _sample(variant, 1, synchronize, clock_ns)


def _is_long(samples: Sequence[float]) -> bool:
    return bool(samples) and samples[-1] > LONG_MS


def _narrow(samples: dict[str, list[float]], watched: Sequence[str], tolerance: float) -> bool:
    return all(
        relative_half_width(median_interval(samples[name], seed=0, resamples=200)) <= tolerance for name in watched
    )
