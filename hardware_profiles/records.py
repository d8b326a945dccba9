"""The parts of a profile: frozen, in plain numbers, as they stand in its JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenfront.hardware_profiles.cost import Interval
from greenfront.hardware_profiles.statistics import median_interval
from greenfront.spaces import Plan, Settings
from greenfront.spaces.method import Reduction

PlainSettings = dict[str, int | float | str]


@dataclass(frozen=True)
class Timing:
    """Samples in milliseconds, in the order taken, and their median with its 95% bootstrap interval."""

    interval_ms: Interval
    n: int
    samples_ms: tuple[float, ...]

    @classmethod
    def of(cls, samples_ms: Sequence[float], *, seed: int) -> "Timing":
        """Summarise samples; none at all (a module that is never called) is a latency of zero."""
        rounded = tuple(round(sample, 6) for sample in samples_ms)
        interval = median_interval(rounded, seed=seed) if rounded else Interval(0.0, 0.0, 0.0)
        return cls(interval, len(rounded), rounded)


@dataclass(frozen=True)
class OperationCost:
    """One setting of one group of modules: what a single call costs, and what a single module holds."""

    group: str
    settings: PlainSettings
    latency: Timing
    """Each sample over the slowness of its repetition, see `statistics.without_drift`."""
    chain: int
    """How many modules with weights of their own a sample passes through."""
    inner: int
    """How many passes through them a sample holds."""
    parameters: int
    bytes: int
    flops: int


@dataclass(frozen=True)
class Interpolated:
    """A setting that was not timed: between two that were, `share` of the way from `below` to `above`.

    The share is that of its FLOPs, or of its parameters where FLOPs don't differ. What it holds is exact.
    """

    group: str
    settings: PlainSettings
    below: PlainSettings
    above: PlainSettings
    share: float
    parameters: int
    bytes: int
    flops: int


@dataclass(frozen=True)
class Refused:
    """A setting that the runtime can't export or run, and what it says."""

    site: str
    settings: PlainSettings
    reason: str


@dataclass(frozen=True)
class SiteUse:
    """A site of the model: whose costs it has, how often a forward pass calls it, what is offered there."""

    signature: str
    shape: tuple[int, int]
    """As in `Site`."""
    group: str
    calls: int
    reductions: tuple[Reduction, ...]
    """What settings at this site make smaller elsewhere, or here."""
    choices: dict[str, list[PlainSettings]]
    """By method."""

    def parts(self, settings: Settings) -> dict[str, PlainSettings] | None:
        """One of the listed settings per method, together exactly `settings`; None where there are none."""
        left = dict(settings)
        parts = {}
        for method, options in self.choices.items():
            keys = {key for option in options for key in option}
            part = {key: left.pop(key) for key in keys & set(left)}
            if part and part not in options:
                return None
            if part:
                parts[method] = part
        return None if left else parts


@dataclass(frozen=True)
class CalibrationPlan:
    """A whole candidate, timed to check the sum of its operations."""

    plan: dict[str, PlainSettings]
    held_out: bool
    """Whether its prediction is that of a fit on all other plans, which did not see it."""
    latency: Timing
    """As if measured together with the original: its ratio to the original's samples times the original's median. Where
    several processes measured it, each one's median is a sample."""
    predicted_ms: float


@dataclass(frozen=True)
class Calibration:
    """latency = original + sum over changed modules of calls x (slope x new - replaced_slope x old + per_call_ms of the
    method).

    Of what is skipped with its block, the change counts `skipped_slope` times. A plan that comes to less than
    `cached_below` of the original's latency gains up to `cached_gain` by staying in the caches (`calibration.Cached`).
    """

    slope: float
    skipped_slope: float
    per_call_ms: dict[str, float]
    plans: tuple[CalibrationPlan, ...]
    cached_below: float = 0.0
    cached_gain: float = 0.0
    beside: float = 1.0
    """Times the prediction took plans beside this original, which was a little too fast or too slow: in `plans`, and in
    no other prediction (`calibration.Fit`)."""
    replaced_slope: float | None = None
    """None in profiles that were measured when it was the slope."""

    @property
    def replaced(self) -> float:
        """How often what modules took before counts."""
        return self.slope if self.replaced_slope is None else self.replaced_slope


@dataclass(frozen=True)
class PredictionError:
    """Relative errors of predicted latencies on plans that the fit did not see, and Kendall's tau to the measured.

    What takes less than a twentieth of the original counts as if it took that: twice of next to nothing is nothing,
    too, and no plan with hardly a layer left is of any use.
    """

    median: float
    p95: float
    worst: float
    tau: float
    plans: int


@dataclass(frozen=True)
class LargeBatch:
    """large query = original's + sum over changed modules of (per_latency x its change + ms_per_gflop x its FLOPs')."""

    per_latency: float
    ms_per_gflop: float
    plans: tuple[CalibrationPlan, ...]
    error: PredictionError | None
    """On the held-out plans among these."""


def settings_key(settings: Settings) -> str:
    """Canonical text of one module's settings."""
    return json.dumps(dict(settings), sort_keys=True)


def operation_name(group: str, settings: Settings) -> str:
    """What a group's operation with these settings is called."""
    return f"{group} {settings_key(settings)}"


def plain_plan(plan: Plan | Mapping[str, Settings]) -> dict[str, PlainSettings]:
    """A plan as plain dictionaries."""
    return {path: dict(settings) for path, settings in plan.items()}
