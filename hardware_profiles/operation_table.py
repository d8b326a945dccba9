"""Looking up what a setting at a site changes: measured, or between two measured settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from greenfront.errors import PlanError
from greenfront.hardware_profiles.records import (
    Interpolated,
    OperationCost,
    PlainSettings,
    Refused,
    SiteUse,
    settings_key,
)
from greenfront.spaces import Settings


@dataclass(frozen=True)
class SiteChange:
    """What one method's setting changes at one site in a forward pass of the whole model, before calibration."""

    group: str
    settings: PlainSettings
    method: str
    calls: int
    latency_ms: float
    noise_ms: float
    """Half the interval of `latency_ms`, from the samples of the operations."""
    parameters: int
    bytes: int
    flops: int


@dataclass(frozen=True)
class OperationTable:
    """All operations of a profile by group and settings."""

    operations: Sequence[OperationCost]
    interpolated: Sequence[Interpolated]
    refused: Sequence[Refused]
    sites: Mapping[str, SiteUse]

    def latency_ms(self, group: str, settings: Settings) -> float:
        """Of one call; raises KeyError for what this table hasn't."""
        return sum(weight * operation.latency.interval_ms.median for operation, weight in self._parts(group, settings))

    def changes(self, path: str, settings: Settings) -> list[SiteChange]:
        """What settings change at a site, one entry for each method among them.

        Raises:
            PlanError: a site or setting that wasn't measured, or that the runtime refused.
        """
        use = self.sites.get(path)
        if use is None:
            raise PlanError(f"{path}: not among the {len(self.sites)} modules of this profile")
        parts = use.parts(settings)
        if parts is None:
            offered = ", ".join(settings_key(option) for options in use.choices.values() for option in options)
            raise PlanError(f"{path}: settings must be of {offered}, but got {settings_key(settings)}")
        return [self._change(path, use, method, part) for method, part in parts.items()]

    def refusal(self, path: str, part: Settings) -> str | None:
        """Why the runtime refused one method's setting at a site; None where it didn't."""
        return self._refused.get((path, settings_key(part)))

    def _change(self, path: str, use: SiteUse, method: str, part: PlainSettings) -> SiteChange:
        reason = self.refusal(path, part)
        if reason is not None:
            raise PlanError(f"{path}: the runtime refuses {settings_key(part)}: {reason}")
        new, old = self._holding(use.group, part), self._holding(use.group, {})
        latency_ms = self.latency_ms(use.group, part) - self.latency_ms(use.group, {})
        return SiteChange(
            group=use.group,
            settings=part,
            method=method,
            calls=use.calls,
            latency_ms=use.calls * latency_ms,
            noise_ms=use.calls * self._noise_ms(use.group, part),
            parameters=new.parameters - old.parameters,
            bytes=new.bytes - old.bytes,
            flops=use.calls * (new.flops - old.flops),
        )

    def _noise_ms(self, group: str, part: Settings) -> float:
        """The measured operations' half intervals in quadrature, each as far as it enters."""
        entering = [*self._parts(group, part), *self._parts(group, {})]
        widths = [(operation.latency.interval_ms, weight) for operation, weight in entering]
        squares = [(weight * (interval.high - interval.low) / 2) ** 2 for interval, weight in widths]
        return float(sum(squares) ** 0.5)

    def _parts(self, group: str, settings: Settings) -> list[tuple[OperationCost, float]]:
        """The measured operations that a setting's latency comes from, and their weights."""
        entry = self._entries[group, settings_key(settings)]
        if isinstance(entry, OperationCost):
            return [(entry, 1.0)]
        below, above = (self._entries[group, settings_key(each)] for each in (entry.below, entry.above))
        assert isinstance(below, OperationCost)
        assert isinstance(above, OperationCost)
        return [(below, 1 - entry.share), (above, entry.share)]

    def _holding(self, group: str, settings: Settings) -> OperationCost | Interpolated:
        return self._entries[group, settings_key(settings)]

    @cached_property
    def _entries(self) -> dict[tuple[str, str], OperationCost | Interpolated]:
        entries: list[OperationCost | Interpolated] = [*self.operations, *self.interpolated]
        return {(entry.group, settings_key(entry.settings)): entry for entry in entries}

    @cached_property
    def _refused(self) -> dict[tuple[str, str], str]:
        return {(entry.site, settings_key(entry.settings)): entry.reason for entry in self.refused}
