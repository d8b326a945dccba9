"""What finishing did to a candidate: kept beside its weights, so that a later start doesn't do it again."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from greenfront.errors import RunError
from greenfront.evaluators.direction import natural
from greenfront.json_source import read_json
from greenfront.search.fields import mapping, only
from greenfront.search.run_folder import RunFolder


@dataclass(frozen=True)
class Quality:
    """What a candidate scores on validation: the metric, and the mean KL to the original in nats."""

    validation: float
    divergence: float


@dataclass(frozen=True)
class Attempt:
    """One longer distillation of a candidate. `shards`: 1 for a single run, else of how many runs the average was.

    `settings` are those of the configuration; `after` is the better result, None where every run failed.
    """

    settings: str
    steps: int
    shards: int
    accepted: bool
    before: Quality
    after: Quality | None
    seconds: float


@dataclass(frozen=True)
class Finished:
    """How a candidate was finished, as `front.json` has it: steps in all, and quality before and after."""

    steps: int
    shards: int
    before: Quality
    after: Quality

    @classmethod
    def of(cls, attempts: Sequence[Attempt]) -> "Finished | None":
        """What accepted attempts came to, one after the other; None without any."""
        done = [attempt for attempt in attempts if attempt.accepted]
        if not done or done[-1].after is None:
            return None
        return cls(sum(each.steps for each in done), done[-1].shards, done[0].before, done[-1].after)

    def to_dict(self, metric: str) -> dict[str, Any]:
        """Plain values, the metric as itself."""
        document = asdict(self)
        for name in ("before", "after"):
            document[name]["validation"] = natural(metric, document[name]["validation"])
        return document

    @classmethod
    def from_dict(cls, raw: object, metric: str, where: str) -> "Finished":
        """Inverse of `to_dict`; raises RunError that names `where`."""
        fields = only(mapping(raw, where), ("steps", "shards", "before", "after"), where)
        try:
            before, after = (Quality(**fields[name]) for name in ("before", "after"))
            return cls(
                int(fields["steps"]), int(fields["shards"]),
                Quality(natural(metric, before.validation), before.divergence),
                Quality(natural(metric, after.validation), after.divergence),
            )  # fmt: skip
        except (TypeError, ValueError) as error:
            raise RunError(f"{where}: {error}") from error


def attempts_on(run: RunFolder, id_: str) -> list[Attempt]:
    """Every attempt on a candidate, in their order.

    Raises:
        RunError: a record that can't be read.
    """
    path = record_of(run.finishing(id_))
    if not path.exists():
        return []
    try:
        return [_attempt(raw) for raw in read_json(path, finite=False)]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{path}: not a record of finishing ({error}); delete {path.parent}") from error


def finished(run: RunFolder, id_: str) -> Finished | None:
    """How a candidate whose weights are in the run folder was finished; None where it wasn't."""
    return Finished.of(attempts_on(run, id_))


def record_text(attempts: Sequence[Attempt]) -> str:
    """The record as JSON."""
    return json.dumps([asdict(attempt) for attempt in attempts], indent=1) + "\n"


def _attempt(raw: dict[str, Any]) -> Attempt:
    after = raw["after"]
    return Attempt(**{
        **raw, "before": Quality(**raw["before"]), "after": None if after is None else Quality(**after)
    })  # fmt: skip


def record_of(folder: Path) -> Path:
    """Where a finished candidate's folder has its record."""
    return folder / "record.json"
