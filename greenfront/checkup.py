"""What `greenfront doctor` found of one thing."""

from dataclasses import dataclass
from typing import Literal

State = Literal["fine", "note", "mend"]
"""`note`: works, but something better could be had or should be known. `mend`: searches fail or can't be trusted."""


@dataclass(frozen=True)
class Checked:
    """One thing: what was found, and what to do about it where it isn't fine."""

    name: str
    state: State
    found: str
    remedy: str = ""
