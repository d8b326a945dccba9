"""A Plan: what is done to which module. The only thing that travels between driver, workers, tables and reports."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from greenfront.errors import PlanError
from greenfront.json_source import parse_json

Value = int | float | str
Settings = Mapping[str, Value]
"""What is chosen for one module, e.g. `{"rank": 64}`; the empty mapping leaves the module as it is."""


class Plan(Mapping[str, Settings]):
    """One assignment of module paths to settings: immutable throughout, hashable, equal when its JSON is equal.

    Modules with empty settings are dropped, so the empty Plan is the original model.

    >>> plan = Plan({"encoder.layer.0.output.dense": {"rank": 64}, "encoder.layer.1.output.dense": {}})
    >>> plan.to_json()
    '{"encoder.layer.0.output.dense":{"rank":64}}'
    >>> Plan.from_json(plan.to_json()) == plan
    True

    Raises:
        PlanError: a path or settings key that isn't a string, or a value that isn't a finite number or a string.
    """

    __slots__ = ("_id", "_json", "_settings")

    def __init__(self, settings: Mapping[str, Settings] | None = None) -> None:
        kept = {path: chosen for path, chosen in (settings or {}).items() if chosen}
        for path, chosen in kept.items():
            if not isinstance(path, str) or not path:
                raise PlanError(f"a module path must be a non-empty string, but got {path!r}")
            if not isinstance(chosen, Mapping):
                raise PlanError(f"{path}: settings must map names to numbers or text, but got {chosen!r}")
            for key, value in chosen.items():
                if not isinstance(key, str) or isinstance(value, bool) or not isinstance(value, Value):
                    raise PlanError(
                        f"{path}: a setting must be a name with a number or text, but got {key!r}: {value!r}"
                    )
                if isinstance(value, float) and not math.isfinite(value):
                    raise PlanError(f"{path}: a setting must be finite, but got {key!r}: {value!r}")
        plain = {path: dict(sorted(kept[path].items())) for path in sorted(kept)}
        self._json = json.dumps(plain, separators=(",", ":"), sort_keys=True, allow_nan=False)
        self._settings = {path: _frozen(chosen) for path, chosen in plain.items()}
        self._id: str | None = None

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read what `to_json` wrote; raises PlanError on anything else."""
        try:
            raw: Any = parse_json(text)
        except ValueError as error:
            raise PlanError(f"a Plan must be JSON, but {error}") from error
        if not isinstance(raw, dict) or not all(isinstance(chosen, dict) for chosen in raw.values()):
            raise PlanError(f"a Plan must map module paths to settings, but got {text[:80]}")
        return cls(raw)

    def to_json(self) -> str:
        """The canonical form: sorted keys, no spaces."""
        return self._json

    def to_dict(self) -> dict[str, dict[str, Value]]:
        """A plain copy, for JSON documents and tables."""
        return {path: dict(chosen) for path, chosen in self._settings.items()}

    @property
    def id(self) -> str:
        """Eight hexadecimal digits of the canonical JSON's SHA-256; `original` for the empty Plan."""
        if self._id is None:
            self._id = hashlib.sha256(self._json.encode()).hexdigest()[:8] if self._settings else "original"
        return self._id

    def __getitem__(self, path: str) -> Settings:
        return self._settings[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def __hash__(self) -> int:
        return hash(self._json)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and self._json == other._json

    def __repr__(self) -> str:
        return f"Plan({self._json})"

    def __reduce__(self) -> tuple[type["Plan"], tuple[dict[str, dict[str, Value]]]]:
        return Plan, (self.to_dict(),)


def _frozen(settings: dict[str, Value]) -> Settings:
    """Settings that nobody can change, one object for all plans that have the same: thousands are in memory at once."""
    if all(type(value) in (int, str) for value in settings.values()):
        return _shared(tuple(settings.items()))
    return MappingProxyType(settings)  # of equal numbers one may be written otherwise: -0.0, 64.0


@lru_cache(maxsize=4096)
def _shared(items: tuple[tuple[str, Value], ...]) -> Settings:
    return MappingProxyType(dict(items))
