"""What a user asks of a front, in words or numbers, as bounds."""

from collections.abc import Mapping
from typing import Any

from greenfront.config import COST_OF, DIMENSION_OF
from greenfront.errors import ConfigError
from greenfront.units import Bound, Dimension, parse_bound, parse_share

OTHERS = ("accuracy_drop", "prefer", "target")
WITH_UNIT: dict[str, str] = {cost: name for name, cost in COST_OF.items() if cost != name}
"""`latency_ms` -> `latency`: a number of it needs no unit."""
UNIT: dict[Dimension, str] = {"time": "ms", "bytes": "MB", "count": "", "rate": "/s", "energy": "J", "mass": "g"}
"""Of a cost, by what it is."""


def read_wishes(wishes: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `select`, from `latency="5 ms"`, `latency_ms=5`, `size="50%"`, `accuracy_drop=0.01`, ...

    Raises:
        ConfigError: an unknown wish, one that can't be read, or the same one twice.
    """
    found: dict[str, Any] = {}
    for given, wish in wishes.items():
        name = WITH_UNIT.get(given, given)
        if name not in (*DIMENSION_OF, *OTHERS):
            raise ConfigError(f"a wish must be one of {', '.join((*DIMENSION_OF, *OTHERS))}, but got {given!r}")
        if name in found:
            raise ConfigError(f"only one of {name} and {given} can be asked for")
        if name == "accuracy_drop" and wish is not None:
            found[name] = parse_share(wish, name)
        elif name in DIMENSION_OF and wish is not None and not isinstance(wish, Bound):
            dimension = DIMENSION_OF[name]
            number = given != name and isinstance(wish, int | float)
            found[name] = parse_bound(f"{wish} {UNIT[dimension]}" if number else wish, dimension, given)
        else:
            found[name] = wish
    return found
