"""The driver with workers that answer at once by a formula: what it submits, records, keeps and survives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from greenfront.config import RunConfig
from greenfront.evaluators import Outputs
from greenfront.search import RunFolder
from greenfront.search.driver import Driver
from greenfront.search.journal import Result
from greenfront.search.objectives import objective_names
from greenfront.search.pool import Finished, Pool
from greenfront.search.samplers import make_sampler
from greenfront.search.slack import missed
from greenfront.search.study import Study
from greenfront.search.training_state import Part
from greenfront.search.verify import original_candidate
from greenfront.search.worker import Outcome
from greenfront.spaces import Plan, Space, compress, load_checkpoint
from tests.search.toy_run import (
    toy_config,
    toy_divergence,
    toy_limits,
    toy_losses,
    toy_model,
    toy_profile,
    toy_space,
)

VALIDATION = 20
"""Examples; what the metric needs of them is all that is known here."""


class FormulaPool(Pool):
    """Stands in for Ray alone: two places, answers in the order given, scores by `toy_divergence`."""

    def __init__(self, reasons: Callable[[int, Plan], str] = lambda number, plan: "") -> None:
        self._waiting: list[tuple[int, Plan]] = []
        self._reasons = reasons
        self.submitted: list[Plan] = []
        self.most_at_once = 0

    @property
    def free(self) -> int:
        return 2 - len(self._waiting)

    @property
    def busy(self) -> int:
        return len(self._waiting)

    def submit(self, tag: int, plan_id: str, plan_json: str, part: Part | None = None) -> None:
        assert part is None  # without rungs a training has no parts
        plan = Plan.from_json(plan_json)
        assert plan.id == plan_id
        assert self.free
        self._waiting.append((tag, plan))
        self.submitted.append(plan)
        self.most_at_once = max(self.most_at_once, self.busy)

    def wait(self, seconds: float) -> list[Finished]:
        tag, plan = self._waiting.pop(0)
        reason = self._reasons(len(self.submitted), plan)
        if reason:
            return [Finished(tag, Outcome(plan.id, None, None, 0.5, reason), None)]
        divergence = toy_divergence(toy_space(), plan)
        outputs = Outputs("accuracy", np.full((VALIDATION, 2), divergence))
        weights = {name: tensor.numpy() for name, tensor in structure(plan).state_dict().items()}
        return [Finished(tag, Outcome(plan.id, 1 - divergence, divergence, 0.5, outputs=outputs), weights)]


def structure(plan: Plan) -> Any:
    """What a worker would have trained: weights that the plan decides."""
    generator, model = torch.Generator().manual_seed(int(plan.id, 16)), compress(toy_model(), plan)
    for parameter in model.parameters():
        parameter.data.normal_(generator=generator)
    return model


@dataclass
class Notes:
    """A Reporter that remembers."""

    notes: list[str] = field(default_factory=list)
    done: list[tuple[int, int]] = field(default_factory=list)
    words: list[Mapping[str, str]] = field(default_factory=list)

    def stage(self, title: str, seconds: float | None = None) -> None:
        """Not of interest."""

    def advance(self, done: int, total: int, words: Mapping[str, str] | None = None) -> None:
        self.done.append((done, total))
        self.words.append(words or {})

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(autouse=True)
def weights_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ray there is no object store to fetch from."""
    monkeypatch.setattr(Pool, "fetch", staticmethod(lambda weights: weights))


def driver_at(
    folder: Path, *, suggested: Sequence[Plan] = (), space: Space | None = None, **sections: object
) -> Driver:
    """A driver of the toy, and of the run that may already be in the folder."""
    sampler = {"sampler": "random"}
    config: RunConfig = toy_config(folder, **{"search": {"trials": 12, "finalists": 4, **sampler}, **sections})
    run = RunFolder.create(config)
    space = space or toy_space()
    profile = toy_profile()
    study = Study(
        space, objective_names(config), make_sampler(config.search.sampler, {}, config.search.seed), run.study
    )  # fmt: skip
    for plan in suggested:
        study.suggest(plan, "allocation 50%")
    original = original_candidate(1.0, {"toy": profile}, config)
    limits = toy_limits(config, space, profile)
    return Driver(config, run, study, {"toy": profile}, original, toy_losses(space), limits, toy_model(), None)


def states(driver: Driver) -> dict[str, int]:
    """How many trials ended how."""
    found = [result.state for result in driver.study.results]
    return {state: found.count(state) for state in sorted(set(found))}


def results_in(folder: Path, space: Space | None = None) -> list[Result]:
    """What another start would read from the journal."""
    study = Study(space or toy_space(), ["a", "b"], make_sampler("random", {}, 0), folder / "study.journal")
    return study.results


def test_as_many_plans_are_scored_as_were_asked_for(tmp_path: Path) -> None:
    driver, pool, report = driver_at(tmp_path), FormulaPool(), Notes()
    assert not driver.complete
    driver.search(pool, report)
    assert states(driver) == {"scored": 12}
    assert driver.complete
    assert driver_at(tmp_path).complete  # another start needs no workers
    assert len(set(pool.submitted)) == 12
    assert pool.most_at_once == 2
    assert report.done[0] == (0, 12)
    assert report.done[-1] == (12, 12)
    assert results_in(tmp_path) == driver.study.results
    assert driver.timing.busy == pytest.approx(12 * 0.5)


@pytest.mark.parametrize("budgets", [{"latency": "60%"}, {"latency": "45%", "size": "100 kB", "parameters": "85%"}])
def test_no_plan_over_a_budget_is_ever_submitted(budgets: dict[str, str], tmp_path: Path) -> None:
    driver, pool, report = driver_at(tmp_path, budgets=budgets), FormulaPool(), Notes()
    driver.search(pool, report)
    assert len(pool.submitted) == 12
    profile = toy_profile()
    for plan in pool.submitted:
        assert missed(driver._slack(plan)) == ()
        assert profile.predict(plan).latency_ms.median <= 0.6 * profile.original.latency_ms.median + 1e-9
    rejected = [result for result in driver.study.results if result.state == "rejected"]
    assert rejected
    assert all(result.reason.startswith("predicted over budget: ") for result in rejected)
    assert report.words[-1]["saved"] == f"{len(rejected)} trainings, predicted over budget"
    found = [float(words["hypervolume"].split()[0]) for words in report.words]
    assert found == sorted(found)
    assert found[0] == 0 < found[-1]
    assert states(driver)["scored"] == 12


def test_suggested_plans_go_first(tmp_path: Path) -> None:
    space = toy_space()
    wanted = [space.plan([i] * len(space.choices)) for i in (0, 1, 2)]
    driver, pool = driver_at(tmp_path, suggested=wanted), FormulaPool()
    driver.search(pool, Notes())
    assert pool.submitted[:3] == wanted
    assert [r.origin for r in driver.study.results] == ["allocation 50%"] * 3 + ["sampler"] * 9


def test_a_failure_is_recorded_with_its_reason_and_the_search_goes_on(tmp_path: Path) -> None:
    def reasons(number: int, plan: Plan) -> str:
        return {3: "diverged: loss is nan at step 2", 7: "the worker died: out of memory"}.get(number, "")

    driver, report = driver_at(tmp_path), Notes()
    driver.search(FormulaPool(reasons), report)
    assert states(driver) == {"failed": 2, "scored": 10}
    failed = [result for result in results_in(tmp_path) if result.state == "failed"]
    assert sorted(r.reason for r in failed) == ["diverged: loss is nan at step 2", "the worker died: out of memory"]
    for result in failed:
        assert result.validation is None
        assert result.divergence is None
        assert f"trial {result.plan.id} failed: {result.reason}" in report.notes
        assert not driver.run.candidate(result.plan.id).exists()


def test_every_trial_may_fail(tmp_path: Path) -> None:
    driver = driver_at(tmp_path)
    driver.search(FormulaPool(lambda number, plan: "diverged"), Notes())
    found = states(driver)
    found.pop(
        "rejected", None
    )  # what all of them share is in quarantine by then, and in the end hardly anything is left
    assert set(found) == {"failed"}
    assert 6 <= found["failed"] <= 12
    assert driver.contenders.finalists() == []


def test_a_small_space_ends_with_a_note(tmp_path: Path) -> None:
    whole = toy_space()
    space = Space(whole.choices[:2])
    driver, pool, report = driver_at(tmp_path, space=space, search={"trials": 50}), FormulaPool(), Notes()
    driver.search(pool, report)
    assert set(pool.submitted) == {space.plan([i, j]) for i in range(4) for j in range(4)} - {Plan()}
    assert any("no further plan within the budgets was found after 15 trials" in note for note in report.notes)
    repeated = [result for result in driver.study.results if result.state == "rejected"]
    assert {result.reason for result in repeated} == {"has a result already"}


def test_budgets_that_no_plan_meets_together_end_with_a_note(tmp_path: Path) -> None:
    driver, pool, report = driver_at(tmp_path, budgets={"latency": "5%"}), FormulaPool(), Notes()
    driver.search(pool, report)
    assert pool.submitted == []
    assert any("after 0 trials" in note for note in report.notes)


def test_only_contenders_have_weights_and_those_are_the_trained_ones(tmp_path: Path) -> None:
    driver, pool = driver_at(tmp_path), FormulaPool()
    driver.search(pool, Notes())
    points = {
        plan: (toy_profile().predict(plan).latency_ms.median, toy_divergence(toy_space(), plan))
        for plan in pool.submitted
    }
    best = {
        plan.id: plan
        for plan, (ms, nats) in points.items()
        if not any((a, b) != (ms, nats) and a <= ms and b <= nats for a, b in points.values())
    }
    kept = {path.name for path in (tmp_path / "candidates").iterdir()}
    assert kept == set(best) | {f"{id_}.outputs.safetensors" for id_ in best}
    assert len(best) < len(pool.submitted)
    for id_, plan in best.items():
        expected = structure(plan).state_dict()
        found = load_checkpoint(driver.run.candidate(id_)).state_dict()
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[name], found[name]) for name in expected)
        statistics = load_file(driver.run.outputs(id_))["statistics"]
        assert statistics == pytest.approx(np.full((VALIDATION, 2), points[plan][1]))


def test_the_study_learns_the_divergence_the_predicted_cost_and_the_slack(tmp_path: Path) -> None:
    driver = driver_at(
        tmp_path,
        budgets={"latency": "80%", "throughput": "120%", "accuracy_drop": "30%"},
        objectives=["accuracy", "size", "latency", "throughput"],
    )
    driver.search(FormulaPool(), Notes())
    profile = toy_profile()
    trials = [trial for trial in driver.study._journal.trials if trial.user_attrs["state"] == "scored"]
    assert len(trials) == 12
    for trial in trials:
        plan = Plan.from_json(trial.user_attrs["plan"])
        cost, divergence = profile.predict(plan), toy_divergence(toy_space(), plan)
        expected = [divergence, cost.size_mb, cost.latency_ms.median, cost.large_batch_latency_ms]
        assert trial.values == pytest.approx(expected)
        least = 1.2 * profile.original.throughput_per_s
        assert trial.constraints["throughput"] == pytest.approx(1 - cost.throughput_per_s / least)
        limit = 0.8 * profile.original.latency_ms.median
        assert trial.constraints["latency"] == pytest.approx(cost.latency_ms.median / limit - 1)
        assert trial.constraints["accuracy_drop"] == pytest.approx((0.7 - (1 - divergence)) / 0.7)


def test_what_is_done_outlives_an_interrupt_and_is_not_done_again(tmp_path: Path) -> None:
    class Interrupted(FormulaPool):
        def wait(self, seconds: float) -> list[Finished]:
            if len(self.submitted) == 6:
                raise KeyboardInterrupt
            return super().wait(seconds)

    first = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        driver_at(tmp_path).search(first, Notes())
    done = results_in(tmp_path)
    assert [result.state for result in done] == ["scored"] * 4
    assert {result.plan for result in done} == set(first.submitted[:4])

    driver, second, report = driver_at(tmp_path), FormulaPool(), Notes()
    assert driver.study.results == done
    driver.search(second, report)
    assert report.done[0] == (4, 12)
    assert states(driver) == {"scored": 12}
    assert len(second.submitted) == 8
    assert not {result.plan for result in done} & set(second.submitted)
    assert first.submitted[4:] == second.submitted[:2]  # the plans that were lost under way
    for result in driver.contenders.finalists():
        assert (driver.run.candidate(result.plan.id) / "model.safetensors").exists()


def test_a_finished_search_does_nothing(tmp_path: Path) -> None:
    driver_at(tmp_path).search(FormulaPool(), Notes())
    pool, report = FormulaPool(), Notes()
    driver = driver_at(tmp_path)
    driver.search(pool, report)
    assert pool.submitted == []
    assert report.done == [(12, 12)]
    assert states(driver) == {"scored": 12}


def test_a_full_disk_ends_the_search_at_once_and_leaves_no_result_without_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("greenfront.search.keeping.save_checkpoint", full)
    pool = FormulaPool()
    with pytest.raises(OSError, match="no space left"):
        driver_at(tmp_path, search={"trials": 200, "sampler": "random"}).search(pool, Notes())
    assert len(pool.submitted) < 20
    first = pool.submitted[0]  # a contender, as the only one
    assert first not in {result.plan for result in results_in(tmp_path)}


def test_the_same_seed_submits_the_same_plans(tmp_path: Path) -> None:
    pools = [FormulaPool(), FormulaPool()]
    for number, pool in enumerate(pools):
        driver_at(tmp_path / str(number), budgets={"latency": "60%"}).search(pool, Notes())
    assert pools[0].submitted == pools[1].submitted
