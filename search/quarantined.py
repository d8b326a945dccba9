"""A setting that isn't tried any more, as a front says it."""

from dataclasses import dataclass
from typing import Any

from greenfront.errors import RunError
from greenfront.search.fields import mapping, only, strings, take
from greenfront.spaces.plan import Value

Setting = tuple[str, str, Value]
"""A module's path, a key of its settings and its value."""


@dataclass(frozen=True)
class Quarantined:
    """A setting that isn't tried any more; `trials` are the ids of the plans that failed with it, `reason` is the
    last one's."""

    setting: Setting
    trials: tuple[str, ...]
    reason: str

    @property
    def words(self) -> str:
        """`rank 64 at encoder.layer.0.output.dense`."""
        path, key, value = self.setting
        return f"{key} {value} at {path}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        path, key, value = self.setting
        return {"path": path, "key": key, "value": value, "trials": [*self.trials], "reason": self.reason}

    @classmethod
    def from_dict(cls, raw: object, where: str) -> "Quarantined":
        """Inverse of `to_dict`; raises RunError that says what is wrong at `where`."""
        found = only(mapping(raw, where), ("path", "key", "value", "trials", "reason"), where)
        path, key, reason = (take(found, name, str, where) for name in ("path", "key", "reason"))
        value = found.get("value")
        if isinstance(value, bool) or not isinstance(value, Value):
            raise RunError(f"{where}: value must be a number or text, but got {value!r}")
        return cls((path, key, value), strings(found, "trials", where), reason)
