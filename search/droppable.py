"""A file of the run folder that can't be read is named, with what it costs to do without it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from greenfront.errors import GreenfrontError, RunError


@contextmanager
def droppable(path: Path, cost: str) -> Iterator[None]:
    """Inside, whatever can go wrong in reading becomes a RunError that says to delete `path`, and the `cost` of that.

    Nothing is deleted here: what a disk has lost once, its owner may have elsewhere.
    """
    try:
        yield
    except (GreenfrontError, SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        first, *_ = str(error).strip().splitlines() or [type(error).__name__]
        said = first if first.startswith(str(path)) else f"{path}: can't be read ({first})"
        raise RunError(f"{said}; restore it, or delete it: {cost}") from error
