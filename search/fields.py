"""Reading JSON documents of a run folder field by field, with errors that say where and what."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from greenfront.errors import RunError

T = TypeVar("T")
WORDS = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "a mapping"}


def mapping(raw: object, where: str) -> Mapping[str, Any]:
    """`raw` itself, when it is a JSON object; raises RunError otherwise."""
    if not isinstance(raw, dict):
        raise RunError(f"{where}: must be a mapping, but got {str(raw)[:80]!r}")
    return raw


def only(raw: Mapping[str, Any], keys: Collection[str], where: str) -> Mapping[str, Any]:
    """`raw` itself, when it holds exactly `keys`; raises RunError naming missing and unknown ones."""
    absent, unknown = sorted(set(keys) - set(raw)), sorted(set(raw) - set(keys))
    if absent or unknown:
        parts = [f"{word} {', '.join(found)}" for word, found in (("missing", absent), ("unknown", unknown)) if found]
        raise RunError(f"{where}: must hold exactly {', '.join(keys)}, but {' and '.join(parts)}")
    return raw


def take(raw: Mapping[str, Any], key: str, kind: type[T], where: str) -> T:
    """The value of `key`, when it is of `kind` (a boolean is no whole number); raises RunError otherwise."""
    if key not in raw:
        raise RunError(f"{where}: {key} is missing")
    value = raw[key]
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise RunError(f"{where}.{key}: must be {WORDS[kind]}, but got {str(value)[:80]!r}")
    return value


def strings(raw: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    """The value of `key`, when it is a list of text; raises RunError otherwise."""
    values = take(raw, key, list, where)
    if not all(isinstance(value, str) for value in values):
        raise RunError(f"{where}.{key}: must be a list of text, but got {str(values)[:80]!r}")
    return tuple(values)
