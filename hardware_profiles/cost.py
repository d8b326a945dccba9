"""What a candidate costs on a target: time, memory, size, work, energy, and what follows from them."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from greenfront.config import CostName
from greenfront.errors import MeasureError
from greenfront.hardware_profiles.target import Target

EnergySource = Literal["counter", "estimated"]
JOULES_PER_KWH = 3.6e6
MILLION = 1e6


@dataclass(frozen=True)
class Interval:
    """A median and the interval that holds it, in the unit of the field it stands in.

    Raises:
        MeasureError: a number that is not finite, or not `low <= median <= high`.
    """

    median: float
    low: float
    high: float

    def __post_init__(self) -> None:
        finite = all(math.isfinite(number) for number in (self.low, self.median, self.high))
        if not finite or not self.low <= self.median <= self.high:
            raise MeasureError(
                f"an interval must be finite with low <= median <= high, "
                f"but got {self.low} <= {self.median} <= {self.high}"
            )

    def to_dict(self) -> dict[str, float]:
        """`{"median", "low", "high"}`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Interval":
        """Inverse of `to_dict`; raises MeasureError when a key is missing, foreign, or not a number."""
        return cls(**_numbers(raw, ("median", "low", "high"), "an interval"))


@dataclass(frozen=True)
class Cost:
    """Measured or predicted cost of one model on one target.

    A query is one forward pass of `batch_size` examples, a large one of `large_batch`. `latency_ms`: the median
    query; `latency_p90_ms`: nine in ten are as fast; `large_batch_latency_ms`: the median large query;
    `throughput_per_s`: examples a second in large queries. `peak_memory_mb`: peak resident set of a process that
    holds this model alone (CPU) or peak memory the allocator gave out (CUDA). `size_mb`: on disk as the runtime
    deploys it. One MB is 10^6 bytes. `flops`: of one query; one fused multiply-add is two FLOPs. `energy_j`: of one
    query, as `energy_source` says. `co2_g_per_million`, `money_per_million`: of the energy of a million queries.
    """

    latency_ms: Interval
    latency_p90_ms: float
    large_batch_latency_ms: float
    throughput_per_s: float
    peak_memory_mb: float
    size_mb: float
    parameters: int
    flops: int
    energy_j: float
    energy_source: EnergySource
    co2_g_per_million: float
    money_per_million: float

    def value(self, name: CostName) -> float:
        """The cost called `name` as one number: the median where there is an interval."""
        if name == "latency_ms":
            return self.latency_ms.median
        return float(getattr(self, name))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON documents; where the energy is an estimate, its name and what follows say so."""
        plain = asdict(self)
        names = _json_names(plain.pop("energy_source"))
        return {names.get(key, key): value for key, value in plain.items()}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Cost":
        """Inverse of `to_dict`; raises MeasureError when a key is missing, foreign, or not a number."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("latency_ms"), Mapping):
            raise MeasureError(f"a cost must hold `latency_ms` as an interval, but got {str(raw)[:80]}")
        source: EnergySource = "estimated" if "energy_estimated_j" in raw else "counter"
        names = _json_names(source)
        fields = {name: names.get(name, name) for name in PLAIN}
        given = {key: number for key, number in raw.items() if key != "latency_ms"}
        numbers = _numbers(given, tuple(fields.values()), "a cost")
        plain: dict[str, Any] = {name: numbers[key] for name, key in fields.items()}
        plain.update(parameters=int(plain["parameters"]), flops=int(plain["flops"]))
        return cls(latency_ms=Interval.from_dict(raw["latency_ms"]), energy_source=source, **plain)


PLAIN = tuple(name for name in Cost.__dataclass_fields__ if name not in ("latency_ms", "energy_source"))
ENERGETIC = {
    "energy_j": "energy_estimated_j",
    "co2_g_per_million": "co2_estimated_g_per_million",
    "money_per_million": "money_estimated_per_million",
}
"""Costs that come from the energy -> what they are called where it is an estimate."""


def derived(
    target: Target,
    *,
    latency_ms: Interval,
    latency_p90_ms: float,
    large_batch_latency_ms: float,
    peak_memory_mb: float,
    size_mb: float,
    parameters: int,
    flops: int,
    energy_j: float,
    energy_source: EnergySource,
) -> Cost:
    """The whole Cost: throughput follows from the large query, CO2 and money from energy, grid and price.

    Raises:
        MeasureError: a large query that takes no time.
    """
    if not large_batch_latency_ms > 0:
        raise MeasureError(f"a large query must take more than 0 ms, but got {large_batch_latency_ms}")
    kwh_per_million = energy_j * MILLION / JOULES_PER_KWH
    return Cost(
        latency_ms=latency_ms,
        latency_p90_ms=latency_p90_ms,
        large_batch_latency_ms=large_batch_latency_ms,
        throughput_per_s=1000 * target.large_batch / large_batch_latency_ms,
        peak_memory_mb=peak_memory_mb,
        size_mb=size_mb,
        parameters=parameters,
        flops=flops,
        energy_j=energy_j,
        energy_source=energy_source,
        co2_g_per_million=kwh_per_million * target.grid_intensity,
        money_per_million=kwh_per_million * target.price,
    )


def _json_names(source: str) -> dict[str, str]:
    if source not in get_args(EnergySource):
        raise MeasureError(f"energy_source must be one of {', '.join(get_args(EnergySource))}, but got {source!r}")
    return ENERGETIC if source == "estimated" else {}


def _numbers(raw: Mapping[str, Any], keys: tuple[str, ...], what: str) -> dict[str, float]:
    """The values of exactly these keys."""
    if not isinstance(raw, Mapping) or set(raw) != set(keys):
        absent, unknown = [key for key in keys if key not in raw], sorted(set(raw) - set(keys))
        parts = [f"{word} {', '.join(found)}" for word, found in (("missing", absent), ("unknown", unknown)) if found]
        raise MeasureError(f"{what} must hold exactly {', '.join(keys)}, but {' and '.join(parts)}")
    for key in keys:
        value = raw[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise MeasureError(f"{what}: {key} must be a finite number, but got {value!r}")
    return dict(raw)
