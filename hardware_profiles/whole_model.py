"""From a whole model's raw measurements to its Cost."""

import numpy as np

from greenfront.hardware_profiles.cost import Cost, derived
from greenfront.hardware_profiles.jobs import MemoryAnswer, RawModel
from greenfront.hardware_profiles.records import Timing
from greenfront.hardware_profiles.target import Target


def measured_cost(target: Target, raw: RawModel, memory: MemoryAnswer, *, seed: int) -> tuple[Cost, Timing]:
    """The cost of a measured model, and the samples its latency comes from.

    Raises:
        MeasureError: no samples, or one that isn't finite.
    """
    latency = Timing.of(raw.samples_ms, seed=seed)
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
