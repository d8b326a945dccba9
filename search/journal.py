"""The journal of a study: what its trials came to, as Optuna keeps it in a file that needs no space to be read."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from greenfront.search.encodings import PLAN
from greenfront.search.failures import Failure
from greenfront.search.journal_file import open_journal
from greenfront.spaces import Plan

NAME = "greenfront"
"""Of the study in its journal."""
State = Literal["scored", "paused", "rejected", "failed"]


@dataclass(frozen=True)
class RungScore:
    """A trial's metric and divergence on validation after so many steps; `seconds` since the rung before."""

    steps: int
    validation: float
    divergence: float
    seconds: float


@dataclass(frozen=True)
class Result:
    """One trial. `divergence` is the mean KL to the original on validation, in nats; None unless scored or paused.

    `rungs`: the scores before its training was finished, lowest first. A paused trial is as its last one says.
    `untrained`: what is scored is the candidate as it was built; training was not needed, or made it no better.
    `steps`: those that its training took up to its score; None where an earlier version did not write them down.
    `failure`: the kind of a failed one's reason, where it was written down; of a scored one `reason` says why its
    training ended early. `lost`: why it was tried again, once or more often.
    """

    number: int
    plan: Plan
    origin: str
    state: State
    validation: float | None = None
    divergence: float | None = None
    seconds: float = 0.0
    reason: str = ""
    rungs: tuple[RungScore, ...] = ()
    untrained: bool = False
    steps: int | None = None
    failure: Failure = ""
    lost: tuple[str, ...] = ()

    @property
    def needless(self) -> bool:
        """Whether no step was taken where some were to be: the candidate had lost too little to need any."""
        return self.steps == 0 and (self.untrained or (bool(self.rungs) and self.rungs[-1].steps > 0))


def attributes_of(result: Result) -> dict[str, Any]:
    """What a trial says of its plan beside parameters and values."""
    attributes: dict[str, Any] = {
        PLAN: result.plan.to_json(), "plan_id": result.plan.id, "origin": result.origin, "state": result.state,
        "validation": result.validation, "divergence": result.divergence, "seconds": result.seconds,
        "reason": result.reason,
    }  # fmt: skip
    rungs = [[rung.steps, rung.validation, rung.divergence, rung.seconds] for rung in result.rungs]
    told = {
        "rungs": rungs, "untrained": result.untrained, "failure": result.failure, "lost": [*result.lost],
    }  # fmt: skip
    steps = {} if result.steps is None else {"steps": result.steps}
    return attributes | {name: value for name, value in told.items() if value} | steps


def result_of(trial: FrozenTrial) -> Result:
    """A finished trial as it was told."""
    attributes = trial.user_attrs
    rungs = tuple(RungScore(*rung) for rung in attributes.get("rungs", ()))
    result = Result(
        trial.number, Plan.from_json(attributes[PLAN]), attributes["origin"], attributes["state"],
        attributes["validation"], attributes["divergence"], attributes["seconds"], attributes["reason"], rungs,
        attributes.get("untrained", False), attributes.get("steps"), attributes.get("failure", ""),
        tuple(attributes.get("lost", ())),
    )  # fmt: skip
    if trial.state != TrialState.RUNNING:
        return result
    # Killed while it was finished: its attributes may be of after that already, its rungs are not.
    seconds = sum(rung.seconds for rung in rungs)
    steps = None if result.steps is None else min(result.steps, rungs[-1].steps)
    return replace(
        result, state="paused", validation=rungs[-1].validation, divergence=rungs[-1].divergence, seconds=seconds,
        reason="", untrained=False, steps=steps, failure="",
    )  # fmt: skip


def results_in(journal: Path) -> list[Result]:
    """Every trial of a journal that was told, which needs no space to be read; none where there is no journal."""
    return [result_of(trial) for trial in trials_in(journal)]


def trials_in(journal: Path) -> list[FrozenTrial]:
    """The same trials as Optuna has them. Only reads, as a search may be writing there: Optuna passes over a last line
    that is half-written, by a search at this moment or before a crash.

    Raises:
        RunError: another line can't be read, see `open_journal`.
    """
    if not journal.exists():
        return []
    storage, _ = open_journal(journal)
    if not storage.get_all_studies():
        return []
    return [t for t in optuna.load_study(storage=storage, study_name=NAME).trials if not only_asked(t)]


def only_asked(trial: FrozenTrial) -> bool:
    """Whether a trial of a journal was under way when it was written, and had come to nothing yet."""
    return trial.state == TrialState.RUNNING and "rungs" not in trial.user_attrs


def asked_attributes(plan: Plan, origin: str) -> dict[str, Any]:
    """What a trial says of its plan while it is under way."""
    return {PLAN: plan.to_json(), "plan_id": plan.id, "origin": origin, "state": "asked"}


def drop_torn_line(journal: Path) -> None:
    """Cut off a last line that a crash left half-written: Optuna would write on behind it, and never read it again.

    For whoever writes to the journal, and is alone in that.
    """
    if journal.exists():
        content = journal.read_bytes()
        last = content[content.rfind(b"\n", 0, len(content) - 1) + 1 :]
        if content and not _whole(last):
            os.truncate(journal, len(content) - len(last))


def _whole(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
