"""A HardwareProfile: what every module costs on one target, and what that predicts for any plan."""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from greenfront.config import CostName
from greenfront.errors import ConfigError, MeasureError, PlanError
from greenfront.hardware_profiles.cost import Cost, Interval
from greenfront.hardware_profiles.fingerprint import Conditions, Fingerprint
from greenfront.hardware_profiles.record_file import load_record, save_record
from greenfront.hardware_profiles.records import (
    Calibration,
    OperationCost,
    PlainSettings,
    PredictionError,
    SiteUse,
    Timing,
    settings_key,
)
from greenfront.hardware_profiles.target import Target
from greenfront.spaces import Choice, Plan, Settings, Space


@dataclass(frozen=True)
class Change:
    """What one setting at one site changes against the original module, in the whole model."""

    operation: str
    latency_ms: float
    noise_ms: float
    """Half the interval of `latency_ms`, from the samples of the two operations."""
    parameters: int
    bytes: int
    flops: int

    def value(self, cost: CostName) -> float:
        """The change of the cost called `cost`; memory changes by the bytes of the weights."""
        if cost in ("size_mb", "peak_memory_mb"):
            return self.bytes / 1e6
        return float(getattr(self, cost))


@dataclass(frozen=True)
class HardwareProfile:
    """Measured once per target, model and space; predicts the cost of every plan in the space.

    `operations` are single modules, `calibration` what whole candidates said about their sum, `error` how far
    off the prediction was on held-out candidates (None where the space has too few plans to hold any out).
    """

    target: Target
    fingerprint: Fingerprint
    conditions: Conditions
    model: str
    original: Cost
    original_latency: Timing
    operations: tuple[OperationCost, ...]
    sites: dict[str, SiteUse]
    calibration: Calibration
    error: PredictionError | None
    warnings: tuple[str, ...]

    def predict(self, plan: Plan) -> Cost:
        """The cost of a plan, as the original's plus the sum of its modules' changes.

        Exact for parameters, bytes of tensors (the file's header aside) and FLOPs; where a method ties
        weights across modules (layerwise Linformer), parameters and bytes are upper bounds. Peak memory is
        the original's plus the change in weights: activations are taken to stay. The empty plan is the
        original as measured.

        Raises:
            PlanError: a module or setting this profile hasn't measured.
        """
        if not plan:
            return self.original
        changes = [change for path, settings in plan.items() for change in self._changes(path, settings)]
        bytes_mb = sum(change.bytes for change in changes) / 1e6
        return Cost(
            latency_ms=self._latency(changes),
            peak_memory_mb=self.original.peak_memory_mb + bytes_mb,
            size_mb=self.original.size_mb + bytes_mb,
            parameters=self.original.parameters + sum(change.parameters for change in changes),
            flops=self.original.flops + sum(change.flops for change in changes),
        )

    def option_costs(self, choice: Choice, cost: CostName) -> list[float]:
        """What each of `choice.options` changes against the original (negative saves); the last is 0.0.

        Raises:
            PlanError: a site or setting this profile hasn't measured.
        """
        return [
            sum((change.value(cost) for change in self._changes(choice.site.path, settings)), 0.0)
            for settings in choice.options
        ]

    def check(self, fingerprint: Fingerprint) -> None:
        """Raise MeasureError, naming what differs, unless the profile was measured on this machine."""
        differences = self.fingerprint.differences(fingerprint)
        if differences:
            raise MeasureError(
                f"the profile of {self.target.name!r} was measured on another machine "
                f"({'; '.join(differences)} here); measure again, or run where it was measured"
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
        return load_record(path, HardwareProfile, "a hardware profile")

    def changes(self, plan: Plan) -> tuple[float, int]:
        """The plan's uncalibrated sum of latency changes in ms, and how many calls of modules it changes."""
        total, calls = 0.0, 0
        for path, settings in plan.items():
            use, parts = self._use(path, settings)
            calls += use.calls * len(parts)
            total += sum(use.calls * self._raw_change(use.group, part) for part in parts)
        return total, calls

    def _changes(self, path: str, settings: Settings) -> list[Change]:
        use, parts = self._use(path, settings)
        return [self._change(use, part) for part in parts]

    def _change(self, use: SiteUse, part: PlainSettings) -> Change:
        new, old = self._operation(use.group, part), self._operation(use.group, {})
        slope, widths = self.calibration.slope, (new.latency.interval_ms, old.latency.interval_ms)
        return Change(
            operation=f"{use.group} {settings_key(part)}",
            latency_ms=use.calls * (slope * self._raw_change(use.group, part) + self.calibration.per_call_ms),
            noise_ms=use.calls * slope * math.hypot(*((width.high - width.low) / 2 for width in widths)),
            parameters=new.parameters - old.parameters,
            bytes=new.bytes - old.bytes,
            flops=use.calls * (new.flops - old.flops),
        )

    def _latency(self, changes: list[Change]) -> Interval:
        """Three doubts, in quadrature: the original's samples, the operations' samples, the sum itself."""
        base = self.original.latency_ms
        median = max(base.median + sum(change.latency_ms for change in changes), 0.01 * base.median)
        # One operation is off by the same amount at all its sites; different operations are independent.
        noise: dict[str, float] = defaultdict(float)
        for change in changes:
            noise[change.operation] += change.noise_ms
        shared = [*noise.values(), self.error.worst * median if self.error else 0.0]
        share = median / base.median  # what slowed the machine slowed everything in proportion
        return Interval(
            median=median,
            low=max(median - math.hypot(*shared, share * (base.median - base.low)), 0.0),
            high=median + math.hypot(*shared, share * (base.high - base.median)),
        )

    def _raw_change(self, group: str, part: PlainSettings) -> float:
        new, old = self._operation(group, part), self._operation(group, {})
        return new.latency.interval_ms.median - old.latency.interval_ms.median

    def _use(self, path: str, settings: Settings) -> tuple[SiteUse, list[PlainSettings]]:
        use = self.sites.get(path)
        if use is None:
            raise PlanError(f"{path}: not among the {len(self.sites)} modules of this profile")
        parts = use.parts(settings)
        if parts is None:
            offered = ", ".join(settings_key(option) for options in use.choices.values() for option in options)
            raise PlanError(f"{path}: settings must be of {offered}, but got {settings_key(settings)}")
        return use, parts

    def _operation(self, group: str, settings: Settings) -> OperationCost:
        return self._table[group, settings_key(settings)]

    @cached_property
    def _table(self) -> dict[tuple[str, str], OperationCost]:
        return {(operation.group, settings_key(operation.settings)): operation for operation in self.operations}
