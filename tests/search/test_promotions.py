"""The driver on a fidelity ladder, with workers that answer by a formula of plan and steps."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from greenfront.evaluators import Outputs
from greenfront.search.driver import Driver
from greenfront.search.journal import RungScore
from greenfront.search.objectives import objective_names
from greenfront.search.paused import PausedStates
from greenfront.search.pool import Finished, Pool
from greenfront.search.promotions import Climb, Promotions, steps_taken, steps_trained, stopped
from greenfront.search.reopening import Earlier, reopened
from greenfront.search.run import _search
from greenfront.search.samplers import make_sampler
from greenfront.search.stored import adopt, stored_results
from greenfront.search.study import Proposal, Study
from greenfront.search.training_state import Part
from greenfront.search.worker import Assignment, Outcome
from greenfront.spaces import Plan
from tests.search.test_driver import VALIDATION, FormulaPool, Notes, driver_at, results_in, structure
from tests.search.toy_run import toy_config, toy_divergence, toy_profile, toy_space

RUNGS, STEPS = (0, 2, 6), 6
FACTORS = {0: 10.0, 2: 4.0, 6: 1.0}
"""Of the divergence after the whole training, after so many steps."""
Reasons = Callable[[Plan, int], str]


class RungPool(FormulaPool):
    """Answers at once, in the order given; what is trained on has to be what was trained before."""

    def __init__(self, reasons: Reasons = lambda plan, stop: "", *, stop_after: int | None = None) -> None:
        super().__init__()
        self._parts: list[Part] = []
        self._reasons_at, self._stop_after = reasons, stop_after
        self.done: list[tuple[Plan, int, int]] = []

    def submit(self, tag: int, plan_id: str, plan_json: str, part: Part | None = None) -> None:
        super().submit(tag, plan_id, plan_json)
        assert part is not None
        assert bool(part.state) == (part.start > 0)
        if part.start:
            assert int(part.state["model.steps"]) == part.start
            assert bytes(part.state["model.plan"]).decode() == plan_id
        self._parts.append(part)

    def wait(self, seconds: float) -> list[Finished]:
        if len(self.done) == self._stop_after:
            raise KeyboardInterrupt
        (tag, plan), part = self._waiting.pop(0), self._parts.pop(0)
        self.done.append((plan, part.start, part.stop))
        if reason := self._reasons_at(plan, part.stop):
            return [Finished(tag, Outcome(plan.id, None, None, 0.5, reason), None)]
        divergence = toy_divergence(toy_space(), plan) * FACTORS[part.stop]
        outputs = Outputs("accuracy", np.full((VALIDATION, 2), divergence))
        weights: Any = None
        if part.stop == STEPS:
            weights = {name: tensor.numpy() for name, tensor in structure(plan).state_dict().items()}
        elif part.stop:
            weights = {"model.steps": np.array(part.stop), "model.plan": np.frombuffer(plan.id.encode(), np.uint8)}
        outcome = Outcome(plan.id, 1 - divergence / 100, divergence, 0.5, outputs=outputs, steps=part.stop - part.start)
        return [Finished(tag, outcome, weights)]


class MildPool(RungPool):
    """Every other plan needs no training."""

    def wait(self, seconds: float) -> list[Finished]:
        (ended,) = super().wait(seconds)
        plan, _, stop = self.done[-1]
        if not mild(plan):
            return [ended]
        return [replace(ended, outcome=replace(ended.outcome, steps=0, untrained=stop == STEPS))]


def mild(plan: Plan) -> bool:
    return int(plan.id, 16) % 2 == 0


@pytest.fixture(autouse=True)
def weights_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pool, "fetch", staticmethod(lambda weights: weights))


def on_rungs(folder: Path, trials: int = 12, budgets: Mapping[str, str] | None = None) -> Driver:
    return driver_at(folder, **sections(trials, budgets))


def sections(trials: int, budgets: Mapping[str, str] | None = None) -> dict[str, Any]:
    search = {"trials": trials, "finalists": 2, "sampler": "random", "rungs": list(RUNGS), "reduction": 3}
    return {"search": search, "fine_tune": {"steps": STEPS}, "budgets": budgets or {}}


def journal(folder: Path) -> list[FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    return optuna.load_study(storage=storage, study_name="greenfront").trials


def test_a_share_of_every_rung_goes_on_from_where_it_was(tmp_path: Path) -> None:
    driver, pool, report = on_rungs(tmp_path), RungPool(), Notes()
    driver.search(pool, report)
    assert driver.complete
    stops = Counter(stop for _, _, stop in pool.done)
    assert stops == {0: 12, 2: 4, 6: 2}
    assert pool.most_at_once == 2
    for plan in {plan for plan, _, _ in pool.done}:
        stretches = [(start, stop) for other, start, stop in pool.done if other == plan]
        assert stretches == [(0, 0), (0, 2), (2, 6)][: len(stretches)]
    results = driver.study.results
    assert Counter(result.state for result in results) == {"scored": stops[6], "paused": 12 - stops[6]}
    assert stopped(results) == {0: 12 - stops[2], 2: stops[2] - stops[6]}
    assert steps_trained(results, STEPS) == sum(stop - start for _, start, stop in pool.done)
    for result in results:
        final = toy_divergence(toy_space(), result.plan)
        assert [rung.steps for rung in result.rungs] == list(RUNGS[: len(result.rungs)])
        expected = [final * FACTORS[rung.steps] for rung in result.rungs]
        assert [rung.divergence for rung in result.rungs] == pytest.approx(expected)
        assert result.seconds == pytest.approx(0.5 * (len(result.rungs) + (result.state == "scored")))
    assert results_in(tmp_path) == results
    # Progress counts steps, and ends where it said.
    assert report.done[-1][0] == report.done[-1][1]
    assert [done for done, _ in report.done] == sorted(done for done, _ in report.done)
    assert any(" after 2 of 6 steps, predicted " in note for note in report.notes)


def test_only_finished_trials_are_contenders_and_nothing_paused_is_left(tmp_path: Path) -> None:
    driver, pool = on_rungs(tmp_path, trials=30), RungPool()
    driver.search(pool, Notes())
    finished = {plan.id for plan, _, stop in pool.done if stop == STEPS}
    kept = {path.name.partition(".")[0] for path in (tmp_path / "candidates").iterdir()}
    assert kept
    assert kept <= finished
    assert {result.plan.id for result in driver.contenders.finalists()} <= finished
    assert not driver.run.paused.exists()


def test_what_a_kill_at_the_very_end_left_is_cleared_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(PausedStates, "clear", lambda _: None)
        on_rungs(tmp_path).search(RungPool(), Notes())
    driver, nobody = on_rungs(tmp_path), cast("Assignment", None)
    assert driver.run.paused.exists()
    _search(driver.config, driver, nobody, None, Notes())
    assert not driver.run.paused.exists()


@pytest.mark.parametrize("name", ["clear", "drop"])
def test_states_that_cannot_be_deleted_are_no_secret(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError("read-only")

    monkeypatch.setattr(PausedStates, name, fails)
    pool = RungPool(lambda plan, stop: "the worker died" if stop == 2 else "")  # so that nobody is scored
    with pytest.raises(OSError, match="read-only"):
        on_rungs(tmp_path).search(pool, Notes())


def test_the_best_of_a_rung_are_those_that_went_on(tmp_path: Path) -> None:
    driver, pool = on_rungs(tmp_path, trials=30), RungPool()
    driver.search(pool, Notes())
    points = {
        plan: (toy_divergence(toy_space(), plan), toy_profile().predict(plan).latency_ms.median)
        for plan, _, _ in pool.done
    }
    beaten = {
        plan: sum(a <= x and b <= y and (a, b) != (x, y) for a, b in points.values()) for plan, (x, y) in points.items()
    }
    went_on = {plan for plan, _, stop in pool.done if stop == 2}
    stayed = [beaten[plan] for plan in points if plan not in went_on]
    assert np.mean([beaten[plan] for plan in went_on]) < np.mean(stayed) / 2


def test_an_interrupted_search_keeps_every_rung(tmp_path: Path) -> None:
    for stop_after in (5, 11, 15, 17):
        folder = tmp_path / str(stop_after)
        first = RungPool(stop_after=stop_after)
        with pytest.raises(KeyboardInterrupt):
            on_rungs(folder).search(first, Notes())
        known = results_in(folder)
        reached = {result.plan: len(result.rungs) + (result.state == "scored") for result in known}
        assert reached == Counter(plan for plan, _, _ in first.done)
        driver, second, report = on_rungs(folder), RungPool(), Notes()
        assert driver.study.results == known
        assert not driver.complete
        driver.search(second, report)
        assert driver.complete
        everything = Counter((plan, stop) for plan, _, stop in (*first.done, *second.done))
        assert set(everything.values()) == {1}  # no rung was climbed twice
        assert not any("trained again" in note for note in report.notes)
        assert Counter(stop for _, stop in everything)[0] == 12
        assert results_in(folder) == driver.study.results


def test_steps_that_were_not_taken_are_not_said_to_be(tmp_path: Path) -> None:
    driver, pool, report = on_rungs(tmp_path, trials=30), MildPool(), Notes()
    driver.search(pool, report)
    results = driver.study.results
    assert results_in(tmp_path) == results
    taken = sum(stop - start for plan, start, stop in pool.done if not mild(plan))
    assert 0 < taken < sum(stop - start for _, start, stop in pool.done)
    assert steps_trained(results, STEPS) == taken
    assert [r.plan for r in results if r.needless] == [r.plan for r in results if mild(r.plan) and len(r.rungs) > 1]
    assert {result.state for result in results if result.needless} == {"scored", "paused"}
    for words in (" on the rung of 2 of 6 steps, which it doesn't need, predicted ", ", untrained, as it needs none, "):
        assert any(words in note for note in report.notes)


@pytest.mark.parametrize(("taken", "expected"), [(1, 3), (0, 0)])
def test_a_state_that_the_journal_knows_nothing_of_yet_counts_its_steps(
    taken: int, expected: int, tmp_path: Path
) -> None:
    """As a kill leaves it between the two; a plan that needs no training has taken none on any rung."""
    search = {**sections(12)["search"], "rungs": [1, 3, 6]}
    config, plan, paused = toy_config(tmp_path, **{**sections(12), "search": search}), Plan(), PausedStates(tmp_path)
    promotions = Promotions(config, [], 1.0, lambda _: [1.0], paused)
    paused.save(plan.id, 3, {"model.a": np.zeros(1, np.float32)})
    climb = Climb(Proposal(0, plan, "sampler"), 1, Part(0, 3), (RungScore(1, 0.9, 0.1, 1.0),), taken)
    resumed = promotions.resumed(climb, Notes())
    assert resumed.part is not None
    assert (resumed.part.start, resumed.taken) == (3, expected)
    outcome = Outcome(plan.id, 0.9, 0.1, 1.0, steps=0)
    assert promotions.result(resumed, outcome).steps == expected


def test_an_earlier_version_wrote_no_steps_down(tmp_path: Path) -> None:
    driver = on_rungs(tmp_path)
    driver.search(RungPool(), Notes())
    for result in driver.study.results:
        assert steps_taken(replace(result, steps=None), STEPS) == steps_taken(result, STEPS)
    failed = replace(driver.study.results[0], state="failed", rungs=(), steps=None)
    assert steps_taken(failed, STEPS) == 0


def test_states_that_are_gone_are_trained_again_from_the_start_and_that_is_said(tmp_path: Path) -> None:
    first = RungPool(stop_after=14)
    with pytest.raises(KeyboardInterrupt):
        on_rungs(tmp_path).search(first, Notes())
    kept = list((tmp_path / "paused").iterdir())
    assert kept
    for path in kept:
        path.unlink()
    driver, second, report = on_rungs(tmp_path), RungPool(), Notes()
    driver.search(second, report)
    assert {result.steps for result in driver.study.results if result.state == "scored"} == {STEPS}
    again = [plan.id for plan, start, stop in second.done if (start, stop) == (0, 6)]
    assert again
    assert [note for note in report.notes if "trained again" in note] == [
        f"{id_}: its weights after 2 steps are gone; it is trained again from the start" for id_ in again
    ]


def test_the_journal_holds_scores_alone_and_the_sampler_knows_what_is_expected(tmp_path: Path) -> None:
    budgets = {"accuracy_drop": "1%", "latency": "1000 ms"}
    driver = on_rungs(tmp_path, budgets=budgets)
    driver.search(RungPool(), Notes())
    for trial in journal(tmp_path):
        rungs = trial.user_attrs.get("rungs", [])
        assert trial.intermediate_values == {steps: nats for steps, _, nats, _ in rungs}
        assert (trial.state == TrialState.RUNNING) == (trial.user_attrs["state"] == "paused")
        assert (trial.values is None) == (trial.state == TrialState.RUNNING)
        assert set(trial.constraints) == (set() if trial.state == TrialState.RUNNING else set(budgets))
    for one in (driver, on_rungs(tmp_path, budgets=budgets)):
        known = one.study._memory.trials
        assert len(known) == 12
        for trial in known:
            plan = Plan.from_json(trial.user_attrs["plan"])
            final = toy_divergence(toy_space(), plan)
            assert trial.state == TrialState.COMPLETE
            assert trial.values == pytest.approx([final, toy_profile().predict(plan).latency_ms.median])
            assert trial.constraints["accuracy_drop"] == pytest.approx((0.99 - (1 - final / 100)) / 0.99)


def test_one_that_fails_on_its_way_leaves_its_place_to_another(tmp_path: Path) -> None:
    doomed: set[Plan] = set()

    def reasons(plan: Plan, stop: int) -> str:
        if stop == STEPS and len(doomed) < 2:
            doomed.add(plan)
            return "the worker died: out of memory"
        return ""

    driver, pool = on_rungs(tmp_path), RungPool(reasons)
    driver.search(pool, Notes())
    assert len(doomed) == 2
    assert {result.plan for result in driver.study.results if result.state == "failed"} == doomed
    assert sum(result.state == "scored" for result in driver.study.results) >= 1
    assert driver.complete
    failed = [result for result in results_in(tmp_path) if result.state == "failed"]
    assert [result.rungs[-1].steps for result in failed] == [2, 2]
    assert all(trial.state == TrialState.FAIL for trial in journal(tmp_path) if trial.user_attrs["state"] == "failed")


def test_a_kill_while_a_trial_is_finished_leaves_it_paused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise OSError("killed")

    dying, first = on_rungs(tmp_path), RungPool()
    with monkeypatch.context() as patch:
        patch.setattr(JournalStorage, "set_trial_state_values", killed)
        with pytest.raises(OSError, match="killed"):
            dying.search(first, Notes())
        dying._saving._thread.shutdown(cancel_futures=True)  # a process that is killed writes nothing more
    left = results_in(tmp_path)
    assert {result.state for result in left} == {"paused"}
    assert all(result.divergence == result.rungs[-1].divergence for result in left)
    assert all(result.steps == result.rungs[-1].steps for result in left)
    driver, second = on_rungs(tmp_path), RungPool()
    driver.search(second, Notes())
    assert driver.complete
    lost = next(plan for plan, _, stop in first.done if stop == STEPS)
    assert (lost, STEPS) in {(plan, stop) for plan, _, stop in second.done}
    assert lost in {result.plan for result in driver.study.results if result.state == "scored"}


def test_who_cannot_be_good_enough_stays_behind(tmp_path: Path) -> None:
    """Once it is known what training does to the metric; before that everyone may go on."""
    limit = 0.6
    driver, pool = on_rungs(tmp_path, trials=30, budgets={"accuracy": f"{100 - limit}%"}), RungPool()
    driver.search(pool, Notes())
    order = [(plan, stop) for plan, _, stop in pool.done]
    known = next(place for place, (_, stop) in enumerate(order) if stop == STEPS)
    later = [toy_divergence(toy_space(), plan) for plan, stop in order[known + 3 :] if stop]
    assert later
    everyone = [toy_divergence(toy_space(), plan) for plan, stop in order if not stop]
    good = [nats for nats in everyone if nats <= limit]
    assert 4 <= len(good) < len(everyone)
    assert all(nats <= limit for nats in later)


def test_trials_of_an_earlier_question_are_on_no_ladder(tmp_path: Path) -> None:
    """They stood on every rung once, and among them few new ones would ever go on."""
    first = on_rungs(tmp_path, trials=30)
    first.search(RungPool(), Notes())
    scored = [result.plan for result in first.study.results if result.state == "scored"]
    assert len(scored) > 3
    budgets = {"latency": "99%"}
    config = toy_config(tmp_path, **sections(len(scored) + 2, budgets))
    run, profiles = reopened(config), {"toy": toy_profile()}
    study = Study(toy_space(), objective_names(config), make_sampler("random", {}, 0), run.study)
    adopt(study, stored_results(Earlier.all(run)), first.original, profiles, config)
    paths = [site.path for site in toy_space().sites]
    wanted = [Plan({path: {"rank": 2} for path in paths[start:]}) for start in (0, 1)]
    for stop_after in (1, None):  # adopted a moment ago, and as another start finds them
        driver, pool, report = on_rungs(tmp_path, len(scored) + 2, budgets), RungPool(stop_after=stop_after), Notes()
        for plan in wanted:
            driver.study.suggest(plan, "allocation")
        assert not driver.complete
        with nullcontext() if stop_after is None else pytest.raises(KeyboardInterrupt):
            driver.search(pool, report)
    assert driver.complete
    assert {result.plan for result in driver.study.results if result.state == "scored"} == {*scored, *wanted}
    assert {result.plan for result in driver.study.results} == {*scored, *wanted}
    done, total = report.done[-1]
    assert done == total == driver.promotions.progress()[1]
    scoring = math.ceil(config.data.validation_examples / (3 * config.fine_tune.batch_size))
    assert total == 2 * (STEPS + len(RUNGS) * scoring)  # of those that are trained here


def test_the_same_seed_does_the_same(tmp_path: Path) -> None:
    pools = [RungPool(), RungPool()]
    for number, pool in enumerate(pools):
        on_rungs(tmp_path / str(number)).search(pool, Notes())
    assert pools[0].done == pools[1].done
