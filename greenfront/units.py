"""Quantities as people write them: `8 ms`, `120 MB`, `5M`, `50%` of the original, `1%` drop."""

import math
import re
from dataclasses import dataclass, field
from typing import Literal

from greenfront.errors import ConfigError

Dimension = Literal["time", "bytes", "count", "rate", "energy", "mass"]

# What a unit is worth in the unit of our costs: milliseconds, megabytes (10^6 bytes), plain counts, examples a
# second, joules, grams.
UNITS: dict[Dimension, dict[str, float]] = {
    "time": {"us": 1e-3, "ms": 1.0, "s": 1e3},
    "bytes": {
        "B": 1e-6, "kB": 1e-3, "KB": 1e-3, "MB": 1.0, "GB": 1e3,
        "KiB": 1024 / 1e6, "MiB": 1024**2 / 1e6, "GiB": 1024**3 / 1e6,
    },
    "count": {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9},
    "rate": {"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600},
    "energy": {"mJ": 1e-3, "J": 1.0, "kJ": 1e3, "Wh": 3600.0},
    "mass": {"mg": 1e-3, "g": 1.0, "kg": 1e3},
}  # fmt: skip
SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
"""Of what a search may take; budgets have shorter units."""
EXAMPLES: dict[Dimension, str] = {
    "time": "`8 ms` or `60%` of the original",
    "bytes": "`30 MB` or `50%` of the original",
    "count": "`5M` or `50%` of the original",
    "rate": "`200/s` or `150%` of the original",
    "energy": "`500 mJ` or `50%` of the original",
    "mass": "`80 g` or `50%` of the original",
}
_WORDS: dict[Dimension, str] = {
    "time": "a time", "bytes": "a size", "count": "a count", "rate": "a rate", "energy": "an energy",
    "mass": "a mass",
}  # fmt: skip
_NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z%/]*)")


@dataclass(frozen=True)
class Bound:
    """A bound on a cost: absolute in the cost's own unit, or relative (0.5 = half of the original).

    `text` is how the user wrote it; bounds of equal value are equal (`8ms` and `8 ms`).
    """

    value: float
    relative: bool
    text: str = field(compare=False)

    def limit(self, original: float) -> float:
        """The bound in the cost's unit, given the original's cost."""
        return self.value * original if self.relative else self.value

    def __str__(self) -> str:
        return self.text


def parse_bound(text: str | float | int, dimension: Dimension, name: str) -> Bound:
    """Read a budget such as `8 ms` or `50%`; its text is kept, and reads as the same bound again.

    Raises:
        ConfigError: not a finite number above zero with a fitting unit; the message starts with `name`.
    """
    units = UNITS[dimension]
    valid = ", ".join(unit or "none" for unit in (*units, "%"))
    rule = f"must be {_WORDS[dimension]} such as {EXAMPLES[dimension]} (units: {valid})"
    value, unit = _split(text, name, rule)
    if unit != "%" and unit not in units:
        raise ConfigError(f"{name}: {rule}, but got {text!r}")
    bound = Bound(value / 100 if unit == "%" else value * units[unit], unit == "%", str(text).strip())
    if not 0 < bound.value < math.inf:
        rule = f"must be above zero and finite, such as {EXAMPLES[dimension]}"
        raise ConfigError(f"{name}: {rule}, but got {text!r}")
    return bound


def parse_duration(text: str | float | int, name: str) -> float:
    """Read a time such as `90 s`, `10 min` or `2 h` as seconds.

    Raises:
        ConfigError: not a finite number above zero with a unit; the message starts with `name`.
    """
    rule = "must be a time such as `90 s`, `10 min` or `2 h`"
    value, unit = _split(text, name, rule)
    if unit not in SECONDS or not 0 < value < math.inf:
        raise ConfigError(f"{name}: {rule}, but got {text!r}")
    return value * SECONDS[unit]


def format_duration(seconds: float) -> str:
    """Inverse of `parse_duration`."""
    return f"{seconds:g} s"


def parse_share(text: str | float | int, name: str, *, zero: bool = False, whole: bool = False) -> float:
    """Read a share such as `1%` or 0.01 as a number between 0 (only with `zero`) and 1 (only with `whole`).

    Raises:
        ConfigError: not a number or percentage, or out of range; the message starts with `name`.
    """
    low, high = ("from 0%" if zero else "above 0%"), ("up to 100%" if whole else "below 100%")
    rule = f"must be a share {low} and {high} such as `1%` or `0.01`"
    value, unit = _split(text, name, rule)
    share = value / 100 if unit == "%" else value
    inside = 0 < share < 1 or (zero and share == 0) or (whole and share == 1)
    if unit not in ("", "%") or not inside:
        raise ConfigError(f"{name}: {rule}, but got {text!r}")
    return share


def format_share(share: float) -> str | float:
    """The share as a percentage where that is exact, else the number; `parse_share` reads both as `share`."""
    text = f"{share * 100:.10g}%"
    return text if float(text[:-1]) / 100 == share else share


def _split(text: str | float | int, name: str, rule: str) -> tuple[float, str]:
    found = None if isinstance(text, bool) else _NUMBER.fullmatch(str(text).strip())
    if found is None:
        raise ConfigError(f"{name}: {rule}, but got {text!r}")
    return float(found[1]), found[2]


def format_count(number: int) -> str:
    """`2.5e+83`, also of numbers beyond all floats, as the plans of a space of 32 layers are."""
    exponent = int(math.log10(number)) if number else 0
    return f"{number / 10**exponent:.1f}e+{exponent:02d}"
