"""A whole run, from the configuration to the verified front: the way of the data, one step a line."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from greenfront.config import RunConfig, load_config, parse_config
from greenfront.errors import BudgetError
from greenfront.evaluators import TaskData, score
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import wording
from greenfront.search.analysis import analysis_for
from greenfront.search.analysis_seeds import analysis_seeds
from greenfront.search.approximations import left_out
from greenfront.search.candidate import Candidate
from greenfront.search.claim import claimed
from greenfront.search.driver import Driver
from greenfront.search.finalists import Finalists
from greenfront.search.finishing import finish, scored_candidates
from greenfront.search.front import Front
from greenfront.search.given_plans import given_plans, given_seeds
from greenfront.search.growth import Growth
from greenfront.search.history import History
from greenfront.search.kept_plans import kept_plans
from greenfront.search.limits import budget_limits, first_plans, without
from greenfront.search.metric_check import check_metric, trusted_code
from greenfront.search.mirror import mirrored
from greenfront.search.outset import Outset
from greenfront.search.plot import plot_front
from greenfront.search.pool import Pool
from greenfront.search.prepare import (
    Teacher,
    prepare_library,
    prepare_original,
    prepare_significance,
    prepare_teacher,
)
from greenfront.search.profiles import check_targets, prepare_profiles, resolve_targets
from greenfront.search.progress import Reporter, Silent
from greenfront.search.proposals import without_quarantined
from greenfront.search.quarantine import Quarantine
from greenfront.search.ray_session import check_cluster, running_ray
from greenfront.search.reopening import Earlier, check_reopened, reopened
from greenfront.search.report import write_report
from greenfront.search.resolving import is_resolved, offered, still_wanted, take_up, train_again, verified_earlier
from greenfront.search.run_folder import RunFolder
from greenfront.search.sampling import check_sampler, make_study
from greenfront.search.search_space import search_space
from greenfront.search.slack import binding, budget_slack, least
from greenfront.search.status import is_finished
from greenfront.search.storage import check_storage
from greenfront.search.stored import adopt, stored_results
from greenfront.search.summary import Summary, trials_left, unreachable_budgets
from greenfront.search.time_limit import TimeLimit
from greenfront.search.told import known_of
from greenfront.search.trimming import prepare_base
from greenfront.search.unfinished import nothing_scored
from greenfront.search.verify import judge, original_candidate, verify
from greenfront.search.worker import Assignment
from greenfront.spaces import Library, Space
from greenfront.units import format_count


def search(config: RunConfig | Mapping[str, Any] | str | Path, *, report: Reporter | None = None) -> Front:
    """Run, or continue, a search and return its verified front; everything else is in the run folder.

    `config` is a YAML file, what would stand in one, or a RunConfig.

    Raises:
        ConfigError, DataError, RunError: what can't be used, before anything expensive begins.
        BudgetError: no candidate meets every budget; the run folder holds the front without the missed ones.
    """
    if isinstance(config, str | Path):
        config = load_config(Path(config))
    elif not isinstance(config, RunConfig):
        config = parse_config(config)
    if config.output is None:
        config = config.model_copy(update={"output": Path("runs") / "search"})
    return run_search(config, report or Silent()).located(RunFolder(Path(config.output or "")))


def run_search(config: RunConfig, report: Reporter, *, trials: bool = True) -> Front:
    """Search, verify, and write the run folder; continues a run of the same configuration.

    Without `trials` none is begun: what an interrupted search has found is finished and verified. A further start may
    do the rest.

    Raises:
        GreenfrontError: what can't be used, before anything expensive is begun.
        BudgetError: no candidate meets every budget; the front without the missed ones has been saved.
    """
    check_metric(config)
    if (said := trusted_code(config)) is not None:
        report.note(said)
    check_sampler(config)
    config = resolve_targets(config)
    run = check_reopened(config)
    if run.front.exists() and not run.differences(config):
        front = Front.load(run.front)
        if is_finished(front) and not (trials and trials_left(run)):
            report.note(f"{run.path} is finished; `greenfront show {run.path}` shows it")
            return _checked(front, unreachable_budgets(run))
    check_cluster(config.ray)
    check_storage(config.search.storage)
    with claimed(config, reopened) as run:
        return _run(config, run, report, trials)


def _run(config: RunConfig, run: RunFolder, report: Reporter, trials: bool) -> Front:
    summary = Summary({})

    def whole_space(model: PreTrainedModel) -> Space:
        check_targets(config, model)
        given_plans(config, model)  # refused before anything expensive, if at all
        return search_space(model, config)

    with summary.stage("original"):
        read, processor, loaded = prepare_original(config, run, report, check=whole_space)
        base = prepare_base(config, run, read, processor, loaded, report)
        data, model = base.data, base.model
    whole = whole_space(model)
    for refusal in whole.refusals:
        report.note(f"{refusal.method} leaves {refusal.path or 'the model'} alone: {refusal.reason}")
    with summary.stage("profile"):
        profiles = prepare_profiles(config, run, whole, report)
    gone = left_out(whole, profiles)
    earlier = Earlier.all(run)
    space = offered(whole, profiles, config, earlier)
    report.note(f"{len(space.choices)} choices at {len(space.sites)} sites, {format_count(space.size)} plans")
    with summary.stage("teacher"):
        teacher = prepare_teacher(config, run, data, model, report)
    validation = score(teacher.outputs).value
    original = original_candidate(validation, profiles, config, trimmed=base.trimmed)
    report.note(f"original: {config.data.metric} {wording.score(validation, config.data.metric)} on validation")
    if earlier:
        with summary.stage("stored"):
            before, stored = take_up(config, run, whole, space, profiles, original, earlier, report)
            _write(run, config, before, judge(before, stored, config), profiles, gone, report)
    with summary.stage("library"):
        library = prepare_library(config, run, space, data, model, report)
    with summary.stage("significance"):
        losses = prepare_significance(config, run, space, data, model, library, teacher, report)
    with summary.stage("analysis"):
        analysis = analysis_for(config, run, space, data, model, report)

    with summary.stage("first plans"):
        report.stage("Solving for the first plans")
        unreachable, limits = budget_limits(config, space, profiles, original.predicted)
        for name in unreachable:
            report.note(f"no plan can meet the budget on {name}, by prediction; searching without it")
        searched = without(config, unreachable)
        study = make_study(searched, space, losses, profiles, original.predicted, limits, run.study)
        adopt(study, stored_results(earlier), original, profiles, config)
        allowed = without_quarantined(space, losses, Quarantine(study.results))
        solve = partial(first_plans, searched, space, allowed, profiles, original.predicted, limits)
        firsts = kept_plans(run, solve)
        if is_resolved(run, earlier):
            firsts, searched = still_wanted(firsts, searched, study.results, profiles, original, earlier)
            report.note(f"plans at costs that no stored trial is near to: {len(firsts)}")
        else:
            firsts += analysis_seeds(analysis, space) if analysis is not None else []
        for seed in [*given_seeds(given_plans(config, model), space, report), *firsts]:
            study.suggest(seed.plan, seed.origin)
    study.keep_outset(Outset(original, unreachable, tuple(gone)).to_dict())
    driver = Driver(searched, run, study, profiles, original, losses, limits, model, base.processor)
    driver.contenders.spare(verified_earlier(earlier))
    assignment = _assignment(searched, data, teacher, library, model)
    finalists = Finalists(config, run, study, profiles, original)
    try:
        with summary.stage("search"):
            _search(searched, driver, assignment, finalists if earlier else None, report, trials)
        if all(result.state != "scored" for result in study.results):
            slacks = {
                result.plan.id: budget_slack(
                    driver.predict(result.plan), original.score.validation, original, searched.budgets
                )
                for result in study.results
            }
            raise nothing_scored(study.results, slacks)
        with summary.stage("finishing"):
            finish(config, run, finalists.members(), original, assignment, data, base.processor, report)
        with summary.stage("verification"):
            everyone = scored_candidates(run, study.results, original, profiles, config)
            ids = {result.plan.id for result in finalists.chosen()}
            chosen = [candidate for candidate in everyone if candidate.id in ids]
            original, verified = verify(chosen, original, profiles, data, read.test, config, run, report)
            candidates = judge(original, [*verified, *(c for c in everyone if c.id not in ids)], config, unreachable)
    except BaseException:
        # Whatever ends search or verification, what is done stays usable: every scored candidate, by prediction.
        everyone = scored_candidates(run, study.results, original, profiles, config)
        candidates = judge(original, everyone, config, unreachable)
        _write(run, config, original, candidates, profiles, gone, report, searched)
        raise
    left = 0 if trials else driver.trials_left
    summary.write(run, config, driver.timing, unreachable, study.results, trials_left=left)
    front = _write(run, config, original, candidates, profiles, gone, report, searched)
    return _checked(front, unreachable)


def _search(
    config: RunConfig,
    driver: Driver,
    assignment: Assignment,
    finalists: Finalists | None,
    report: Reporter,
    trials: bool = True,
) -> None:
    """Every trial that is still to do; then, of a run that is taken up, those whose weights are wanted again."""
    if driver.complete:
        driver.paused.clear()  # the last start may have been killed before it did
    nothing = driver.complete or not trials
    if nothing and not (finalists and finalists.weightless()):
        return
    workers = config.workers()
    growth = Growth.of(config)
    report.stage(f"Starting {growth}")
    name = driver.run.path.name
    with mirrored(config.search.storage, driver.study, name, report), running_ray(config.ray, workers):
        limit = TimeLimit.of(config.search.trial_limit, config.fine_tune.steps, driver.study.results)
        pool = Pool(assignment, workers, limit, growth)
        if not nothing:
            what = "Searching" if config.search.rungs is None else "Searching, by steps of training"
            report.stage(what, driver.outlook.seconds_left(*driver.progress))
            driver.search(pool, report)
        if finalists and (again := finalists.weightless()):
            train_again(again, pool, driver.keep_weights, config.data.metric, report)


def _assignment(config: RunConfig, data: TaskData, teacher: Teacher, library: Library, model: Any) -> Assignment:
    return Assignment(
        original=model, library=library, train=teacher.train, train_logits=teacher.train_logits,
        validation=data.validation, validation_logits=teacher.validation_logits, fine_tune=config.fine_tune,
        metric=config.data.metric, seed=config.search.seed, threads=config.ray.threads_per_worker,
        device="cuda" if config.ray.resources_per_worker.gpu else "cpu",
    )  # fmt: skip


def _write(
    run: RunFolder,
    config: RunConfig,
    original: Candidate,
    candidates: tuple[Candidate, ...],
    profiles: Mapping[str, HardwareProfile],
    gone: Sequence[str],
    report: Reporter,
    searched: RunConfig | None = None,
) -> Front:
    """`searched`: the configuration with the budgets that were searched within, once there was a search."""
    report.stage("Writing the front")
    targets = tuple(target.name for target in config.hardware)
    history = None if searched is None else History.of(run, searched, original, profiles)
    failed = Quarantine(each.result for each in history.tried).settings if history is not None else {}
    front = Front(
        original, candidates, config.data.metric, targets, config.budgets, config.objectives,
        quarantined=tuple(failed.values()),
    )  # fmt: skip
    front.save(run.front)
    plot_front(front, run.picture)
    write_report(front, run.report, **known_of(run, config, profiles, gone, history, report))
    return front


def _checked(front: Front, unreachable: Sequence[str]) -> Front:
    """The front itself, when a verified candidate meets every budget; raises BudgetError otherwise."""
    verified = [candidate for candidate in front.candidates if candidate.verified]
    if any(candidate.feasible for candidate in verified) or not verified:
        return front
    slacks = {c.id: budget_slack(c.costs(), c.score.validation, front.original, front.budgets) for c in verified}
    closest = max(slacks, key=lambda id_: least(slacks[id_]))
    name = binding(slacks[closest])
    word = "no plan in this space can" if name in unreachable else "no candidate does"
    raise BudgetError(
        f"{word} meet every budget: the closest is {closest}, which misses {name} by "
        f"{-least(slacks[closest]):.1%} of its limit; the front without that budget has been saved"
    )
