"""A run asked again with other budgets, objectives or hardware: what is offered, and what little is still to train."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from greenfront.config import COST_OF, RunConfig
from greenfront.evaluators import Outputs
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import wording
from greenfront.search.allocation import Seed
from greenfront.search.candidate import Candidate
from greenfront.search.journal import Result, results_in
from greenfront.search.pool import Finished, Pool
from greenfront.search.profiles import useful
from greenfront.search.progress import Reporter
from greenfront.search.reopening import SAME_STUDY, Earlier
from greenfront.search.retries import Retries
from greenfront.search.run_folder import RunFolder
from greenfront.search.slack import missed_budgets, summed_cost
from greenfront.search.stored import say_stored, stored_candidates, stored_results, within
from greenfront.search.training_state import Weights
from greenfront.search.worker import Outcome
from greenfront.spaces import Choice, Plan, Settings, Space

NEAR = 0.1
"""A stored trial within this share of a plan's costs stands for it: predictions aren't much better."""


def is_resolved(run: RunFolder, earlier: Sequence[Earlier]) -> bool:
    """Whether the run's configuration asks for something else than one before, not only for more of it: any of them,
    as what the last one wanted may not have been trained when more of it was asked for."""
    keys = [key for one in earlier for key, *_ in run.differences(one.config)]
    return any(not key.startswith(SAME_STUDY) for key in keys)


def offered(
    space: Space, profiles: Mapping[str, HardwareProfile], config: RunConfig, earlier: Sequence[Earlier]
) -> Space:
    """The settings that are `useful` now, those that were, and whatever stored plans use: so these stay in the space,
    and what was computed of its settings stays true. Without what a target's runtime refuses.

    Raises:
        ConfigError: as `useful`.
    """
    now = useful(space, dict(profiles), config)
    begun = [one for one in earlier if one.study.exists()]  # the others came to nothing
    if not begun:
        return now
    spaces = [now, *(useful(space, one.profiles(), one.config) for one in begun)]
    for profile in profiles.values():
        space = profile.runnable(space)

    plans = [result.plan for result in stored_results(begun)]

    def was_offered(choice: Choice, settings: Settings) -> bool:
        if any(settings.items() <= plan.get(choice.site.path, {}).items() for plan in plans):
            return True
        return any(settings in other.settings for each in spaces for other in each.choices if other.name == choice.name)

    return space.restrict(was_offered)


def take_up(
    config: RunConfig,
    run: RunFolder,
    whole: Space,
    space: Space,
    profiles: Mapping[str, HardwareProfile],
    original: Candidate,
    earlier: Sequence[Earlier],
    report: Reporter,
) -> tuple[Candidate, list[Candidate]]:
    """Judge what is stored under this configuration, and say what it comes to; nothing is trained. `space` is what of
    `whole` is searched now. Gives the original and the candidates, some of them verified."""
    if not run.study.exists():
        *_, last = [one for one in earlier if one.study.exists()]
        forget_settings(run, space, offered(whole, last.profiles(), last.config, earlier))
    stored = stored_results(earlier)
    held = within(space, stored)
    if len(held) < len(stored):
        lost = len(stored) - len(held)
        report.note(f"{lost} of {len(stored)} stored trials have settings that can't be had any more")
    here = results_in(run.study)
    results = list({result.plan: result for result in [*held, *here]}.values())
    before, candidates = stored_candidates(run, results, original, profiles, config, earlier)
    say_stored(candidates, before, run, config, report)
    return before, candidates


def verified_earlier(earlier: Sequence[Earlier]) -> set[str]:
    """The candidates of earlier fronts, whose weights are kept: what was chosen then may still be exported."""
    fronts = [one.front for one in earlier if one.front is not None]
    return {candidate.id for front in fronts for candidate in front.candidates if candidate.verified}


def forget_settings(run: RunFolder, space: Space, before: Space) -> None:
    """Delete what was computed of every setting, where another space has others: it is computed again."""
    if space.choices != before.choices:
        run.significance.unlink(missing_ok=True)
        (run.library / "library.safetensors").unlink(missing_ok=True)


def uncovered(
    seeds: Sequence[Seed],
    results: Sequence[Result],
    profiles: Mapping[str, HardwareProfile],
    original: Candidate,
    config: RunConfig,
) -> list[Seed]:
    """The plans that no scored one within the budgets on costs, and none before them, is near to in all costs among the
    objectives."""
    names = [summed_cost(name) for name in config.objectives if name in COST_OF] or [summed_cost("latency")]
    profile = profiles[config.hardware[0].name]

    def point(plan: Plan) -> NDArray[np.float64]:
        cost = profile.predict(plan)
        return np.array([cost.value(name) for name in names])

    budgets = config.budgets.model_copy(update={"accuracy": None, "accuracy_drop": None})

    def fits(plan: Plan) -> bool:
        predicted = {name: each.predict(plan) for name, each in profiles.items()}
        return not missed_budgets(predicted, 0.0, original, budgets)

    known = {result.plan for result in results}
    points = [point(result.plan) for result in results if result.state == "scored" and fits(result.plan)]
    found = []
    for seed in seeds:
        here = point(seed.plan)
        if seed.plan not in known and not any((np.abs(there - here) <= NEAR * here).all() for there in points):
            found.append(seed)
            points.append(here)
    return found


def still_wanted(
    seeds: Sequence[Seed],
    config: RunConfig,
    results: Sequence[Result],
    profiles: Mapping[str, HardwareProfile],
    original: Candidate,
    earlier: Sequence[Earlier],
) -> tuple[list[Seed], RunConfig]:
    """The `uncovered` plans, and the configuration with as many trials as there are to be in all: `search.trials`, with
    whatever was begun under earlier configurations among them, or more where these plans take more."""
    new = uncovered(seeds, results, profiles, original, config)
    plans = {result.plan for result in results}
    begun = stored_results(earlier, ("scored", "failed", "paused"))
    elsewhere = sum(result.plan not in plans for result in begun)
    done = sum(result.state != "rejected" for result in results)
    trials = max(done + len(new), config.search.trials - elsewhere)
    return new, config.model_copy(update={"search": config.search.model_copy(update={"trials": trials})})


def train_again(
    results: Sequence[Result],
    pool: Pool,
    save: Callable[[Plan, Weights, Outputs, bool], None],
    metric: str,
    report: Reporter,
) -> None:
    """Train stored trials again for their weights, and `save` them, with whether they are as they were built. The same
    seed gives the same score; where it doesn't (another processor, other threads, another version of the program), that
    of the new weights counts, and it is said."""
    report.stage(f"Training {len(results)} stored {'candidate' if len(results) == 1 else 'candidates'} again")
    waiting, running, retries, done = list(enumerate(results)), dict[int, Result](), Retries(), 0
    report.advance(done, len(results))
    while waiting or running:
        while waiting and pool.free:
            tag, result = waiting.pop(0)
            pool.submit(tag, result.plan.id, result.plan.to_json())
            running[tag] = result
        for ended in map(Finished.brought, pool.wait(1.0)):
            result, outcome, weights = running.pop(ended.tag), ended.outcome, ended.weights
            if retries.again(outcome, 0, report):
                waiting.insert(0, (ended.tag, result))
                continue
            if weights is None or outcome.outputs is None:
                report.note(f"{outcome.plan_id} could not be trained again: {outcome.reason}")
            else:
                save(result.plan, weights, outcome.outputs, outcome.untrained)
                now, then = (_quality(each, metric) for each in (outcome, result))
                if now != then:
                    report.note(f"{outcome.plan_id} trained again: {now}; before: {then}")
            done += 1
            report.advance(done, len(results))


def _quality(of: Outcome | Result, metric: str) -> str:
    """What is scored, as far as it is shown."""
    nats = "-" if of.divergence is None else wording.number(of.divergence)
    built = ", as it was built" if of.untrained else ""
    return f"{metric} {wording.score(of.validation, metric)} at a divergence of {nats}{built}"
