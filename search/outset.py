"""What a search set out from, which its journal says for whoever draws it before it has a front."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from greenfront.search.candidate import Candidate
from greenfront.search.fields import mapping, strings, take

OUTSET = "outset"
"""The attribute of the study."""


@dataclass(frozen=True)
class Outset:
    """`unreachable`: the budgets that no plan can meet, by prediction; `left_out`: what was no faster when measured."""

    original: Candidate
    unreachable: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "original": self.original.to_dict(), "unreachable": [*self.unreachable], "left_out": [*self.left_out],
        }  # fmt: skip

    @classmethod
    def in_attributes(cls, attributes: Mapping[str, Any]) -> "Outset | None":
        """That of a study; None where an earlier version of the program, or none yet, has written it.

        Raises:
            RunError: it can't be read.
        """
        if OUTSET not in attributes:
            return None
        raw = mapping(attributes[OUTSET], OUTSET)
        return cls(
            Candidate.from_dict(take(raw, "original", dict, OUTSET), f"{OUTSET}.original"),
            strings(raw, "unreachable", OUTSET), strings(raw, "left_out", OUTSET),
        )  # fmt: skip
