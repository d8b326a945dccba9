"""A candidate: one plan with its score, its measured and predicted costs and where it came from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenfront.errors import GreenfrontError, RunError
from greenfront.evaluators.direction import natural
from greenfront.hardware_profiles.cost import Cost
from greenfront.search.fields import mapping, only, strings, take
from greenfront.search.finish_record import Finished
from greenfront.spaces.plan import Plan

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class CandidateScore:
    """How good a candidate is after quick fine-tuning: `metric` on validation and on test.

    `test` and its 95% bootstrap interval are None until the candidate is verified. Higher is better (a perplexity is
    kept as its inverse, and stands in `front.json` as itself); a validation score of NaN (a diverged candidate) is kept
    and never on the front.
    """

    metric: str
    validation: float
    test: float | None = None
    test_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Candidate:
    """One plan with what it costs on each target, how good it is and where it came from.

    `cost` is measured (None until verified, without targets whose machine isn't here), `predicted` comes from the
    hardware profile. `on_front`: on the front of the first target; `other_fronts`: the further targets on whose front
    it is. `missed` names the budgets that are missed, `tied` the ids whose validation score a paired test can't tell
    from this one; `finished` says that it was distilled for longer after the search, and what for;
    `untrained` that it is as it was built, as quick fine-tuning was not needed or made it no better.

    Raises:
        RunError: an id that isn't the plan's, or a verified candidate without measured cost or test score.
    """

    id: str
    plan: Plan
    score: CandidateScore
    cost: dict[str, Cost] | None
    predicted: dict[str, Cost]
    feasible: bool
    on_front: bool = False
    other_fronts: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    origin: str = ""
    verified: bool = False
    tied: tuple[str, ...] = ()
    finished: Finished | None = None
    untrained: bool = False
    checkpoint: Path | None = field(default=None, compare=False, repr=False)
    """Where its weights are kept; None where they aren't."""

    def __post_init__(self) -> None:
        if self.id != self.plan.id:
            raise RunError(f"candidate {self.id!r}: its id must be that of its plan, {self.plan.id!r}")
        if self.verified and (self.cost is None or self.score.test is None):
            raise RunError(f"candidate {self.id!r}: verified, but its cost or its test score is missing")

    def costs(self) -> dict[str, Cost]:
        """The measured costs per target, or the predicted ones where nothing was measured."""
        return {**self.predicted, **(self.cost or {})}

    def measured(self, target: str) -> bool:
        """Whether the cost on this target is a measured one."""
        return target in (self.cost or {})

    def model(self) -> "PreTrainedModel":
        """The model itself, in evaluation mode.

        Raises:
            RunError: its weights are not kept: only those of verified candidates are.
        """
        if self.checkpoint is None:
            raise RunError(f"no weights of candidate {self.id!r} are kept; search again with more `search.finalists`")
        from greenfront.spaces import load_checkpoint  # knows PyTorch; a candidate itself is light

        return load_checkpoint(self.checkpoint)

    def to_dict(self) -> dict[str, Any]:
        """Plain values as in `front.json`, which lists `other_fronts` beside the candidates; NaN becomes null."""
        score = self.score
        return {
            "id": self.id,
            "plan": self.plan.to_dict(),
            "score": {
                "metric": score.metric,
                "validation": None if math.isnan(score.validation) else natural(score.metric, score.validation),
                "test": None if score.test is None else natural(score.metric, score.test),
                "test_interval": None if score.test_interval is None else _ordered(score.metric, score.test_interval),
            },
            "cost": None if self.cost is None else {name: cost.to_dict() for name, cost in self.cost.items()},
            "predicted": {name: cost.to_dict() for name, cost in self.predicted.items()},
            "feasible": self.feasible,
            "on_front": self.on_front,
            "missed": list(self.missed),
            "origin": self.origin,
            "verified": self.verified,
            "tied": list(self.tied),
            **({} if self.finished is None else {"finished": self.finished.to_dict(score.metric)}),
            **({"untrained": True} if self.untrained else {}),
        }

    @classmethod
    def from_dict(cls, raw: object, where: str) -> "Candidate":
        """Inverse of `to_dict`; raises RunError that names `where` and what is wrong."""
        given = mapping(raw, where)
        fields = only({name: value for name, value in given.items() if name not in ONLY_SOME}, KEYS, where)
        cost = fields["cost"]
        try:
            return cls(
                id=take(fields, "id", str, where),
                plan=Plan(take(fields, "plan", dict, where)),
                score=_score(fields["score"], f"{where}.score"),
                cost=None if cost is None else _costs(cost, f"{where}.cost"),
                predicted=_costs(fields["predicted"], f"{where}.predicted"),
                feasible=take(fields, "feasible", bool, where),
                on_front=take(fields, "on_front", bool, where),
                missed=strings(fields, "missed", where),
                origin=take(fields, "origin", str, where),
                verified=take(fields, "verified", bool, where),
                tied=strings(fields, "tied", where),
                finished=_finished(given, where),
                untrained="untrained" in given and take(given, "untrained", bool, where),
            )
        except RunError:
            raise
        except (GreenfrontError, AttributeError, TypeError, ValueError) as error:
            # A plan whose settings aren't mappings fails inside Plan; costs fail with their own words.
            raise RunError(f"{where}: {error}") from error


KEYS = (
    "id", "plan", "score", "cost", "predicted", "feasible", "on_front", "missed", "origin", "verified",
    "tied",
)  # fmt: skip
ONLY_SOME = ("finished", "untrained")
"""What stands in `front.json` of those candidates alone of which it is so."""


def _finished(raw: Mapping[str, Any], where: str) -> Finished | None:
    """What only a finished candidate has."""
    if "finished" not in raw:
        return None
    return Finished.from_dict(raw["finished"], raw["score"]["metric"], f"{where}.finished")


def _score(raw: object, where: str) -> CandidateScore:
    fields = only(mapping(raw, where), ("metric", "validation", "test", "test_interval"), where)
    interval = fields["test_interval"]
    if interval is not None:
        if not isinstance(interval, list) or len(interval) != 2:
            raise RunError(f"{where}.test_interval: must be [low, high] or null, but got {interval!r}")
        interval = (
            _number(interval[0], f"{where}.test_interval"),
            _number(interval[1], f"{where}.test_interval"),
        )
    validation, test, metric = fields["validation"], fields["test"], take(fields, "metric", str, where)
    low, high = (None, None) if interval is None else _ordered(metric, interval)
    return CandidateScore(
        metric=metric,
        validation=math.nan if validation is None else natural(metric, _number(validation, f"{where}.validation")),
        test=None if test is None else natural(metric, _number(test, f"{where}.test")),
        test_interval=None if low is None or high is None else (low, high),
    )


def _ordered(metric: str, interval: tuple[float, float]) -> list[float]:
    """An interval between what is kept and the metric itself, the lower end first."""
    return sorted(natural(metric, end) for end in interval)


def _costs(raw: object, where: str) -> dict[str, Cost]:
    return {name: Cost.from_dict(mapping(cost, f"{where}.{name}")) for name, cost in mapping(raw, where).items()}


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RunError(f"{where}: must be a number, but got {value!r}")
    return float(value)
