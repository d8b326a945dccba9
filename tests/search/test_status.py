"""What another terminal is told of a run: running, ended early, finished."""

import os
from dataclasses import replace
from pathlib import Path

from greenfront.search import RunFolder
from greenfront.search.journal import Result, State
from greenfront.search.samplers import make_sampler
from greenfront.search.status import is_finished, status
from greenfront.search.study import Study
from tests.search.front_builder import build_front
from tests.search.toy_run import toy_config, toy_space


def begun(folder: Path) -> RunFolder:
    """Three trials have ended of twelve, one of them failed; one was refused, and one is under way."""
    run = RunFolder.create(toy_config(folder))
    study = Study(toy_space(), ["a", "b"], make_sampler("random", {}, 0), run.study)
    states: tuple[State, ...] = ("scored", "rejected", "scored", "failed")
    for state in states:
        proposal = study.ask()
        scored = state == "scored"
        result = Result(
            proposal.number, proposal.plan, "sampler", state, 0.9 if scored else None, 0.1 if scored else None
        )
        study.keep(study.tell(result, [0.1, 1.0] if scored else None, {}))
    study.keep_accepted(study.accepted(study.ask()))
    return run


def test_a_running_search_names_its_process_and_how_far_it_is(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with run.alone():
        said = status(run, None)
    assert said.startswith(f"process {os.getpid()} on ")
    assert said.endswith("is searching here: 3 of 12 trials have ended, 1 of them failed")
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_one_that_ended_early_says_how_it_goes_on(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    assert status(run, build_front(verified=0, unverified=2)).startswith("no process is searching here: 3 of 12 trials")
    assert "`greenfront search FILE`, with the same file, goes on" in status(run, None)


def test_a_finished_one(tmp_path: Path) -> None:
    front = build_front(verified=3, unverified=1)
    assert is_finished(front)
    assert not is_finished(None)
    assert not is_finished(replace(front, candidates=()))
    assert status(begun(tmp_path / "run"), front).startswith("finished: 3 of 12")
