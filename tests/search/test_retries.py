"""What is lost with a worker is tried again, once, wherever the run goes on; what would only come again isn't."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, WorkerCrashedError

from greenfront.errors import Diverged, NoRoom, PlanError
from greenfront.search.failures import TRIES, Failure
from greenfront.search.pool import Finished
from greenfront.search.reasons import failure_of, loss_of
from greenfront.search.retries import Lost, Retries
from greenfront.search.worker import Outcome
from greenfront.spaces import Plan
from tests.search.test_driver import FormulaPool, Notes, driver_at, results_in, states
from tests.search.test_driver import weights_are_here as weights_are_here

SEARCH = {"trials": 5, "finalists": 4, "sampler": "random"}
Fault = Callable[[Plan, int], Failure]
"""How the job on a plan fails that is its so many-th, from 1; empty where it doesn't."""


class FaultyPool(FormulaPool):
    """Jobs fail as a fault says."""

    def __init__(self, fault: Fault, *, stop_after: int | None = None) -> None:
        super().__init__()
        self._fault, self._stop_after = fault, stop_after
        self.tries: dict[Plan, int] = {}

    def wait(self, seconds: float) -> list[Finished]:
        if sum(self.tries.values()) == self._stop_after:
            raise KeyboardInterrupt
        plan = self._waiting[0][1]
        (ended,) = super().wait(seconds)
        self.tries[plan] = self.tries.get(plan, 0) + 1
        failure = self._fault(plan, self.tries[plan])
        if not failure:
            return [ended]
        return [Finished(ended.tag, Outcome(plan.id, None, None, 0.5, f"{failure}: so it is", failure=failure), None)]


def test_a_lost_trial_is_tried_again_and_scored(tmp_path: Path) -> None:
    driver, report = driver_at(tmp_path, search=SEARCH), Notes()
    pool = FaultyPool(lambda plan, time: "died" if time == 1 and plan == pool.submitted[0] else "")
    driver.search(pool, report)
    lost = pool.submitted[0]
    assert states(driver) == {"scored": 5}
    assert pool.tries == {plan: 2 if plan == lost else 1 for plan in pool.submitted}
    assert f"{lost.id}: died: so it is; it is tried again on another worker" in report.notes
    found = results_in(tmp_path)
    assert {result.plan: result.lost for result in found if result.lost} == {lost: ("died: so it is",)}
    undisturbed = driver_at(tmp_path / "undisturbed", search=SEARCH)
    undisturbed.search(FormulaPool(), Notes())
    assert {result.plan: result.divergence for result in found} == {
        result.plan: result.divergence for result in undisturbed.study.results
    }


@pytest.mark.parametrize(("failure", "tries"), [("node", 4), ("time", 1)])
def test_whoever_is_always_lost_fails_in_the_end(failure: Failure, tries: int, tmp_path: Path) -> None:
    driver = driver_at(tmp_path, search=SEARCH)
    pool = FaultyPool(lambda plan, time: failure if plan == pool.submitted[0] else "")
    driver.search(pool, Notes())
    doomed = pool.submitted[0]
    assert states(driver) == {"failed": 1, "scored": 4}
    assert pool.tries[doomed] == tries
    (failed,) = [result for result in results_in(tmp_path) if result.state == "failed"]
    assert (failed.plan, failed.failure, len(failed.lost)) == (doomed, failure, tries - 1)


def test_another_start_knows_what_was_lost(tmp_path: Path) -> None:
    first = FaultyPool(lambda plan, time: "died" if plan == first.submitted[0] else "", stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        driver_at(tmp_path, search=SEARCH).search(first, Notes())
    doomed = first.submitted[0]
    assert first.tries[doomed] == 1
    assert doomed not in {result.plan for result in results_in(tmp_path)}
    second = FaultyPool(lambda plan, time: "died" if plan == doomed else "")
    driver = driver_at(tmp_path, suggested=[doomed], search=SEARCH)
    driver.search(second, Notes())
    assert second.tries[doomed] == 1
    found = states(driver)
    found.pop("rejected", None)  # the sampler may come to the same plan again
    assert found == {"failed": 1, "scored": 4}


@pytest.mark.parametrize("failure", ["", "refused", "diverged", "time", *TRIES])
def test_how_often_depends_on_the_kind(failure: Failure) -> None:
    retries, outcome = Retries(), Outcome("a", None, None, 0.0, "gone", failure=failure)
    times = sum(retries.again(outcome, 0, Notes()) for _ in range(10))
    assert times == {"died": 1, "memory": 1, "error": 1, "node": 3}.get(failure, 0)


def test_jobs_of_one_plan_count_apart() -> None:
    kept: dict[str, list[Lost]] = {}
    retries, outcome = Retries(keep=kept.__setitem__), Outcome("a", None, None, 0.0, "gone", failure="died")
    assert retries.again(outcome, 30, Notes())
    assert retries.again(outcome, 100, Notes())
    assert not retries.again(outcome, 30, Notes())
    assert not retries.again(replace(outcome, failure=""), 5, Notes())
    assert kept == {"a": [(30, "gone"), (100, "gone")]}
    assert retries.reasons("a") == ("gone", "gone")
    assert retries.reasons("b") == ()
    assert not Retries(kept).again(outcome, 100, Notes())


def test_weights_that_are_lost_on_the_way_are_trained_again(tmp_path: Path) -> None:
    class Forgetful(FormulaPool):
        """Its first answer's weights, and the third's, are gone when they are asked for."""

        def wait(self, seconds: float) -> list[Finished]:
            (ended,) = super().wait(seconds)
            return [Lossy(ended.tag, ended.outcome, None)] if len(self.submitted) in (2, 4) else [ended]

    class Lossy(Finished):
        def brought(self) -> Finished:
            return Finished(self.tag, Outcome(self.outcome.plan_id, None, None, 0.5, "gone", failure="node"), None)

    driver, pool, report = driver_at(tmp_path, search=SEARCH), Forgetful(), Notes()
    driver.search(pool, report)
    assert states(driver) == {"scored": 5}
    assert len(pool.submitted) > len(set(pool.submitted)) == 5
    assert any(note.endswith("gone; it is tried again on another worker") for note in report.notes)
    found = results_in(tmp_path)
    assert {result.plan for result in found} == set(pool.submitted)
    for result in driver.contenders.finalists():
        assert (driver.run.candidate(result.plan.id) / "model.safetensors").exists()


@pytest.mark.parametrize(("error", "failure", "reason"), [
    (MemoryError(), "memory", "out of memory"),
    (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "memory", "out of memory: ["),
    (KeyError("heads"), "error", "KeyError: 'heads'"),
    (Diverged("loss is nan"), "diverged", "diverged: loss is nan"),
    (PlanError("no such module"), "refused", "no such module"),
    (NoRoom("it takes 5 MB"), "memory", "out of memory: it takes 5 MB"),
])  # fmt: skip
def test_what_an_exception_on_a_worker_means(error: Exception, failure: Failure, reason: str) -> None:
    found, said = failure_of(error)
    assert found == failure
    assert said.startswith(reason)


@pytest.mark.parametrize(("error", "failure"), [
    (NodeDiedError("gone"), "node"),
    (OutOfMemoryError("task ran out"), "memory"),
    (WorkerCrashedError(), "died"),
])  # fmt: skip
def test_what_ray_says_instead_of_an_answer_means(error: RayError, failure: Failure) -> None:
    assert loss_of(error)[0] == failure
