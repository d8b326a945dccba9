"""A run folder that is asked again: what may change, what is kept, and that no kill on the way loses anything."""

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from greenfront.config import RunConfig
from greenfront.errors import RunError
from greenfront.search import Front, RunFolder, check_reopened, reopening
from greenfront.search.journal import Result, results_in
from greenfront.search.paused import PausedStates
from greenfront.search.reopening import Earlier, reopened
from greenfront.search.stored import stored_results
from greenfront.search.verify import unverified
from tests.search.test_driver import FormulaPool, Notes, driver_at
from tests.search.test_driver import weights_are_here as weights_are_here
from tests.search.toy_run import LENGTH, toy_config, toy_profile

SEARCH = {"trials": 6, "finalists": 4, "sampler": "random"}


def finished_run(folder: Path) -> RunFolder:
    """A toy run with six trials and a front that nobody measured."""
    shutil.copytree(template().name, folder)
    return RunFolder(folder)


@cache
def template() -> TemporaryDirectory[str]:
    """Where it is made once."""
    folder = TemporaryDirectory()
    given: dict[str, Any] = {"search": SEARCH}
    driver = driver_at(Path(folder.name), **given)
    driver.search(FormulaPool(), Notes())
    run, config, profile = driver.run, driver.config, toy_profile()
    profile.save(run.profile("toy"))
    candidates = unverified(driver.study.results, driver.original, {"toy": profile}, config)
    Front(
        driver.original, tuple(candidates), "accuracy", ("toy",), config.budgets, config.objectives
    ).save(run.front)  # fmt: skip
    run.write_json(run.summary, {"unreachable_budgets": []})
    run.write_json(run.measured("toy"), {})
    return folder


def asked(folder: Path, **sections: object) -> RunConfig:
    return toy_config(folder, **{"search": SEARCH, **sections})


def everything(run: RunFolder) -> dict[str, bytes]:
    return {str(p.relative_to(run.path)): p.read_bytes() for p in run.path.rglob("*") if p.is_file()}


def known(run: RunFolder) -> set[Result]:
    """Every result that the folder still knows, wherever it stands."""
    here = results_in(run.study)
    return {*here, *stored_results(Earlier.all(run))}


def test_the_same_configuration_changes_nothing(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run")
    before = everything(run)
    assert reopened(asked(tmp_path / "run", ray={"workers": 7})).path == run.path
    assert everything(run) == before


@pytest.mark.parametrize(
    ("sections", "study_goes_on"),
    [
        ({"budgets": {"latency": "50%"}}, False),
        ({"objectives": ["accuracy", "size"]}, False),
        ({"hardware": {"name": "toy", "sequence_length": LENGTH, "threads": 2}}, False),
        ({"search": {**SEARCH, "trials": 9}}, True),
        ({"finish": {"steps": 30}}, True),
        ({"finish": {"steps": 30}, "budgets": {"latency": "50%"}}, False),
    ],
)
def test_what_stood_there_is_kept_and_the_run_is_taken_up(
    tmp_path: Path, sections: dict[str, object], study_goes_on: bool
) -> None:
    run = finished_run(tmp_path / "run")
    before, results, config = everything(run), results_in(run.study), asked(tmp_path / "run", **sections)
    assert check_reopened(config).path == run.path
    assert everything(run) == before
    assert reopened(config).path == run.path
    assert run.differences(config) == []
    assert run.study.exists() == study_goes_on
    assert not run.front.exists()
    assert not run.measured("toy").exists()
    (earlier,) = Earlier.all(run)
    after = everything(run)
    for name in ("config.yaml", "front.json", "summary.json", "study.journal", "profiles/toy.json"):
        assert after[f"earlier/1/{name}"] == before[name]
    assert stored_results([earlier]) == results
    assert run.profile("toy").exists() == ("hardware" not in sections)
    assert {name for name in before if name.startswith("candidates/")} <= set(after)
    reopened(config)
    assert everything(run) == after


def test_a_profile_stays_with_a_target_that_is_measured_or_priced_otherwise(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run")
    hardware = {"name": "toy", "sequence_length": LENGTH, "seconds": 5, "price": 0.4, "disturbed": "accept"}
    reopened(asked(tmp_path / "run", hardware=hardware))
    assert run.profile("toy").exists()
    assert len(Earlier.all(run)) == 1


def test_every_further_change_is_numbered(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run")
    for number, latency in enumerate(("50%", "40%", "50%"), 1):
        reopened(asked(tmp_path / "run", budgets={"latency": latency}))
        assert len(Earlier.all(run)) == number
    assert [str(one.config.budgets.latency) for one in Earlier.all(run)] == ["None", "50%", "40%"]
    assert len(known(run)) == 6


@pytest.mark.parametrize(
    ("sections", "goes_on"), [({"budgets": {"latency": "50%"}}, False), ({"search": {**SEARCH, "trials": 9}}, True)]
)
def test_states_of_paused_trials_go_with_their_journal(
    tmp_path: Path, sections: dict[str, object], goes_on: bool
) -> None:
    run = finished_run(tmp_path / "run")
    PausedStates(run.paused).save("0a1b2c3d", 2, {"weight": np.zeros(3)})
    reopened(asked(run.path, **sections))
    assert run.study.exists() == run.paused.exists() == goes_on


def test_what_cannot_change_is_refused_by_name_and_nothing_is_touched(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run")
    before = everything(run)
    other = asked(
        tmp_path / "run", model={"path": "another", "task": "text-classification"}, fine_tune={"steps": 7},
        budgets={"latency": "50%"},
    )  # fmt: skip
    for open_ in (reopened, check_reopened):
        with pytest.raises(RunError, match="belongs to another configuration") as caught:
            open_(other)
        assert "model.path: another here, toy there" in str(caught.value)
        assert "fine_tune.steps: 7 here, 100 there" in str(caught.value)
        assert "50%" not in str(caught.value)
    longer = asked(tmp_path / "run", hardware={"name": "toy", "sequence_length": 2 * LENGTH})
    with pytest.raises(RunError, match=f"hardware.sequence_length: {2 * LENGTH} here, {LENGTH} there"):
        reopened(longer)
    assert everything(run) == before


def test_a_folder_without_trials_is_refused_as_ever(tmp_path: Path) -> None:
    run = RunFolder.create(asked(tmp_path / "run"))
    toy_profile().save(run.profile("toy"))
    with pytest.raises(RunError, match=r"budgets.latency: 50% here, None there"):
        reopened(asked(tmp_path / "run", budgets={"latency": "50%"}))


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it."""


def test_a_kill_at_any_step_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished_run(tmp_path / "template")
    original = RunFolder(tmp_path / "template")
    results, front = known(original), original.front.read_bytes()
    new = {"budgets": {"latency": "50%"}}
    left = [0]

    def deadly(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return function(*arguments, **named)

        return step

    for steps in range(100):
        folder = tmp_path / str(steps)
        shutil.copytree(original.path, folder)
        left[0], killed = steps, False
        with monkeypatch.context() as patch:
            for holder, name in (
                (shutil, "copy2"), (shutil, "copytree"), (os, "replace"), (Path, "unlink"), (Path, "mkdir"),
                (reopening, "write_atomic"),
            ):  # fmt: skip
                patch.setattr(holder, name, deadly(getattr(holder, name)))
            try:
                reopened(asked(folder, **new))
            except Killed:
                killed = True
        # Its user goes on with the new question, or returns to the old one.
        then = asked(folder, **(new if steps % 2 or not killed else {}))
        run = reopened(then)
        assert run.differences(then) == []
        assert known(run) == results
        fronts = [run.front, *(one.path / "front.json" for one in Earlier.all(run))]
        assert front in [path.read_bytes() for path in fronts if path.exists()]
        if not killed:
            assert steps > 10
            return
    raise AssertionError("it never came to an end")
