"""What a measuring process is asked for and what it answers: plain data, as JSON, with raw samples only."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from greenfront.hardware_profiles.fingerprint import Conditions
from greenfront.hardware_profiles.records import PlainSettings, SiteUse
from greenfront.hardware_profiles.target import Target

JobName = Literal["profile", "candidates", "memory"]


@dataclass(frozen=True)
class Job:
    """One fresh process's work: the models in `folders`, measured for a target."""

    name: JobName
    target: Target
    folders: dict[str, str]
    seed: int
    seconds: float
    """For the timing loop, minimum repetitions come first."""
    space: str | None = None
    """A Space as JSON, for a profile."""


@dataclass(frozen=True)
class RawModel:
    """A whole model: milliseconds of single forward passes, and what it holds."""

    samples_ms: list[float]
    parameters: int
    flops: int
    weight_bytes: int
    """Of the weight files in its folder; 0 for a model without one."""


@dataclass(frozen=True)
class RawOperation:
    """An operation's milliseconds per call, and what one module of it holds."""

    group: str
    settings: PlainSettings
    samples_ms: list[float]
    chain: int
    inner: int
    parameters: int
    bytes: int
    flops: int


@dataclass(frozen=True)
class RawPlan:
    """A whole candidate timed for calibration."""

    plan: dict[str, PlainSettings]
    held_out: bool
    samples_ms: list[float]


@dataclass(frozen=True)
class ProfileAnswer:
    """All of a profile's raw measurements."""

    model: str
    conditions: Conditions
    original: RawModel
    operations: list[RawOperation]
    sites: dict[str, SiteUse]
    plans: list[RawPlan]


@dataclass(frozen=True)
class CandidatesAnswer:
    """Raw measurements of whole candidates by id; sample i of all of them is from the same repetition."""

    conditions: Conditions
    candidates: dict[str, RawModel]


@dataclass(frozen=True)
class MemoryAnswer:
    """The highest memory use of three forward passes in a process of their own, all weights resident."""

    peak_memory_mb: float
    source: str


ANSWERS: dict[JobName, type[ProfileAnswer] | type[CandidatesAnswer] | type[MemoryAnswer]] = {
    "profile": ProfileAnswer,
    "candidates": CandidatesAnswer,
    "memory": MemoryAnswer,
}


def write_plain(record: Any, path: Path) -> None:
    """A dataclass instance as JSON."""
    path.write_text(json.dumps(asdict(record)))
