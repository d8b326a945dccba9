"""What a run has stored of earlier configurations: its trials, and its candidates judged anew without any training."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from greenfront.config import RunConfig
from greenfront.errors import PlanError
from greenfront.hardware_profiles import Cost, HardwareProfile
from greenfront.search import wording
from greenfront.search.candidate import Candidate
from greenfront.search.finishing import scored_candidates
from greenfront.search.front import pareto_mask
from greenfront.search.journal import Result, State
from greenfront.search.objectives import objective_values
from greenfront.search.progress import Reporter
from greenfront.search.reopening import HOW_MEASURED, Earlier, same_target
from greenfront.search.run_folder import RunFolder
from greenfront.search.slack import budget_slack, minimised, missed_budgets
from greenfront.search.study import Study
from greenfront.spaces import Plan, Space

HEAD = "from what is stored, before any new training"


def stored_results(earlier: Sequence[Earlier], states: Collection[State] = ("scored", "failed")) -> list[Result]:
    """Every plan that came to one of these states under an earlier configuration, once, in the order of the trials: by
    default where a trial ends, unless it was stopped on a rung."""
    found: dict[Plan, Result] = {}
    for one in reversed(earlier):
        for result in one.results:
            if result.state in states:
                found.setdefault(result.plan, result)
    return list(found.values())


def within(space: Space, results: Sequence[Result]) -> list[Result]:
    """The results whose plans a space holds."""

    def holds(plan: Plan) -> bool:
        try:
            space.indices(plan)
        except PlanError:
            return False
        return True

    return [result for result in results if holds(result.plan)]


def adopt(
    study: Study,
    results: Sequence[Result],
    original: Candidate,
    profiles: Mapping[str, HardwareProfile],
    config: RunConfig,
) -> None:
    """Give a study, and its journal, the stored results that it hasn't: plans and scores are what they were, costs and
    constraints those of this configuration. They have no rungs any more: they are over, and on the ladder of those that
    are begun here they would take the places. A kill on the way leaves the rest to the next start."""
    for result in within(study.space, [result for result in results if result.plan not in study.tried]):
        predicted = {name: profile.predict(result.plan) for name, profile in profiles.items()}
        slack = budget_slack(predicted, result.validation or 0.0, original, config.budgets)
        study.suggest(result.plan, result.origin)
        told = replace(result, number=study.ask().number, rungs=())
        constraints = {name: -share for name, share in slack.items()}
        study.keep(study.tell(told, objective_values(config, result, predicted), constraints))


def stored_candidates(
    run: RunFolder,
    results: Sequence[Result],
    original: Candidate,
    profiles: Mapping[str, HardwareProfile],
    config: RunConfig,
    earlier: Sequence[Earlier],
) -> tuple[Candidate, list[Candidate]]:
    """The original and every scored candidate under this configuration, with the costs that were measured on targets
    that are the same still, and predictions elsewhere. Verified is what needs no measuring: not the original.
    """
    original = replace(original, cost=_measured(original, config, earlier)[0] or None)
    found = []
    for candidate in scored_candidates(run, results, original, profiles, config):
        cost, before = _measured(candidate, config, earlier)
        over = missed_budgets({**candidate.predicted, **cost}, candidate.score.validation, original, config.budgets)
        candidate = replace(candidate, cost=cost or None, feasible=not over, missed=over)
        everywhere = all(target.elsewhere or target.name in cost for target in config.hardware)
        if before is not None and everywhere and run.candidate(candidate.id).exists():
            candidate = replace(candidate, cost=cost, score=before.score, verified=True)
        found.append(candidate)
    return original, found


def say_stored(
    candidates: Sequence[Candidate], original: Candidate, run: RunFolder, config: RunConfig, report: Reporter
) -> None:
    """Name the non-dominated candidates among those that meet every budget, cheapest first; `~`: predicted."""
    feasible = [candidate for candidate in candidates if candidate.feasible]
    names, target = config.objectives, config.hardware[0].name
    points = np.array([[_objective(c, name, target) for name in names] for c in feasible]).reshape(-1, len(names))
    best = [candidate for candidate, wins in zip(feasible, pareto_mask(points), strict=True) if wins]
    report.note(
        f"{HEAD}: {len(feasible)} of {len(candidates)} candidates meet every budget, "
        f"{len(best)} of them on the front of {', '.join(names)}"
    )
    reference = original.costs()[target]
    for candidate in sorted(best, key=lambda c: c.costs()[target].latency_ms.median):
        own, tilde = candidate.costs()[target], "" if candidate.measured(target) else "~"
        metric = candidate.score.metric
        latency, size = own.latency_ms.median, own.size_mb
        kept = "" if run.candidate(candidate.id).exists() else "; its weights were not kept"
        report.note(
            f"{candidate.id}: {metric} {wording.score(candidate.score.validation, metric)}, "
            f"{tilde}{wording.number(latency)} ms, "
            f"{wording.compared('latency_ms', reference.latency_ms.median, latency)}, "
            f"{tilde}{wording.number(size)} MB{kept}"
        )


def _measured(
    candidate: Candidate, config: RunConfig, earlier: Sequence[Earlier]
) -> tuple[dict[str, Cost], Candidate | None]:
    """What was measured of a candidate on targets that are the same, the latest first; and as it was verified then,
    where its weights are still those."""
    costs: dict[str, Cost] = {}
    same: Candidate | None = None
    for one in reversed(earlier):
        front = one.front
        everyone = {} if front is None else {c.id: c for c in (front.original, *front.candidates)}
        before = everyone.get(candidate.id)
        if before is None or not before.verified or before.finished != candidate.finished:
            continue
        same = same or before
        for target in config.hardware:
            known = any(same_target(target, other, HOW_MEASURED) for other in one.config.hardware)
            if known and before.measured(target.name):
                costs.setdefault(target.name, before.costs()[target.name])
    return costs, same


def _objective(candidate: Candidate, name: str, target: str) -> float:
    return -candidate.score.validation if name == "accuracy" else minimised(name, candidate.costs()[target])
