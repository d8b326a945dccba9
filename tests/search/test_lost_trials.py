"""A real search through Ray, one of whose workers dies and one hangs, and weights are lost: it goes on and says so."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cloudpickle import register_pickle_by_value, unregister_pickle_by_value
from ray.exceptions import RayError

from greenfront.config import RayConfig
from greenfront.search.driver import Driver
from greenfront.search.journal import Result
from greenfront.search.pool import Finished, Pool
from greenfront.search.ray_session import running_ray
from greenfront.search.time_limit import TimeLimit
from greenfront.spaces import Library, Plan
from greenfront.spaces.library import Factors
from greenfront.spaces.reduced import Kept
from tests.search.test_driver import Notes, driver_at, results_in
from tests.search.tiny_assignment import assignment
from tests.search.toy_run import toy_space

# Ray's own: a child it left to the system at shutdown, and an import of a module it has deprecated itself.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

LIMIT_SECONDS = 6.0
DIES_ONCE, HANGS, *OTHERS = (site.path for site in toy_space().sites[:4])


class DeadlyLibrary(Library):
    """Of the toy, but rank 2 of some sites ends workers; `folder` remembers what is done once."""

    def __init__(self, sound: Library, folder: Path) -> None:
        super().__init__(sound._entries, sound._removals)
        self._folder = folder

    def factors(self, path: str, rank: int, kept: Kept | None = None) -> Factors:
        if rank == 2 and path == DIES_ONCE and not (self._folder / "died").exists():
            (self._folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if rank == 2 and path == HANGS:
            time.sleep(600)
        return super().factors(path, rank, kept)


class Owner:
    """Has an object in the store, which is lost with it."""

    def put(self) -> list[Any]:
        return [ray.put("weights")]


def lost_object() -> Any:
    owner: Any = ray.remote(num_cpus=0)(Owner)
    owner = owner.remote()
    (reference,) = ray.get(owner.put.remote())
    ray.kill(owner)
    for _ in range(300):  # until Ray knows of it
        try:
            ray.get(reference, timeout=1)
        except RayError:
            return reference
        time.sleep(0.1)
    raise AssertionError("Ray still has what it should have lost")


class Forgetful(Pool):
    """The object store has lost the weights of the first trial that is scored."""

    forgotten = False

    def wait(self, seconds: float) -> list[Finished]:
        finished = super().wait(seconds)
        for place, each in enumerate(finished):
            if not self.forgotten and not each.outcome.reason:
                self.forgotten = True
                finished[place] = replace(each, weights=lost_object())
        return finished


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Driver, Notes, Path]:
    folder = tmp_path_factory.mktemp("lost")
    suggested = [Plan({path: {"rank": 2}}) for path in (*OTHERS, DIES_ONCE, HANGS)]
    driver = driver_at(folder / "run", suggested=suggested, search={"trials": len(suggested), "sampler": "random"})
    report, sound = Notes(), assignment()
    faulty = replace(sound, library=DeadlyLibrary(sound.library, folder))
    module = sys.modules[__name__]
    register_pickle_by_value(module)  # workers don't know the tests
    try:
        with running_ray(RayConfig(workers=2), 2):
            driver.search(Forgetful(faulty, 2, TimeLimit(LIMIT_SECONDS, sound.fine_tune.steps)), report)
    finally:
        unregister_pickle_by_value(module)
    return driver, report, folder


def test_a_trial_whose_worker_is_killed_is_scored_by_another(searched: tuple[Driver, Notes, Path]) -> None:
    driver, report, folder = searched
    (died,) = [result for result in driver.study.results if DIES_ONCE in result.plan]
    assert (folder / "died").exists()
    assert died.state == "scored"
    assert any(reason.startswith("the worker died: ") for reason in died.lost)
    assert any(note.startswith(f"{died.plan.id}: the worker died") for note in report.notes)


def test_one_that_hangs_is_cut_off(searched: tuple[Driver, Notes, Path]) -> None:
    driver, report, _ = searched
    (hung,) = [result for result in driver.study.results if HANGS in result.plan]
    assert (hung.state, hung.failure) == ("failed", "time")
    assert hung.reason == "it took longer than 6 s (search.trial_limit)"
    assert hung.lost == ()
    assert f"trial {hung.plan.id} failed: {hung.reason}" in report.notes


def test_weights_that_the_store_has_lost_are_trained_again(searched: tuple[Driver, Notes, Path]) -> None:
    driver, *_ = searched
    lost = [result for result in driver.study.results if any("its machine left" in reason for reason in result.lost)]
    assert len(lost) == 1
    assert lost[0].state == "scored"


def as_written(results: Sequence[Result]) -> list[Result]:
    """By plan: the journal numbers trials as they are written, one whose weights were lost when they are here."""
    return sorted((replace(result, number=0) for result in results), key=lambda result: result.plan.id)


def test_all_others_are_scored_and_kept(searched: tuple[Driver, Notes, Path]) -> None:
    driver, _, folder = searched
    assert sorted(result.state for result in driver.study.results) == ["failed"] + ["scored"] * 3
    assert as_written(results_in(folder / "run")) == as_written(driver.study.results)
    for result in driver.contenders.finalists():
        assert (driver.run.candidate(result.plan.id) / "model.safetensors").exists()
