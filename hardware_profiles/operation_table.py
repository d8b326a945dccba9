"""Looking up what a plan's settings change: measured, or between measured settings and sizes.

What settings at one place make smaller elsewhere changes there. A module that holds others of the table (an attention
its projections, a layer everything) is priced without them, so that nothing counts twice.
"""

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
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
from greenfront.spaces.effective import effective_settings
from greenfront.spaces.method import Reduction
from greenfront.spaces.places import inside
from greenfront.spaces.plan import Value

_Key = frozenset[tuple[str, Value]]
"""One module's settings. A set: text would take a search longer to write than all else that prices its states."""
SIDES = {"out": 0, "in": 1}
"""Which number of a linear's shape they are."""


class _RefusedError(PlanError):
    """Settings that the runtime takes alone, but not together, or not at this size."""


@dataclass(frozen=True)
class SiteChange:
    """What a plan changes at one site in a forward pass of the whole model, before calibration."""

    group: str
    settings: PlainSettings
    methods: tuple[str, ...]
    """Whose settings stand there; none where other sites' settings make it smaller."""
    skipped: bool
    """Whether it goes with its block, or is the layer whose block goes."""
    calls: int
    latency_ms: float
    noise_ms: float
    """Half the interval of `latency_ms`, from the samples of the operations."""
    replaced_ms: float
    """What the module took before, which `latency_ms` is against; 0 where it stays as it is."""
    parameters: int
    bytes: int
    flops: int


@dataclass(frozen=True)
class _Amount:
    """Of all calls of a module in a forward pass; parameters and bytes of the module once."""

    latency_ms: float = 0.0
    parameters: float = 0.0
    bytes: float = 0.0
    flops: float = 0.0

    def __sub__(self, other: "_Amount") -> "_Amount":
        return _Amount(*(mine - theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True)
class OperationTable:
    """All operations of a profile by group and settings."""

    operations: Sequence[OperationCost]
    interpolated: Sequence[Interpolated]
    refused: Sequence[Refused]
    sites: Mapping[str, SiteUse]

    def latency_ms(self, group: str, settings: Settings) -> float:
        """Of one call; raises KeyError for what this table hasn't."""
        entry = self._entries[group, _key(settings)]
        return sum(weight * measured.latency.interval_ms.median for measured, weight in self._measured(entry))

    def changes(self, plan: Mapping[str, Settings]) -> list[SiteChange]:
        """What a plan changes, one entry for every site that is not what it was.

        Raises:
            PlanError: a site or setting that wasn't measured, or that the runtime refused.
        """
        for path, settings in plan.items():
            self._check(path, settings)
        effective = effective_settings(plan, self._reductions, self.sites)
        return [self._changed(path, settings, plan.get(path, {})) for path, settings in effective.items()]

    def change(self, path: str, settings: Settings, own: Settings) -> SiteChange | None:
        """What `settings`, as of `effective_settings`, change at a site, of which `own` stand in the plan.

        None where the runtime refuses them together.

        Raises:
            PlanError: as `changes`.
        """
        self._check(path, own)
        try:
            return self._change(path, settings, own)
        except _RefusedError:
            return None

    def refusal(self, path: str, part: Settings) -> str | None:
        """Why the runtime refused one method's setting at a site; None where it didn't."""
        return self._refused.get((path, _key(part)))

    def _check(self, path: str, settings: Settings) -> None:
        key = (path, _key(settings))
        if key not in self._checked:
            self._check_anew(path, settings)
            self._checked.add(key)

    def _check_anew(self, path: str, settings: Settings) -> None:
        use = self.sites.get(path)
        if use is None:
            raise PlanError(f"{path}: not among the {len(self.sites)} modules of this profile")
        parts = use.parts(settings)
        if parts is None:
            offered = ", ".join(settings_key(option) for options in use.choices.values() for option in options)
            raise PlanError(f"{path}: settings must be of {offered}, but got {settings_key(settings)}")
        for part in parts.values():
            reason = self.refusal(path, part)
            if reason is not None:
                raise PlanError(f"{path}: the runtime refuses {settings_key(part)}: {reason}")

    def _changed(self, path: str, settings: Settings, own: Settings) -> SiteChange:
        """As `_change`, found out once: a search asks for the same settings of a site in thousands of plans."""
        key = (path, _key(settings), _key(own))
        found = self._changes.get(key)
        if found is None:
            found = self._changes[key] = self._change(path, settings, own)
        return found

    def _change(self, path: str, settings: Settings, own: Settings) -> SiteChange:
        use = self.sites[path]
        before = self._alone(path, {})
        change = self._alone(path, settings) - before
        skipped = "skipped" in settings
        entering = [*([] if skipped else self._parts(path, settings)), *self._parts(path, {})]
        widths = [
            (measured.latency.interval_ms, weight * share)
            for entry, share in entering
            for measured, weight in self._measured(entry)
        ]
        noise_ms = sum((weight * (interval.high - interval.low) / 2) ** 2 for interval, weight in widths) ** 0.5
        return SiteChange(
            group=use.group,
            settings=dict(settings),
            methods=() if skipped else tuple(use.parts(own) or ()),
            skipped=skipped or any(each.side == "all" and each.happens(own) for each in use.reductions),
            calls=use.calls,
            latency_ms=change.latency_ms,
            noise_ms=use.calls * noise_ms,
            replaced_ms=before.latency_ms if settings else 0.0,
            parameters=round(change.parameters),
            bytes=round(change.bytes),
            flops=round(change.flops),
        )

    def _alone(self, path: str, settings: Settings) -> _Amount:
        """A module without those in it that are sites themselves, which its own settings may have changed."""
        key = (path, _key(settings))
        if key not in self._known:
            amount = _Amount()
            if "skipped" not in settings:
                amount = self._whole(path, settings)
                changed = effective_settings({path: settings}, self._reductions, self.sites)
                for inner in self._inner[path]:
                    amount -= self._alone(inner, changed.get(inner, {}))
            self._known[key] = amount
        return self._known[key]

    def _whole(self, path: str, settings: Settings) -> _Amount:
        """A module and all that is in it."""
        calls = self.sites[path].calls
        amount = [0.0] * 4
        for entry, share in self._parts(path, settings):
            latency_ms = sum(weight * each.latency.interval_ms.median for each, weight in self._measured(entry))
            for place, value in enumerate((calls * latency_ms, entry.parameters, entry.bytes, calls * entry.flops)):
                amount[place] += share * value
        return _Amount(*amount)

    def _parts(self, path: str, settings: Settings) -> list[tuple[OperationCost | Interpolated, float]]:
        """The entries that a module's cost comes from, and their shares: one, or those of the sizes next to its own."""
        use = self.sites[path]
        resizing = {r.setting for r in use.reductions if r.path == path and r.side != "all"}
        wanted = {key: value for key, value in settings.items() if key not in resizing}
        entry = self._entries.get((use.group, _key(wanted)))
        if entry is not None:
            return [(entry, 1.0)]
        found = []
        for side in wanted.keys() & SIDES.keys():
            rest = {key: value for key, value in wanted.items() if key != side}
            for size, share in self._neighbours(use, side, int(wanted[side])):
                near = {**rest, side: size} if size < use.shape[SIDES[side]] else rest
                entry = self._entries.get((use.group, _key(near)))
                if entry is None:
                    break
                found.append((entry, share))
            else:
                return found
        raise _RefusedError(f"{path}: the runtime refuses {settings_key(wanted)}")

    def _neighbours(self, use: SiteUse, side: str, size: int) -> Iterator[tuple[int, float]]:
        """The measured sizes around a size, and the share of each."""
        sizes = [*self._sizes.get((use.group, side), ()), use.shape[SIDES[side]]]
        place = min(max(bisect(sizes, size), 1), len(sizes) - 1)
        below, above = sizes[place - 1], sizes[place]
        share = (size - below) / (above - below)
        yield from ((below, 1 - share), (above, share))

    def _measured(self, entry: OperationCost | Interpolated) -> list[tuple[OperationCost, float]]:
        """The measured operations that an entry's latency comes from, and their weights."""
        if isinstance(entry, OperationCost):
            return [(entry, 1.0)]
        below, above = (self._entries[entry.group, _key(each)] for each in (entry.below, entry.above))
        assert isinstance(below, OperationCost)
        assert isinstance(above, OperationCost)
        return [(below, 1 - entry.share), (above, entry.share)]

    @cached_property
    def _checked(self) -> set[tuple[str, _Key]]:
        return set()

    @cached_property
    def _changes(self) -> dict[tuple[str, _Key, _Key], SiteChange]:
        return {}

    @cached_property
    def _known(self) -> dict[tuple[str, _Key], _Amount]:
        return {}

    @cached_property
    def _entries(self) -> dict[tuple[str, _Key], OperationCost | Interpolated]:
        entries: list[OperationCost | Interpolated] = [*self.operations, *self.interpolated]
        return {(entry.group, _key(entry.settings)): entry for entry in entries}

    @cached_property
    def _sizes(self) -> dict[tuple[str, str], list[int]]:
        """The sizes that were measured, by group and side, ascending."""
        found: dict[tuple[str, str], set[int]] = {}
        for operation in self.operations:
            for side in operation.settings.keys() & SIDES.keys():
                found.setdefault((operation.group, side), set()).add(int(operation.settings[side]))
        return {key: sorted(sizes) for key, sizes in found.items()}

    @cached_property
    def _reductions(self) -> dict[str, tuple[Reduction, ...]]:
        return {path: use.reductions for path, use in self.sites.items() if use.reductions}

    @cached_property
    def _inner(self) -> dict[str, list[str]]:
        """The sites in every site."""
        return {path: [other for other in self.sites if other != path and inside(other, path)] for path in self.sites}

    @cached_property
    def _refused(self) -> dict[tuple[str, _Key], str]:
        return {(entry.site, _key(entry.settings)): entry.reason for entry in self.refused}


def _key(settings: Settings) -> _Key:
    return frozenset(settings.items())
