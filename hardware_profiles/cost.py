"""What a candidate costs: latency with its interval, memory, size, parameters and FLOPs."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from greenfront.config import CostName
from greenfront.errors import MeasureError


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
        median, low, high = _numbers(raw, ("median", "low", "high"), "an interval")
        return cls(median, low, high)


@dataclass(frozen=True)
class Cost:
    """Measured or predicted cost of one model on one target.

    `latency_ms`: one forward pass of a full batch. `peak_memory_mb`: peak resident set of the process (CPU)
    or peak memory the allocator gave out (CUDA). `size_mb`: bytes of the weights files. One MB is 10^6 bytes.
    `flops`: of the same forward pass; one fused multiply-add is two FLOPs.
    """

    latency_ms: Interval
    peak_memory_mb: float
    size_mb: float
    parameters: int
    flops: int

    def value(self, name: CostName) -> float:
        """The cost called `name` as one number: the median where there is an interval."""
        if name == "latency_ms":
            return self.latency_ms.median
        return float(getattr(self, name))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON documents."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Cost":
        """Inverse of `to_dict`; raises MeasureError when a key is missing, foreign, or not a number."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("latency_ms"), Mapping):
            raise MeasureError(f"a cost must hold `latency_ms` as an interval, but got {str(raw)[:80]}")
        plain = {key: number for key, number in raw.items() if key != "latency_ms"}
        memory, size, parameters, flops = _numbers(
            plain, ("peak_memory_mb", "size_mb", "parameters", "flops"), "a cost"
        )
        return cls(Interval.from_dict(raw["latency_ms"]), memory, size, int(parameters), int(flops))


def _numbers(raw: Mapping[str, Any], keys: tuple[str, ...], what: str) -> list[float]:
    """The values of exactly these keys, in their order."""
    if not isinstance(raw, Mapping) or set(raw) != set(keys):
        raise MeasureError(f"{what} must hold exactly {', '.join(keys)}, but got {str(raw)[:120]}")
    for key in keys:
        if isinstance(raw[key], bool) or not isinstance(raw[key], int | float):
            raise MeasureError(f"{what}: {key} must be a number, but got {raw[key]!r}")
    return [raw[key] for key in keys]
