"""A dataclass as a versioned JSON file: written whole or not at all, validated when read."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails

from greenfront.durable import write_atomic, writing
from greenfront.errors import ConfigError, GreenfrontError
from greenfront.hardware_profiles.contradictions import contradictions
from greenfront.json_source import read_json
from greenfront.yaml_source import RULES, dotted, shown

VERSION = 3

_Record = TypeVar("_Record")
_RULES = {**RULES, "missing": "is missing", "unexpected_keyword_argument": "unknown key"}
_NUMBERS = re.compile(r"\[\s+(-?\d[\d\s,.eE+-]*?)\s+\]")


def save_record(record: Any, path: Path) -> None:
    """Write a dataclass instance; a reader meets the old file or the new one, never half of one."""
    text = json.dumps({"version": VERSION, **dataclasses.asdict(record)}, indent=1, allow_nan=False)
    text = _NUMBERS.sub(lambda found: "[" + " ".join(found[1].split()) + "]", text)  # samples on one line
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text + "\n")


def load_record(path: Path, record_type: type[_Record], what: str) -> _Record:
    """Read what `save_record` wrote.

    Raises:
        ConfigError: no such file, not JSON, another version, a field that is missing, unknown, there twice or of a
            wrong kind, or numbers that contradict each other; names file and place.
    """
    try:
        raw = read_json(path, finite=False)  # what isn't finite is refused below, with its place
    except OSError as error:
        raise ConfigError(f"{path}: can't read {what}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {what} must be JSON, but {error}") from error
    if not isinstance(raw, dict) or "version" not in raw:
        raise ConfigError(f"{path}: not {what}: it has no `version`")
    version = raw.pop("version")
    if version != VERSION:
        raise ConfigError(f"{path}: {what} must have version {VERSION}, but got {version!r}; measure again")
    for place, problem in contradictions(raw):
        raise ConfigError(f"{path}: {place}: {problem}")
    try:
        strict = with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))(record_type)
        return TypeAdapter(strict).validate_json(json.dumps(raw))
    except ValidationError as error:
        raise ConfigError(f"{path}: {_explained(error.errors(include_url=False)[0])}") from error
    except GreenfrontError as error:
        raise ConfigError(f"{path}: {error}") from error


def _explained(error: ErrorDetails) -> str:
    rule = _RULES.get(error["type"], error["msg"].replace("Input should be", "must be"))
    value = "" if error["type"] == "missing" else f", but got {shown(error['input'])}"
    return f"{dotted(error['loc'])}: {rule}{value}"
