"""A dataclass as a versioned JSON file: written whole or not at all, validated when read."""

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from greenfront.errors import ConfigError, GreenfrontError

VERSION = 1

_Record = TypeVar("_Record")
_NUMBERS = re.compile(r"\[\s+(-?\d[\d\s,.eE+-]*?)\s+\]")


def save_record(record: Any, path: Path) -> None:
    """Write a dataclass instance; a reader meets the old file or the new one, never half of one."""
    text = json.dumps({"version": VERSION, **dataclasses.asdict(record)}, indent=1, allow_nan=False)
    text = _NUMBERS.sub(lambda found: "[" + " ".join(found[1].split()) + "]", text)  # samples on one line
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(text + "\n")
    os.replace(partial, path)


def load_record(path: Path, record_type: type[_Record], what: str) -> _Record:
    """Read what `save_record` wrote.

    Raises:
        ConfigError: no such file, not JSON, another version, or a field missing, unknown or of a wrong kind.
    """
    try:
        raw = json.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: can't read {what}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {what} must be JSON, but {error}") from error
    if not isinstance(raw, dict) or "version" not in raw:
        raise ConfigError(f"{path}: not {what}: it has no `version`")
    version = raw.pop("version")
    if version != VERSION:
        raise ConfigError(f"{path}: {what} must have version {VERSION}, but got {version!r}; measure again")
    try:
        return TypeAdapter(with_config(ConfigDict(extra="forbid"))(record_type)).validate_python(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {place}: {first['msg']}, but got {str(first['input'])[:60]!r}") from error
    except GreenfrontError as error:
        raise ConfigError(f"{path}: {error}") from error
