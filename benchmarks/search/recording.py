"""A recording: what a space of a finished run offers, and what came of real trials in it, as JSON lines.

The first line says all that a bench needs of the run (space, predicted losses and costs, budgets); each further line
is one trial. Written line by line, so that it can be interrupted at any moment.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from greenfront.errors import RunError
from greenfront.search.allocation import Table
from greenfront.spaces import Plan, Space

VERSION = 1


@dataclass(frozen=True)
class Rung:
    """A candidate after so many steps. `metric`: more is better; `divergence`: mean KL to the original in nats.

    `train_seconds` and `score_seconds`: of all steps so far, and of this scoring.
    """

    steps: int
    divergence: float
    metric: float
    train_seconds: float
    score_seconds: float


@dataclass(frozen=True)
class Trial:
    """One plan, how it was drawn, its predicted costs, and what it came to; `reason` where training failed."""

    number: int
    kind: str
    plan: Plan
    costs: dict[str, float]
    build_seconds: float
    rungs: tuple[Rung, ...]
    reason: str = ""


@dataclass(frozen=True)
class Header:
    """What a run knows before its first trial.

    Attributes:
        source: the run's name.
        space: what can be chosen.
        losses: predicted loss in nats of every option of each choice, by the choice's name.
        changes: cost -> site -> what each of its states changes.
        original: the original's costs.
        limits: the budgets on costs, as upper bounds in the cost's unit.
        metric: its name; `original_metric`: the original's.
        steps: where trials are scored.
        preparing_seconds: what the run spent on profile, library and significance before its first trial.
    """

    source: str
    space: Space
    losses: Table
    changes: Mapping[str, Table]
    original: dict[str, float]
    limits: dict[str, float]
    metric: str
    original_metric: float
    steps: tuple[int, ...]
    preparing_seconds: dict[str, float]

    def to_json(self) -> str:
        """One line; costs to six digits, which is more than they are measured to."""
        plain = {**vars(self), "space": json.loads(self.space.to_json())}
        plain["changes"] = {
            cost: {path: [float(f"{x:.6g}") for x in numbers] for path, numbers in table.items()}
            for cost, table in self.changes.items()
        }
        return json.dumps({"version": VERSION, **plain}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Header":
        """Inverse of `to_json`; raises RunError for what is no recording of this version."""
        try:
            raw: dict[str, Any] = json.loads(text)
            if raw.pop("version") != VERSION:
                raise RunError(f"a recording must be of version {VERSION}")
            space = Space.from_json(json.dumps(raw.pop("space")))
            return cls(**{**raw, "space": space, "steps": tuple(raw["steps"])})
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"a recording must begin with its header, but {error}") from error


def trial_to_json(trial: Trial) -> str:
    """One line."""
    return json.dumps({**asdict(trial), "plan": trial.plan.to_dict()}, separators=(",", ":"))


def trial_from_json(text: str) -> Trial:
    """Inverse of `trial_to_json`."""
    raw: dict[str, Any] = json.loads(text)
    rungs = tuple(Rung(**rung) for rung in raw.pop("rungs"))
    return Trial(**{**raw, "plan": Plan(raw["plan"]), "rungs": rungs})


def read(path: Path) -> tuple[Header, list[Trial]]:
    """A recording, also a gzipped one.

    Raises:
        RunError: not a recording.
    """
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = content.decode().splitlines()
    if not lines:
        raise RunError(f"{path} is empty; benchmarks/search/record.py writes one")
    return Header.from_json(lines[0]), [trial_from_json(line) for line in lines[1:]]
