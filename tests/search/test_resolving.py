"""A run taken up: stored trials under new costs and budgets, what is still wanted, weights that are trained again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from greenfront.config import SpaceConfig
from greenfront.evaluators import Outputs
from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.records import Calibration
from greenfront.search import RunFolder, resolving
from greenfront.search.allocation import Seed
from greenfront.search.candidate import Candidate, CandidateScore
from greenfront.search.finalists import Finalists
from greenfront.search.finish_record import attempts_on
from greenfront.search.finishing import Finisher, as_kept, scored_candidates
from greenfront.search.front import Front
from greenfront.search.journal import Result, results_in
from greenfront.search.keeping import keep_candidate
from greenfront.search.profiles import useful
from greenfront.search.reopening import Earlier, reopened
from greenfront.search.resolving import is_resolved, offered, still_wanted, take_up, train_again, uncovered
from greenfront.search.samplers import make_sampler
from greenfront.search.stored import adopt, stored_results, within
from greenfront.search.study import Study
from greenfront.search.training_state import Weights
from greenfront.search.verify import original_candidate
from greenfront.search.worker import Worker
from greenfront.spaces import Plan, Space, find_space, load_checkpoint
from tests.search.inline_pool import InlinePool
from tests.search.test_driver import Notes
from tests.search.test_driver import weights_are_here as weights_are_here
from tests.search.test_promotions import RungPool, on_rungs, sections
from tests.search.test_reopening import SEARCH, asked, finished_run, known
from tests.search.tiny_assignment import assignment
from tests.search.toy_run import LENGTH, toy_model, toy_profile, toy_space


def taken_up(
    folder: Path, profile: HardwareProfile, whole: Space | None = None, **sections: object
) -> tuple[RunFolder, Candidate, list[Candidate], Notes]:
    config, whole, report = asked(folder, **sections), whole or toy_space(), Notes()
    run = reopened(config)
    profile.save(run.profile("toy"))
    earlier, profiles = Earlier.all(run), {"toy": profile}
    space = offered(whole, profiles, config, earlier)
    original = original_candidate(1.0, profiles, config)
    before, candidates = take_up(config, run, whole, space, profiles, original, earlier, report)
    adopt(journal(run, space, len(config.objectives)), stored_results(earlier), original, profiles, config)
    return run, before, candidates, report


def journal(run: RunFolder, space: Space | None = None, objectives: int = 2) -> Study:
    return Study(space or toy_space(), ["v"] * objectives, make_sampler("random", {}, 0), run.study)


def test_stored_trials_are_judged_under_other_budgets_at_once(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run")
    before = known(run)
    latencies = sorted(toy_profile().predict(result.plan).latency_ms.median for result in before)
    middle = (latencies[2] + latencies[-1]) / 2
    within = sum(latency <= middle for latency in latencies)
    assert 0 < within < 6
    _, _, candidates, report = taken_up(tmp_path / "run", toy_profile(), budgets={"latency": f"{middle:.6f} ms"})
    assert {c.id for c in candidates} == {result.plan.id for result in before}
    assert sum(candidate.feasible for candidate in candidates) == within
    head = next(note for note in report.notes if note.startswith("from what is stored, before any new training"))
    assert f"{within} of 6 candidates meet every budget" in head
    assert known(run) == before
    trials = journal(run)._journal.trials
    assert [trial.constraints["latency"] <= 0 for trial in trials].count(True) == within


def test_the_new_journal_has_the_costs_of_another_profile(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run")
    slower = toy_profile(ms_per_rank=0.3)
    hardware = {"name": "toy", "sequence_length": 16, "threads": 2}
    run, _, candidates, _ = taken_up(tmp_path / "run", slower, hardware=hardware)
    for candidate in candidates:
        assert candidate.predicted["toy"] == slower.predict(candidate.plan)
    for trial in journal(run)._journal.trials:
        plan = Plan.from_json(trial.user_attrs["plan"])
        assert trial.values == [trial.user_attrs["divergence"], slower.predict(plan).latency_ms.median]


def test_a_third_objective_is_no_obstacle(tmp_path: Path) -> None:
    finished_run(tmp_path / "run")
    run, *_ = taken_up(tmp_path / "run", toy_profile(), objectives=["accuracy", "latency", "size"])
    study = journal(run, objectives=3)
    assert all(len(trial.values) == 3 for trial in study._journal.trials)
    assert len(study.results) == 6


def test_a_kill_while_trials_are_adopted_leaves_the_rest_to_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = known(finished_run(tmp_path / "run"))
    told = Study.keep

    def dies(self: Study, trial: object) -> None:
        if trial.number == 3:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        told(self, trial)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Study, "keep", dies)
        with pytest.raises(KeyboardInterrupt):
            taken_up(tmp_path / "run", toy_profile(), budgets={"latency": "90%"})
    assert [result.number for result in results_in(RunFolder(tmp_path / "run").study)] == [0, 1, 2]
    run, _, candidates, _ = taken_up(tmp_path / "run", toy_profile(), budgets={"latency": "90%"})
    assert known(run) == before
    assert {candidate.plan for candidate in candidates} == {result.plan for result in before}
    assert [result.number for result in results_in(run.study)] == list(range(6))


def test_settings_that_were_offered_still_are(tmp_path: Path) -> None:
    run, profile = finished_run(tmp_path / "run"), toy_profile()
    path = toy_space().sites[0].path
    (whole,) = (each for each in profile.operations if each.group == path and not each.settings)
    operations = [replace(each, latency=whole.latency) if each.group == path else each for each in profile.operations]
    dear = replace(profile, operations=tuple(operations))
    config = asked(run.path, budgets={"latency": "50%"})
    reopened(config)
    assert path not in [site.path for site in useful(toy_space(), {"toy": dear}, config).sites]
    assert offered(toy_space(), {"toy": dear}, config, Earlier.all(run)).choices == toy_space().choices


def test_what_stored_plans_use_is_offered_though_it_saves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where another version of the program finds other settings useful."""
    run, whole = finished_run(tmp_path / "run"), toy_space()
    config = asked(run.path, budgets={"latency": "50%"})
    reopened(config)
    last = whole.choices[-1].name
    monkeypatch.setattr(resolving, "useful", lambda space, *_: space.restrict(lambda c, _: c.name == last))
    space = offered(whole, {"toy": toy_profile()}, config, Earlier.all(run))
    assert within(space, list(known(run))) == list(known(run))
    used = {(path, rank["rank"]) for result in known(run) for path, rank in result.plan.items()}
    others = {(c.site.path, s["rank"]) for c in space.choices if c.name != last for s in c.settings}
    assert others == {(path, rank) for path, rank in used if path != whole.choices[-1].site.path}


def test_what_a_runtime_refuses_now_is_left_out_with_its_trials(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run")
    run.significance.write_text("{}")
    whole = toy_space()
    ranks = {site.path: {r.plan.get(site.path, {}).get("rank", 4) for r in known(run)} for site in whole.sites}
    path = next(path for path, found in ranks.items() if len(found) > 1)
    smaller = whole.restrict(lambda choice, settings: choice.site.path != path or settings["rank"] == 4)
    run, _, candidates, report = taken_up(tmp_path / "run", toy_profile(), smaller, budgets={"latency": "95%"})
    allowed = {r.plan for r in known(run) if r.plan.get(path, {}).get("rank", 4) == 4}
    assert {c.plan for c in candidates} == allowed
    assert any(f"{6 - len(allowed)} of 6 stored trials have settings" in note for note in report.notes)
    assert len({result.plan for result in known(run)}) == 6  # in the earlier journal they stand still
    assert run.significance.exists()  # the space of before, as far as there is one, has the same settings


def point(rank: int) -> Plan:
    return Plan({site.path: {"rank": rank} for site in toy_space().sites})


def test_plans_are_wanted_where_no_stored_one_is_near(tmp_path: Path) -> None:
    profile, config = toy_profile(), asked(tmp_path / "run")
    original = original_candidate(1.0, {"toy": profile}, config)
    stored = Result(0, point(4), "sampler", "scored", 0.9, 0.1)
    sites = [site.path for site in toy_space().sites]
    near = Plan({path: {"rank": 6 if path == sites[0] else 4} for path in sites})
    seeds = [Seed(near, "a"), Seed(point(2), "b"), Seed(point(2), "again"), Seed(point(6), "c")]
    wanted = uncovered(seeds, [stored], {"toy": profile}, original, config)
    assert [seed.origin for seed in wanted] == ["b", "c"]
    failed = [replace(stored, state="failed"), replace(stored, plan=point(6), state="failed")]
    assert [s.origin for s in uncovered(seeds, failed, {"toy": profile}, original, config)] == ["a", "b"]
    # One that misses a budget stands for none.
    tight = asked(tmp_path / "run", budgets={"size": f"{profile.predict(point(4)).size_mb - 0.001} MB"})
    assert [s.origin for s in uncovered(seeds, [stored], {"toy": profile}, original, tight)] == ["a", "b", "c"]


@pytest.mark.parametrize(("trials", "expected"), [(6, 7), (7, 7), (10, 10)])
def test_there_are_as_many_trials_as_wanted_plans_or_as_asked_for(tmp_path: Path, trials: int, expected: int) -> None:
    run = finished_run(tmp_path / "run")
    config = asked(run.path, search={**SEARCH, "trials": trials}, budgets={"latency": "99%"})
    reopened(config)
    assert is_resolved(run, Earlier.all(run))
    profiles, results = {"toy": toy_profile()}, sorted(known(run), key=lambda result: result.number)
    original = original_candidate(1.0, profiles, config)
    seeds = [Seed(point(2), "allocation 20% latency")]
    wanted, searched = still_wanted(seeds, config, results, profiles, original, Earlier.all(run))
    assert (len(wanted), searched.search.trials) == (1, expected)
    results.append(Result(6, point(2), "allocation 20% latency", "scored", 0.5, 0.5))
    wanted, searched = still_wanted(seeds, config, results, profiles, original, Earlier.all(run))
    assert (len(wanted), searched.search.trials) == (0, expected)  # a restart wants no more


def test_trials_that_were_stopped_on_a_rung_were_begun(tmp_path: Path) -> None:
    """As many plans as they are would be asked for anew otherwise, though nobody asks for more trials."""
    folder, rungs = tmp_path / "run", sections(12)
    driver = on_rungs(folder)
    driver.search(RungPool(), Notes())
    toy_profile().save(driver.run.profile("toy"))
    scored = sum(result.state == "scored" for result in driver.study.results)
    assert 0 < scored < len(driver.study.results) == 12
    run, *_ = taken_up(folder, toy_profile(), **{**rungs, "budgets": {"latency": "99%"}})
    profiles, results, earlier = {"toy": toy_profile()}, results_in(run.study), Earlier.all(run)
    assert len(results) == scored
    for trials, more in ((12, 0), (15, 3)):
        config = asked(folder, **{**sections(trials), "budgets": {"latency": "99%"}})
        for seeds in ([], [Seed(point(2), "allocation 20% latency")]):
            wanted, searched = still_wanted(seeds, config, results, profiles, driver.original, earlier)
            assert wanted == seeds
            assert searched.search.trials == scored + max(len(seeds), more)


def test_more_trials_are_no_new_question(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run")
    assert not is_resolved(run, Earlier.all(run))
    reopened(asked(run.path, search={**SEARCH, "trials": 9}, finish={"steps": 3}))
    assert not is_resolved(run, Earlier.all(run))


def test_another_question_stays_one_when_a_finish_is_asked_for_as_well(tmp_path: Path) -> None:
    """The plans that it wants may not have been trained when it was interrupted."""
    run = finished_run(tmp_path / "run")
    reopened(asked(run.path, budgets={"latency": "50%"}))
    assert is_resolved(run, Earlier.all(run))
    # Interrupted after its first trials, as those of before are adopted.
    run.study.write_bytes(Earlier.all(run)[0].study.read_bytes())
    reopened(asked(run.path, budgets={"latency": "50%"}, finish={"steps": 3}))
    assert len(Earlier.all(run)) == 2
    assert run.study.exists()
    assert is_resolved(run, Earlier.all(run))


def test_measured_costs_stay_where_the_target_is_the_same(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run")
    front = Front.load(run.front)
    chosen = front.candidates[0]
    (run.candidate(chosen.id)).mkdir(parents=True, exist_ok=True)
    measured = replace(chosen.predicted["toy"], size_mb=0.5)
    verified = replace(
        chosen, cost={"toy": measured}, verified=True,
        score=CandidateScore("accuracy", chosen.score.validation, 0.7, (0.6, 0.8)),
    )  # fmt: skip
    replace(front, candidates=(verified, *front.candidates[1:])).save(run.front)
    _, _, candidates, _ = taken_up(run.path, toy_profile(), budgets={"size": "0.6 MB"})
    by_id = {candidate.id: candidate for candidate in candidates}
    assert (by_id[chosen.id].cost, by_id[chosen.id].verified) == ({"toy": measured}, True)
    assert by_id[chosen.id].feasible == (measured.size_mb <= 0.6)
    assert all(candidate.cost is None for id_, candidate in by_id.items() if id_ != chosen.id)
    hardware = {"name": "toy", "sequence_length": 16, "threads": 2}
    _, _, candidates, _ = taken_up(run.path, toy_profile(), hardware=hardware)
    assert all(candidate.cost is None and not candidate.verified for candidate in candidates)


def test_weights_that_were_not_kept_are_trained_again_to_the_same_score(tmp_path: Path) -> None:
    config = asked(tmp_path / "run", search={**SEARCH, "finalists": 2})
    run, profiles, work = RunFolder.create(config), {"toy": toy_profile()}, assignment()
    study, plans = journal(run), [point(4), point(2)]
    for plan in plans:
        study.suggest(plan, "sampler")
        proposal = study.ask()
        outcome, weights = Worker(work).evaluate(plan.to_json())
        assert outcome.outputs is not None
        assert weights is not None
        result = Result(proposal.number, plan, "sampler", "scored", outcome.validation, outcome.divergence)
        study.keep(study.tell(result, [outcome.divergence or 0.0, float(len(plan))], {}))
        if plan == plans[0]:
            keep_candidate(run, toy_model(), plan, weights, outcome.outputs, None)
    finalists = Finalists(config, run, study, profiles, original_candidate(1.0, profiles, config))
    assert [result.plan for result in finalists.chosen()] == plans[:1]
    (gone,) = finalists.weightless()
    assert gone.plan == plans[1]

    def save(plan: Plan, weights: Weights, outputs: Outputs, untrained: bool) -> None:
        keep_candidate(run, toy_model(), plan, weights, outputs, None, untrained=untrained)

    report = Notes()
    train_again([gone], InlinePool(work), save, "accuracy", report)
    assert finalists.weightless() == []
    assert {result.plan for result in finalists.chosen()} == set(plans)
    assert report.notes == []
    assert report.done[-1] == (1, 1)
    trained = load_checkpoint(run.candidate(gone.plan.id)).state_dict()
    assert weights is not None
    assert all(np.array_equal(value.numpy(), weights[name]) for name, value in trained.items())
    train_again([replace(gone, validation=0.123)], InlinePool(work), save, "accuracy", report)
    assert "; before: accuracy 0.123 at a divergence of " in report.notes[-1]
    train_again([gone], InlinePool(work, {0: "the worker died"}), save, "accuracy", report)
    assert report.notes[-1].endswith("could not be trained again: the worker died")


def test_what_is_trained_again_to_something_better_is_not_finished_to_something_worse(tmp_path: Path) -> None:
    """An earlier version trained everyone at the full rate; what lost next to nothing stays as it was built now."""
    config, plan = asked(tmp_path / "run", finish={"steps": 4}), Plan({toy_space().sites[0].path: {"bits": 8}})
    bits = find_space(toy_model(), SpaceConfig.model_validate({"methods": ["bits"]}), LENGTH)
    profile = replace(toy_profile(space=bits), calibration=Calibration(1.0, 1.0, {"bits": 0.0}, ()))
    run, profiles, work = RunFolder.create(config), {"toy": profile}, assignment(learning_rate=3.0)
    original = original_candidate(1.0, profiles, config)
    then = Result(0, plan, "sampler", "scored", 1.0, 0.0176)

    def save(plan: Plan, weights: Weights, outputs: Outputs, untrained: bool) -> None:
        keep_candidate(run, toy_model(), plan, weights, outputs, None, untrained=untrained)

    report = Notes()
    train_again([then], InlinePool(work), save, "accuracy", report)
    (now,) = as_kept(run, [then], "accuracy")
    assert now.untrained
    assert now.divergence is not None
    assert now.divergence < 2e-4
    (note,) = report.notes
    assert note.startswith(f"{plan.id} trained again: accuracy ")
    assert note.endswith(", as it was built; before: accuracy 1.000 at a divergence of 0.0176")
    (candidate,) = scored_candidates(run, [then], original, profiles, config)
    assert candidate.untrained
    assert "untrained" in candidate.to_dict()

    # What finishing makes of it is worse, though better than it was once.
    Finisher(config, run, toy_model(), None, [], [], report).work(InlinePool(assignment(learning_rate=1e-3)), [now])
    (attempt,) = attempts_on(run, plan.id)
    assert attempt.after is not None
    assert attempt.before.divergence == now.divergence < attempt.after.divergence < 0.0176
    assert not attempt.accepted
    assert as_kept(run, [then], "accuracy") == [now]


def test_what_an_earlier_version_kept_has_the_divergence_of_its_trial(tmp_path: Path) -> None:
    run = RunFolder.create(asked(tmp_path / "run"))
    result = Result(0, point(4), "sampler", "scored", 0.9, 0.1)
    save_file({"statistics": np.array([[1.0, 1.0], [0.0, 1.0]])}, run.outputs(result.plan.id))
    assert as_kept(run, [result], "accuracy") == [replace(result, validation=0.5)]
