"""What the report's page works with: every candidate's scores, costs, layers and history, and the question, as JSON."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from greenfront.config import COST_OF, HIGHER_IS_BETTER
from greenfront.errors import PlanError
from greenfront.evaluators.direction import INVERTED
from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.cost import Cost
from greenfront.search import slack, wording
from greenfront.search.candidate import Candidate
from greenfront.search.front import Front
from greenfront.search.history import History
from greenfront.search.journal import Result
from greenfront.search.layers_picture import layers_document
from greenfront.search.leading import leading_on


def front_view(
    front: Front, run: str, folder: Path, profiles: Mapping[str, HardwareProfile], history: History | None
) -> dict[str, Any]:
    """The front for `page/`. `run` is the folder as commands name it, `folder` where it lies.

    Costs stand as lists in the order of `costs`, behind them the ends of the latency's interval. Scores are as they are
    kept: more is better, and of an inverted metric the inverse.
    """
    tried = {} if history is None else {each.result.plan.id: each.result for each in history.tried}
    known = [profiles[target] for target in front.targets if target in profiles]
    everyone = (front.original, *front.candidates)
    layers, cells = layers_document({candidate.id: candidate.plan for candidate in front.candidates}, known)
    scored = {candidate.id for candidate in everyone}
    others = [r for r in (*tried.values(), *(() if history is None else history.rejected)) if r.plan.id not in scored]
    members = {
        target: {c.id for c in front.members_on(target) or leading_on(front, target)} for target in front.targets
    }
    original, *candidates = [
        _candidate(each, [target for target in front.targets if each.id in members[target]], tried.get(each.id),
                   cells.get(each.id))
        for each in everyone
    ]  # fmt: skip
    return {
        "run": run,
        "folder": str(folder.resolve()),
        "metric": front.metric,
        "inverted": front.metric in INVERTED,
        "targets": list(front.targets),
        "objectives": list(front.objectives),
        "axis": front.axis,
        "budgets": _budgets(front),
        "costs": _costs(front),
        "original": original,
        "candidates": candidates,
        "others": [told for result in others if (told := _other(front, result, profiles)) is not None],
        "layers": None if layers is None else {**layers, "trimmed": _trimmed(front, known[0])},
    }


def _budgets(front: Front) -> dict[str, dict[str, Any]]:
    text = slack.budgets_to_text(front.budgets)
    bounds = {
        name: {"value": bound.value, "relative": bound.relative, "text": text[name]}
        for name, bound in slack.cost_bounds(front.budgets).items()
    }
    quality = {"accuracy_drop": front.budgets.accuracy_drop, "accuracy": front.budgets.accuracy}
    return bounds | {
        name: {"value": value, "relative": name == "accuracy_drop", "text": text[name]}
        for name, value in quality.items()
        if value is not None
    }


def _costs(front: Front) -> list[dict[str, Any]]:
    own = [front.original.costs()[target] for target in front.targets]
    return [
        {
            "name": name, "place": place, "title": words.title, "scale": words.scale, "unit": words.unit,
            "axisUnit": words.axis_unit, "better": words.better, "worse": words.worse, "best": words.best,
            "higher": name in HIGHER_IS_BETTER, "estimated": any(wording.estimated(cost, of) for of in own),
        }
        for place, (name, cost) in enumerate(COST_OF.items())
        for words in [wording.WORDS[cost]]
    ]  # fmt: skip


def _candidate(
    candidate: Candidate, fronts: list[str], result: Result | None, cells: list[int] | None
) -> dict[str, Any]:
    score, done = candidate.score, candidate.finished
    return {
        "id": candidate.id,
        "origin": candidate.origin,
        "validation": _finite(score.validation),
        "test": score.test,
        "testInterval": None if score.test_interval is None else list(score.test_interval),
        "cost": None if candidate.cost is None else {name: _vector(cost) for name, cost in candidate.cost.items()},
        "predicted": {name: _vector(cost) for name, cost in candidate.predicted.items()},
        "feasible": candidate.feasible,
        "fronts": fronts,
        "missed": list(candidate.missed),
        "verified": candidate.verified,
        "tied": list(candidate.tied),
        "untrained": candidate.untrained,
        "finished": None if done is None else {
            "steps": done.steps, "shards": done.shards,
            "validation": _finite(done.after.validation), "divergence": _finite(done.after.divergence),
        },
        "trial": None if result is None else _trial(result),
        "layers": cells,
    }  # fmt: skip


def _trial(result: Result) -> dict[str, Any]:
    return {
        "number": result.number,
        "rungs": [[rung.steps, _finite(rung.validation), _finite(rung.divergence)] for rung in result.rungs],
        "steps": result.steps,
        "validation": _finite(result.validation),
        "divergence": _finite(result.divergence),
        "seconds": round(result.seconds, 2),
    }


def _other(front: Front, result: Result, profiles: Mapping[str, HardwareProfile]) -> dict[str, Any] | None:
    """A trial that was not scored to the end: rejected unseen, stopped on a rung, or failed.

    None where it has no place on the plot: without a profile, or of a space that today's profiles don't know.
    """
    try:
        predicted = {target: _vector(profiles[target].predict(result.plan)) for target in front.targets}
    except (KeyError, PlanError):
        return None
    words = {"paused": "stopped on a rung", "rejected": "rejected before training", "failed": "failed"}
    paused = result.state == "paused"
    return {
        "id": result.plan.id,
        "number": result.number,
        "state": words.get(result.state, result.state),
        "origin": result.origin,
        "reason": result.reason,
        "validation": _finite(result.validation) if paused else None,
        "test": None,
        "predicted": predicted,
    }


def _trimmed(front: Front, profile: HardwareProfile) -> int:
    """Parameters that went with tokens before the search: the profile is of what candidates are built from."""
    return front.original.costs()[profile.target.name].parameters - profile.original.parameters


def _vector(cost: Cost) -> Sequence[float]:
    return [*(cost.value(name) for name in COST_OF.values()), cost.latency_ms.low, cost.latency_ms.high]


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
