"""From a whole model's raw measurements, in one process or several, to its Cost."""

from collections.abc import Sequence

import numpy as np

from greenfront.hardware_profiles.cost import Cost, derived
from greenfront.hardware_profiles.jobs import MemoryAnswer, RawModel
from greenfront.hardware_profiles.records import Timing
from greenfront.hardware_profiles.statistics import across
from greenfront.hardware_profiles.target import Target


def measured_cost(
    target: Target, raw: RawModel, memory: MemoryAnswer, *, further_ms: Sequence[Sequence[float]] = (), seed: int
) -> tuple[Cost, Timing]:
    """The cost of a measured model, and the samples its latency comes from.

    `further_ms`: samples that other processes took of the same model.

    Raises:
        MeasureError: no samples, or one that isn't finite.
    """
    latency = timing_across([raw.samples_ms, *further_ms], seed=seed)
    cost = derived(
        target,
        latency_ms=latency.interval_ms,
        latency_p90_ms=float(np.quantile(latency.samples_ms, 0.9, method="higher")),
        large_batch_latency_ms=float(np.median(raw.large_samples_ms)),
        peak_memory_mb=memory.peak_memory_mb,
        size_mb=raw.deployed_bytes / 1e6,
        parameters=raw.parameters,
        flops=raw.flops,
        energy_j=raw.energy_j,
        energy_source=raw.energy_source,
    )
    return cost, latency


def timing_across(processes_ms: Sequence[Sequence[float]], *, seed: int) -> Timing:
    """The samples of all processes, one after the other, with the mean of their medians."""
    timings = [Timing.of(samples_ms, seed=seed) for samples_ms in processes_ms]
    if len(timings) == 1:
        return timings[0]
    together = tuple(sample for timing in timings for sample in timing.samples_ms)
    return Timing(across([timing.interval_ms.median for timing in timings], seed=seed), len(together), together)
