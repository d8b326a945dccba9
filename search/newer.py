"""Run folders that another version of the program wrote."""

import json
import re
from importlib.metadata import version
from pathlib import Path

UPGRADE = "`pip install --upgrade greenfront` reads it"


def newer(folder: Path) -> str:
    """What to add to the error of a run folder that can't be read: that a newer Greenfront wrote it, where it did."""
    try:
        here = version("greenfront")
        written = str(json.loads((folder / "environment.json").read_text())["machine"]["versions"]["greenfront"])
    except (OSError, ImportError, ValueError, KeyError, TypeError):
        return ""
    if _numbers(written) <= _numbers(here):
        return ""
    return f"; Greenfront {written} wrote it, this is {here}: {UPGRADE}"


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, which order it."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
