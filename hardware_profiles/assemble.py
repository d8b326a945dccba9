"""From raw samples to a HardwareProfile: statistics, fit, held-out error, warnings. Measures nothing."""

import numpy as np

from greenfront.hardware_profiles.calibration import Row, fit
from greenfront.hardware_profiles.cost import Cost
from greenfront.hardware_profiles.fingerprint import Fingerprint
from greenfront.hardware_profiles.jobs import MemoryAnswer, ProfileAnswer
from greenfront.hardware_profiles.profile import HardwareProfile
from greenfront.hardware_profiles.records import (
    Calibration,
    CalibrationPlan,
    OperationCost,
    PredictionError,
    Timing,
)
from greenfront.hardware_profiles.target import Target
from greenfront.hardware_profiles.trust import (
    condition_warnings,
    memory_warnings,
    prediction_warnings,
    timing_warnings,
)
from greenfront.spaces import Plan


def assemble(
    target: Target, fingerprint: Fingerprint, answer: ProfileAnswer, memory: MemoryAnswer, seed: int
) -> HardwareProfile:
    """The profile that these raw measurements make."""
    latency = Timing.of(answer.original.samples_ms, seed=seed)
    sums = HardwareProfile(
        target=target,
        fingerprint=fingerprint,
        conditions=answer.conditions,
        model=answer.model,
        original=Cost(
            latency_ms=latency.interval_ms,
            peak_memory_mb=memory.peak_memory_mb,
            size_mb=answer.original.weight_bytes / 1e6,
            parameters=answer.original.parameters,
            flops=answer.original.flops,
        ),
        original_latency=latency,
        operations=tuple(
            OperationCost(
                group=raw.group,
                settings=raw.settings,
                latency=Timing.of(raw.samples_ms, seed=seed),
                chain=raw.chain,
                inner=raw.inner,
                parameters=raw.parameters,
                bytes=raw.bytes,
                flops=raw.flops,
            )
            for raw in answer.operations
        ),
        sites=answer.sites,
        calibration=Calibration(1.0, 0.0, ()),
        error=None,
        warnings=(),
    )
    calibration = _calibrate(sums, answer, seed)
    error = _held_out_error(calibration)
    warnings = (
        *condition_warnings(target, fingerprint, answer.conditions),
        *timing_warnings("the original", latency),
        *memory_warnings(memory),
        *prediction_warnings(calibration, error),
    )
    parts = {**vars(sums), "calibration": calibration, "error": error, "warnings": warnings}
    return HardwareProfile(**{name: parts[name] for name in HardwareProfile.__dataclass_fields__})


def _calibrate(sums: HardwareProfile, answer: ProfileAnswer, seed: int) -> Calibration:
    """Fit on the plans for it, and predict all of them."""
    original_ms = sums.original.latency_ms.median
    timings = [Timing.of(raw.samples_ms, seed=seed) for raw in answer.plans]
    rows = [
        Row(*sums.changes(Plan(raw.plan)), timing.interval_ms.median)
        for raw, timing in zip(answer.plans, timings, strict=True)
    ]
    found = fit(original_ms, [row for row, raw in zip(rows, answer.plans, strict=True) if not raw.held_out])
    return Calibration(
        slope=found.slope,
        per_call_ms=found.per_call_ms,
        plans=tuple(
            CalibrationPlan(raw.plan, raw.held_out, timing, found.predict(original_ms, row.change_ms, row.calls))
            for raw, timing, row in zip(answer.plans, timings, rows, strict=True)
        ),
    )


def _held_out_error(calibration: Calibration) -> PredictionError | None:
    errors = [plan.relative_error for plan in calibration.plans if plan.held_out]
    return PredictionError(float(np.median(errors)), max(errors), len(errors)) if errors else None
