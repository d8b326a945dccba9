"""From raw samples to a HardwareProfile: statistics, fit, held-out error, warnings. Measures nothing."""

from collections.abc import Mapping, Sequence

import numpy as np

from greenfront.hardware_profiles.calibration import LEAST_SHARE, Fit, Row, fit, fit_large_batch, prediction_error
from greenfront.hardware_profiles.cost import Cost
from greenfront.hardware_profiles.fingerprint import Fingerprint
from greenfront.hardware_profiles.jobs import LatencyAnswer, MemoryAnswer, ProfileAnswer, RawPlan, RawRounds
from greenfront.hardware_profiles.operation_table import OperationTable
from greenfront.hardware_profiles.profile import HardwareProfile
from greenfront.hardware_profiles.records import (
    Calibration,
    CalibrationPlan,
    LargeBatch,
    OperationCost,
    PredictionError,
    Timing,
    operation_name,
)
from greenfront.hardware_profiles.statistics import Round, across, ratio_interval, without_drift
from greenfront.hardware_profiles.target import Target
from greenfront.hardware_profiles.trust import (
    condition_warnings,
    memory_warnings,
    prediction_warnings,
    timing_warnings,
)
from greenfront.hardware_profiles.whole_model import measured_cost
from greenfront.spaces import Plan


def assemble(
    target: Target,
    fingerprint: Fingerprint,
    answer: ProfileAnswer,
    memory: MemoryAnswer,
    seed: int,
    further: Sequence[LatencyAnswer] = (),
) -> HardwareProfile:
    """The profile that these raw measurements make; `further` ones are other processes' of the same candidates."""
    original, latency = measured_cost(target, answer.original, memory, seed=seed)
    measured = answer.measured
    table = operation_table(measured, seed)
    calibration = calibrate(table, measured, latency.interval_ms.median, seed, [each.samples_ms for each in further])
    error = held_out_error(calibration.plans, latency.interval_ms.median)
    return HardwareProfile(
        target=target,
        fingerprint=fingerprint,
        conditions=answer.conditions,
        model=answer.model,
        original=original,
        original_latency=latency,
        operations=tuple(table.operations),
        interpolated=tuple(measured.interpolated),
        refused=tuple(measured.refused),
        sites=measured.sites,
        calibration=calibration,
        error=error,
        large_batch=_calibrate_large(table, calibration, answer, original, seed),
        warnings=(
            *condition_warnings(target, fingerprint, answer.conditions),
            *timing_warnings("the original", latency),
            *memory_warnings(memory),
            *prediction_warnings(calibration, error),
        ),
    )


def operation_table(measured: RawRounds, seed: int) -> OperationTable:
    """Every measured operation with its samples, what slowed the machine for a while taken out."""
    samples = without_drift([_arrays(each.operations_ms) for each in measured.rounds])
    operations = [
        OperationCost(
            group=raw.group,
            settings=raw.settings,
            latency=Timing.of(list(samples.get(operation_name(raw.group, raw.settings), ())), seed=seed),
            chain=raw.chain,
            inner=raw.inner,
            parameters=raw.parameters,
            bytes=raw.bytes,
            flops=raw.flops,
        )
        for raw in measured.operations
    ]
    return OperationTable(operations, measured.interpolated, measured.refused, measured.sites)


def calibrate(
    table: OperationTable,
    measured: RawRounds,
    original_ms: float,
    seed: int,
    further: Sequence[Mapping[str, Sequence[float]]] = (),
) -> Calibration:
    """Fit on all plans; a held-out one is predicted by a fit on the others, which has not seen it.

    Few plans are measured, and each is off by what its processes drew: fitted on ten of thirty, others are predicted to
    1.75% (standard deviation), on all but one to 1.35%. `further` are samples of the same by id, of other processes.
    """
    timings = _plan_timings([each.whole_ms for each in measured.rounds], measured.plans, original_ms, seed)
    timings = [
        _across(timing, original_ms, Plan(raw.plan).id, further, seed)
        for raw, timing in zip(measured.plans, timings, strict=True)
    ]
    rows = [
        summed_changes(table, Plan(raw.plan), timing.interval_ms.median)
        for raw, timing in zip(measured.plans, timings, strict=True)
    ]
    methods = sorted({method for use in measured.sites.values() for method in use.choices})
    found = fit(original_ms, rows, methods)
    predicted_ms = []
    for place, (row, raw) in enumerate(zip(rows, measured.plans, strict=True)):
        used = fit(original_ms, [*rows[:place], *rows[place + 1 :]], methods) if raw.held_out else found
        predicted_ms.append(used.beside * used.predict(original_ms, row))
    return Calibration(
        slope=found.slope,
        skipped_slope=found.skipped_slope,
        replaced_slope=found.replaced_slope,
        per_call_ms=dict(found.per_call_ms),
        plans=tuple(
            CalibrationPlan(raw.plan, raw.held_out, timing, predicted)
            for raw, timing, predicted in zip(measured.plans, timings, predicted_ms, strict=True)
        ),
        cached_below=found.cached.below,
        cached_gain=found.cached.gain,
        beside=found.beside,
    )


def summed_changes(table: OperationTable, plan: Plan, measured_ms: float) -> Row:
    """A plan's uncalibrated sums of latency changes, and how many calls of modules each method changes."""
    kept_ms, skipped_ms, replaced_ms, calls = 0.0, 0.0, 0.0, dict[str, int]()
    for change in table.changes(plan):
        if change.skipped:
            skipped_ms += change.latency_ms
        else:
            kept_ms += change.latency_ms
            replaced_ms += change.replaced_ms
        for method in change.methods:
            calls[method] = calls.get(method, 0) + change.calls
    return Row(kept_ms, calls, measured_ms, skipped_ms, replaced_ms)


def held_out_error(plans: Sequence[CalibrationPlan], original_ms: float) -> PredictionError | None:
    """Of the predictions for plans by fits that did not see them; None without any. See `records.PredictionError`."""
    pairs = [(plan.predicted_ms, plan.latency.interval_ms.median) for plan in plans if plan.held_out]
    return prediction_error(pairs, LEAST_SHARE * original_ms)


def _calibrate_large(
    table: OperationTable, calibration: Calibration, answer: ProfileAnswer, original: Cost, seed: int
) -> LargeBatch:
    """Fit large queries on the plans that are not held out, and predict all that were timed."""
    before_ms, base_ms = original.latency_ms.median, original.large_batch_latency_ms
    found = Fit(
        calibration.slope, calibration.per_call_ms, calibration.skipped_slope, replaced_slope=calibration.replaced
    )
    plans = [raw for raw in answer.measured.plans if Plan(raw.plan).id in answer.large_ms]
    timings = _plan_timings([answer.large_ms], plans, base_ms, seed)
    rows = []
    for raw, timing in zip(plans, timings, strict=True):
        plan = Plan(raw.plan)
        flops = sum(change.flops for change in table.changes(plan))
        small = summed_changes(table, plan, timing.interval_ms.median)
        rows.append((found.summed(small), flops / 1e9, timing.interval_ms.median))
    per_latency, per_gflop = fit_large_batch(
        base_ms, before_ms, [row for row, raw in zip(rows, plans, strict=True) if not raw.held_out]
    )
    checked = tuple(
        CalibrationPlan(raw.plan, raw.held_out, timing, base_ms + per_latency * row[0] + per_gflop * row[1])
        for raw, timing, row in zip(plans, timings, rows, strict=True)
    )
    return LargeBatch(per_latency, per_gflop, checked, held_out_error(checked, base_ms))


def _plan_timings(
    rounds: Sequence[Mapping[str, list[list[float]]]], plans: Sequence[RawPlan], original_ms: float, seed: int
) -> list[Timing]:
    """Of whole candidates, in proportion to the original: what slowed the machine for a while taken out of both."""
    samples = without_drift([_arrays(each) for each in rounds])
    scale = original_ms / float(np.median(samples["original"]))
    return [Timing.of(list(scale * samples[Plan(raw.plan).id]), seed=seed) for raw in plans]


def _across(
    timing: Timing, original_ms: float, id_: str, further: Sequence[Mapping[str, Sequence[float]]], seed: int
) -> Timing:
    """A candidate's timing over processes, the profile's own and further ones: a median of each, the last in proportion
    to the original there."""
    if not further:
        return timing
    ratios = [ratio_interval(samples_ms[id_], samples_ms["original"], seed=seed).median for samples_ms in further]
    medians = [timing.interval_ms.median, *(round(ratio * original_ms, 6) for ratio in ratios)]
    return Timing(across(medians, seed=seed), len(medians), tuple(medians))


def _arrays(samples_ms: Mapping[str, list[list[float]]]) -> Round:
    return {name: np.array(repetitions) for name, repetitions in samples_ms.items()}
