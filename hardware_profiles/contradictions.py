"""What a hand-edited record gives away: numbers that can't belong together."""

from collections.abc import Iterator, Mapping
from statistics import median as median_of
from typing import Any, TypeGuard

from greenfront.yaml_source import KeyPath, dotted

NEVER_NEGATIVE = frozenset(
    {
        "median", "low", "high", "parameters", "bytes", "flops", "calls", "chain", "inner", "seconds", "peak_memory_mb",
        "size_mb", "latency_p90_ms", "large_batch_latency_ms", "throughput_per_s", "energy_j",
    }
)  # fmt: skip


def contradictions(raw: Any, path: KeyPath = ()) -> Iterator[tuple[str, str]]:
    """Numbers that can't belong together, anywhere in plain data: where, and what.

    An interval must hold its own median and that of the samples beside it, `n` must be their number, and a time or an
    amount can't be negative.
    """
    if isinstance(raw, Mapping):
        if set(raw) == {"median", "low", "high"} and all(map(_is_number, raw.values())):
            low, median, high = raw["low"], raw["median"], raw["high"]
            if not low <= median <= high:
                yield dotted(path), f"must be low <= median <= high, but got {low} <= {median} <= {high}"
        samples, interval = raw.get("samples_ms"), raw.get("interval_ms")
        if isinstance(samples, list) and samples and all(map(_is_number, samples)):
            if "n" in raw and raw["n"] != len(samples):
                yield dotted((*path, "n")), f"must be {len(samples)}, the number of samples, but got {raw['n']!r}"
            middle, slack = median_of(samples), 1e-5
            if isinstance(interval, Mapping) and all(_is_number(interval.get(end)) for end in ("low", "high")):
                low, high = interval["low"], interval["high"]
                if not low * (1 - slack) - slack <= middle <= high * (1 + slack) + slack:
                    rule = f"must hold {middle:g}, the median of its samples"
                    yield dotted((*path, "interval_ms")), f"{rule}, but is [{low}, {high}]"
        for key, value in raw.items():
            if _is_number(value) and value < 0 and key in NEVER_NEGATIVE:
                yield dotted((*path, key)), f"must not be negative, but got {value}"
            yield from contradictions(value, (*path, key))
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            if path and path[-1] == "samples_ms" and _is_number(value) and value <= 0:
                yield dotted((*path, index)), f"must be above zero, but got {value}"
            elif isinstance(value, Mapping | list):
                yield from contradictions(value, (*path, index))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
