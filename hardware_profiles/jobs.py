"""What a measuring process is asked for and what it answers: plain data, as JSON, with raw samples only."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from greenfront.hardware_profiles.cost import EnergySource
from greenfront.hardware_profiles.fingerprint import Conditions
from greenfront.hardware_profiles.records import Interpolated, PlainSettings, Refused, SiteUse
from greenfront.hardware_profiles.sampling import FEW
from greenfront.hardware_profiles.target import Target

JobName = Literal["profile", "candidates", "latency", "memory"]


@dataclass(frozen=True)
class Job:
    """One fresh process's work: the models in `folders`, measured for a target."""

    name: JobName
    target: Target
    folders: dict[str, str]
    seed: int
    seconds: float
    """For the timing loop, minimum repetitions come first."""
    scratch: str = ""
    """Where this process leaves what it deploys, a folder per model; latency and memory jobs come after it."""
    space: str | None = None
    """A Space as JSON, for a profile."""
    repetitions: int = FEW
    """At least, of a latency job."""
    plans: dict[str, dict[str, PlainSettings]] | None = None
    """What a latency job in PyTorch times beside the folders: untrained candidates of the original, by id."""


@dataclass(frozen=True)
class RawModel:
    """A whole model: milliseconds of single forward passes, what it holds, and what a query takes."""

    samples_ms: list[float]
    large_samples_ms: list[float]
    parameters: int
    flops: int
    deployed_bytes: int
    """Of what the runtime ships; 0 for a model without a file."""
    deployed: str
    """Where that is, for latency and memory jobs."""
    energy_j: float
    energy_source: EnergySource


@dataclass(frozen=True)
class RawOperation:
    """An operation that was timed, and what one module of it holds."""

    group: str
    settings: PlainSettings
    chain: int
    inner: int
    parameters: int
    bytes: int
    flops: int


@dataclass(frozen=True)
class RawPlan:
    """A whole candidate timed for calibration; its samples stand in the rounds under its plan's id."""

    plan: dict[str, PlainSettings]
    held_out: bool


@dataclass(frozen=True)
class RawRound:
    """Milliseconds by name: a list for each repetition, in which everything was timed as often as in the others.

    `whole_ms`: `original` and plans by their ids; `operations_ms`: operations by `records.operation_name`, per call.
    """

    whole_ms: dict[str, list[list[float]]]
    operations_ms: dict[str, list[list[float]]]


@dataclass(frozen=True)
class RawRounds:
    """What a profile's rounds have measured so far, and what they have left out."""

    operations: list[RawOperation]
    interpolated: list[Interpolated]
    refused: list[Refused]
    sites: dict[str, SiteUse]
    plans: list[RawPlan]
    rounds: list[RawRound]


@dataclass(frozen=True)
class ProfileAnswer:
    """All of a profile's raw measurements."""

    model: str
    conditions: Conditions
    original: RawModel
    measured: RawRounds
    large_ms: dict[str, list[list[float]]]
    """Large queries of the original and of some of the plans, as in a round."""
    deployed: dict[str, str]
    """Where the original lies as deployed, for latency jobs, and every plan that does, by id."""


@dataclass(frozen=True)
class CandidatesAnswer:
    """Raw measurements of whole candidates by id; sample i of all of them is from the same repetition."""

    conditions: Conditions
    waited: float | None
    """The share of the timing in which the measured threads were ready but others had their processors."""
    candidates: dict[str, RawModel]


@dataclass(frozen=True)
class LatencyAnswer:
    """Milliseconds of single forward passes of deployed candidates by id, in the repetitions' order as well."""

    conditions: Conditions
    waited: float | None
    """As in `CandidatesAnswer`."""
    samples_ms: dict[str, list[float]]


@dataclass(frozen=True)
class MemoryAnswer:
    """The highest memory use of three forward passes in a process of their own, all weights resident."""

    peak_memory_mb: float
    source: str


Answer = ProfileAnswer | CandidatesAnswer | LatencyAnswer | MemoryAnswer

ANSWERS: dict[JobName, type[Answer]] = {
    "profile": ProfileAnswer,
    "candidates": CandidatesAnswer,
    "latency": LatencyAnswer,
    "memory": MemoryAnswer,
}


def write_plain(record: Any, path: Path) -> None:
    """A dataclass instance as JSON."""
    path.write_text(json.dumps(asdict(record)))
