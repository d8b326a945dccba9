"""A HardwareProfile: what every module costs on one target, and what that predicts for any plan."""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from greenfront.config import CostName
from greenfront.errors import ConfigError
from greenfront.hardware_profiles.calibration import Cached
from greenfront.hardware_profiles.cost import Cost, Interval, derived
from greenfront.hardware_profiles.fingerprint import Conditions, Fingerprint
from greenfront.hardware_profiles.operation_table import OperationTable, SiteChange
from greenfront.hardware_profiles.record_file import load_record, save_record
from greenfront.hardware_profiles.records import (
    Calibration,
    Interpolated,
    LargeBatch,
    OperationCost,
    PredictionError,
    Refused,
    SiteUse,
    Timing,
    operation_name,
    settings_key,
)
from greenfront.hardware_profiles.target import Target
from greenfront.spaces import Choice, Plan, Settings, Space
from greenfront.spaces.states import SiteStates

COUNTED = ("size_mb", "peak_memory_mb", "parameters", "flops")
"""Costs that don't follow from latency."""
LOWEST_SHARE = 0.01
"""Of the original's latency: no plan is predicted below."""


@dataclass(frozen=True)
class HardwareProfile:
    """Measured once per target, model and space; predicts the cost of every plan in the space.

    `operations` are single modules that were timed, `interpolated` settings between them, `refused` what the runtime
    can't run; `calibration` is what whole candidates said about the sum of operations, `large_batch` what they said
    about large queries, `error` how far off the prediction was on held-out candidates (None where the space has too
    few plans to hold any out).
    """

    target: Target
    fingerprint: Fingerprint
    conditions: Conditions
    model: str
    original: Cost
    original_latency: Timing
    operations: tuple[OperationCost, ...]
    interpolated: tuple[Interpolated, ...]
    refused: tuple[Refused, ...]
    sites: dict[str, SiteUse]
    calibration: Calibration
    error: PredictionError | None
    large_batch: LargeBatch
    warnings: tuple[str, ...]

    @cached_property
    def table(self) -> OperationTable:
        """The operations, for looking them up."""
        return OperationTable(self.operations, self.interpolated, self.refused, self.sites)

    def predict(self, plan: Plan) -> Cost:
        """The cost of a plan, as the original's plus the sum of its modules' changes.

        The latency of a small plan is less, by what caches save (`Cached`).

        Exact for parameters, bytes of tensors (the file's header aside) and FLOPs; where a method ties
        weights across modules (layerwise Linformer), parameters and bytes are upper bounds. Peak memory is
        the original's plus the change in weights: activations are taken to stay. The 90th percentile and energy change
        as latency does. The empty plan is the original as measured.

        Raises:
            PlanError: a module or setting this profile hasn't measured, or that the runtime refused.
        """
        if not plan:
            return self.original
        changes = self.table.changes(plan)
        latency = self._latency(changes)
        share = latency.median / self.original.latency_ms.median
        large = self.original.large_batch_latency_ms + sum(self._large_ms(change) for change in changes)
        bytes_mb = sum(change.bytes for change in changes) / 1e6
        return derived(
            self.target,
            latency_ms=latency,
            latency_p90_ms=self.original.latency_p90_ms * share,
            large_batch_latency_ms=max(large, LOWEST_SHARE * self.original.large_batch_latency_ms),
            peak_memory_mb=self.original.peak_memory_mb + bytes_mb,
            size_mb=self.original.size_mb + bytes_mb,
            parameters=self.original.parameters + sum(change.parameters for change in changes),
            flops=self.original.flops + sum(change.flops for change in changes),
            energy_j=self.original.energy_j * share,
            energy_source=self.original.energy_source,
        )

    def option_costs(self, choice: Choice, cost: CostName) -> list[float]:
        """What each of `choice.options` changes against the original (negative saves); the last is 0.0.

        Raises:
            PlanError: a site or setting this profile hasn't measured, or that the runtime refused.
            ConfigError: throughput, which is no sum.
        """
        _check_summed(cost)
        return [
            sum((self._value(change, cost) for change in self.table.changes({choice.site.path: settings})), 0.0)
            for settings in choice.options
        ]

    def setting_ms(self, path: str, settings: Settings) -> tuple[float, float]:
        """What settings at one module change of the latency, and half the 95% interval of that, of its samples alone.

        Raises:
            PlanError: a site or setting this profile hasn't measured, or that the runtime refused.
        """
        changes = self.table.changes({path: settings})
        noise_ms = math.hypot(*(self.calibration.slope * change.noise_ms for change in changes))
        return sum(self._ms(change) for change in changes), noise_ms

    def state_costs(self, site: SiteStates, cost: CostName) -> list[float]:
        """What each state of a site changes against the original; the sum over a plan's states is the plan's change.

        What the runtime refuses together, though not alone, costs infinitely much.

        Raises:
            PlanError: a site or setting this profile hasn't measured, or that the runtime refused.
            ConfigError: throughput, which is no sum.
        """
        _check_summed(cost)
        known = self._changed.get(site.path)
        if known is None or known[0] is not site:
            known = site, [self.table.change(site.path, state.effective, state.own) for state in site.states]
            self._changed[site.path] = known
        return [math.inf if change is None else self._value(change, cost) for change in known[1]]

    def summed_limit(self, cost: CostName, limit: float) -> float:
        """The limit on the original's cost plus a plan's summed changes that is as good as this one on its cost.

        They differ where caches make small plans faster than their changes sum to.
        """
        if cost in COUNTED or cost == "large_batch_latency_ms":
            return limit
        before = self.original.value(cost)
        return before * self._cached.summed(limit / before) if before > 0 else limit

    def runnable(self, space: Space) -> Space:
        """The space without the settings that the runtime refused."""
        return space.restrict(lambda choice, settings: self.table.refusal(choice.site.path, settings) is None)

    def check(self, fingerprint: Fingerprint) -> None:
        """Raise ConfigError, naming what differs, unless the profile was measured on this machine."""
        differences = self.fingerprint.differences(fingerprint)
        if differences:
            raise ConfigError(
                f"hardware {self.target.name!r}: its profile was measured on another machine "
                f"({'; '.join(differences)} here); measure again, or set `elsewhere: true` there (or give --elsewhere) "
                f"to predict what it costs on that machine, without measuring"
            )

    def check_target(self, target: Target) -> None:
        """Raise ConfigError, naming what differs, unless the profile is for this device and workload."""
        differences = self.target.differences(target)
        if differences:
            raise ConfigError(
                f"hardware {target.name!r}: its profile was measured with {'; '.join(differences)} here; "
                f"measure again, or set the target to what was measured"
            )

    def check_space(self, space: Space) -> None:
        """Raise ConfigError, naming the first module that differs, unless all of a space was measured."""
        where = f"the profile of {self.target.name!r} (of a {self.model})"
        for choice in space.choices:
            path = choice.site.path
            if path not in self.sites:
                raise ConfigError(f"{where} was measured on another model: it has no {path}")
            use = self.sites[path]
            if use.signature != choice.site.signature:
                raise ConfigError(
                    f"{where} was measured on another model: {path} is {choice.site.signature} here, "
                    f"but {use.signature} there"
                )
            missing = [settings for settings in choice.settings if use.parts(settings) is None]
            if missing:
                raise ConfigError(
                    f"{where} does not hold {settings_key(missing[0])} at {path}: "
                    f"it was measured with other options of the space, or for another sequence length"
                )

    def save(self, path: Path) -> None:
        """Write the profile as JSON, whole or not at all."""
        save_record(self, path)

    @staticmethod
    def load(path: Path) -> "HardwareProfile":
        """Read what `save` wrote; raises ConfigError for a file that can't be one."""
        profile = load_record(path, HardwareProfile, "a hardware profile")
        said, sampled = profile.original.latency_ms.median, profile.original_latency.interval_ms.median
        if not math.isclose(said, sampled, rel_tol=1e-4):
            rule = f"must be {sampled}, as in original_latency"
            raise ConfigError(f"{path}: original.latency_ms.median: {rule}, but got {said}")
        return profile

    @cached_property
    def _changed(self) -> dict[str, tuple[SiteStates, list[SiteChange | None]]]:
        """What states change, by site: every cost is asked for in turn."""
        return {}

    @cached_property
    def _cached(self) -> Cached:
        return Cached(self.calibration.cached_below, self.calibration.cached_gain)

    def _value(self, change: SiteChange, cost: CostName) -> float:
        """How much of a cost that sums one setting at one site changes."""
        if cost in ("size_mb", "peak_memory_mb"):  # memory by the weights
            return change.bytes / 1e6
        if cost == "parameters":
            return float(change.parameters)
        if cost == "flops":
            return float(change.flops)
        if cost == "large_batch_latency_ms":
            return self._large_ms(change)
        return self._ms(change) * self.original.value(cost) / self.original.latency_ms.median

    def _ms(self, change: SiteChange) -> float:
        """The calibrated change of latency."""
        per_call_ms = sum(self.calibration.per_call_ms[method] for method in change.methods)
        known = self.calibration
        if change.skipped:
            return known.skipped_slope * change.latency_ms + per_call_ms * change.calls
        instead_ms = known.slope * (change.latency_ms + change.replaced_ms) - known.replaced * change.replaced_ms
        return instead_ms + per_call_ms * change.calls

    def _large_ms(self, change: SiteChange) -> float:
        return self.large_batch.per_latency * self._ms(change) + self.large_batch.ms_per_gflop * change.flops / 1e9

    def _latency(self, changes: list[SiteChange]) -> Interval:
        """Three doubts, in quadrature: the original's samples, the operations' samples, the sum itself."""
        base = self.original.latency_ms
        summed = 1 + sum(self._ms(change) for change in changes) / base.median
        median = base.median * max(self._cached.share(summed), LOWEST_SHARE)
        # One operation is off by the same amount at all its sites; different operations are independent.
        noise: dict[str, float] = defaultdict(float)
        for change in changes:
            noise[operation_name(change.group, change.settings)] += self.calibration.slope * change.noise_ms
        shared = [*noise.values(), self.error.p95 * median if self.error else 0.0]
        share = median / base.median  # what slowed the machine slowed everything in proportion
        return Interval(
            median=median,
            low=max(median - math.hypot(*shared, share * (base.median - base.low)), 0.0),
            high=median + math.hypot(*shared, share * (base.high - base.median)),
        )


def _check_summed(cost: CostName) -> None:
    if cost == "throughput_per_s":
        raise ConfigError("throughput_per_s must be asked for as large_batch_latency_ms: rates don't add up")
