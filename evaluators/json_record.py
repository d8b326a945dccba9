"""Frozen dataclasses as versioned JSON documents: written whole, checked field by field when read."""

import json
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from greenfront.errors import RunError
from greenfront.json_source import parse_json

Nats = Annotated[float, Field(ge=0)]
"""A loss: at least 0, never NaN; infinite where a model doesn't answer with numbers."""
Whole = Annotated[int, Field(ge=0)]
Record = TypeVar("Record")

strict = with_config(ConfigDict(extra="forbid", ser_json_inf_nan="strings"))
"""Decorates a dataclass whose unknown keys are refused; infinity is written as text, which JSON has no number for."""


def record_to_json(record: object, version: int) -> str:
    """A record, with the version of its form."""
    plain: dict[str, Any] = json.loads(TypeAdapter(type(record)).dump_json(record))
    return json.dumps({"version": version, **plain}, indent=1, allow_nan=False) + "\n"


def record_from_json(kind: type[Record], text: str, version: int, what: str) -> Record:
    """Inverse of `record_to_json`; `what` names the record in messages.

    Raises:
        RunError: another version, no JSON, or a field that is missing, unknown or can't be.
    """
    try:
        raw = parse_json(text)
    except ValueError as error:
        raise RunError(f"{what} must be JSON, but {error}") from error
    if not isinstance(raw, dict) or raw.pop("version", None) != version:
        raise RunError(f"not {what} of version {version}")
    try:
        return TypeAdapter(kind).validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RunError(f"{place}: {first['msg']}, but got {first['input']!r:.80}") from error
