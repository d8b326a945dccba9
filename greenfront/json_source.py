"""Text and JSON from files that anybody may have written: bounded, strict, and refused with ValueError alone."""

import json
import math
import os
import stat
from collections import Counter
from pathlib import Path
from typing import Any

MEGABYTE = 2**20
MOST_BYTES = 512 * MEGABYTE
"""More than any document of a run: a candidate takes 10 kB of `front.json`."""


def read_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """A file's UTF-8 text, without a byte order mark.

    Raises:
        OSError: it isn't there, or can't be opened.
        ValueError: a pipe or a device, which may never end; more than `most_bytes`; or no UTF-8.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no ordinary file")
        if status.st_size > most_bytes:
            size, most = (f"{number / MEGABYTE:,.10g} MB" for number in (status.st_size, most_bytes))
            raise ValueError(f"it has {size}, and may have at most {most}")
        return file.read().decode("utf-8-sig")


def parse_json(text: str, *, finite: bool = True) -> Any:
    """A JSON document as plain values.

    Raises:
        ValueError: not JSON, nested more deeply than Python reads, a key that stands twice in an object, and with
            `finite` also NaN, Infinity or a number that is too large for a float.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_distinct,
            parse_constant=_constant if finite else None,
            parse_float=_finite if finite else None,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json(path: Path, most_bytes: int = MOST_BYTES, *, finite: bool = True) -> Any:
    """`parse_json` of `read_text`; raises OSError and ValueError as they do."""
    return parse_json(read_text(path, most_bytes), finite=finite)


def _without_waiting(path: str, flags: int) -> int:
    """Opens a pipe at once, where nobody may ever write."""
    return os.open(path, flags | os.O_NONBLOCK)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {key[:80]!r} stands twice in an object")
    return found


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:80]} is too large a number")
    return number
