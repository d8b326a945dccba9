"""Runs without a front: what is shown of them, and why a search may end with nothing."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rich.console import Console

from greenfront.errors import BudgetError, GreenfrontError
from greenfront.search import RunFolder
from greenfront.search.journal import Result, RungScore, State
from greenfront.search.samplers import make_sampler
from greenfront.search.study import Study
from greenfront.search.unfinished import nothing_scored, unfinished
from greenfront.spaces import Plan
from tests.search.toy_run import toy_config, toy_space


def printed(run: RunFolder) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(unfinished(run))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(toy_config(tmp_path / "run"))


def test_a_run_that_has_only_begun(run: RunFolder) -> None:
    assert "has no front yet. Last: nothing was logged" in printed(run)
    run.log.write_text("Data and original model ...\nMeasuring [this] machine ...\n")
    assert "Last: Measuring [this] machine ..." in printed(run)
    run.log.write_text("")
    assert "Last: nothing was logged" in printed(run)


def test_the_scored_trials_so_far_best_first(run: RunFolder) -> None:
    study = Study(toy_space(), ["a", "b"], make_sampler("random", {}, 0), run.study)
    for divergence in (0.3, 0.1, None, 0.2):
        proposal = study.ask()
        state: State = "failed" if divergence is None else "scored"
        result = Result(proposal.number, proposal.plan, proposal.origin, state, divergence and 0.9, divergence)
        study.keep(study.tell(result, None if divergence is None else [divergence, 1.0], {}))
    before = run.study.read_bytes()
    shown = printed(run)
    scored = sorted((r for r in study.results if r.divergence), key=lambda r: r.divergence or 0)
    places = [shown.index(result.plan.id) for result in scored]
    assert len(places) == 3
    assert places == sorted(places)
    assert all(result.plan.id not in shown for result in study.results if result.state == "failed")
    assert run.study.read_bytes() == before


def trial(study: Study, divergence: float, state: State = "scored", rungs: Sequence[int] = ()) -> Result:
    """The next one, of a validation score of 0.05."""
    proposal = study.ask()
    scores = tuple(RungScore(steps, 0.05, divergence, 1.0) for steps in rungs)
    return Result(proposal.number, proposal.plan, "sampler", state, 0.05, divergence, rungs=scores, steps=0)


def kept(run: RunFolder) -> Study:
    return Study(toy_space(), ["a", "b"], make_sampler("random", {}, 0), run.study)


def test_what_is_shown_is_what_the_journal_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder.create(toy_config(tmp_path / "run", model={"path": "toy", "task": "causal-language-modelling"}))
    study = kept(run)
    none = trial(study, 0.0)
    built = replace(trial(study, 0.02), untrained=True)
    idle = trial(study, 0.03, "paused", (0, 2))
    killed = replace(trial(study, 0.04, "paused", (0, 2)), steps=2)
    for result in (killed, idle, built, none):
        study.keep(study.tell(result, [1.0, 1.0], {}))
    with monkeypatch.context() as patch:
        patch.setattr(JournalStorage, "set_trial_state_values", lambda *_: None)
        ended = replace(killed, state="scored", validation=0.5, divergence=0.001, steps=6)
        study.keep(study.tell(ended, [1.0, 1.0], {}))
    lines = [line.rstrip().split(maxsplit=3) for line in printed(run).splitlines()[2:]]
    assert lines == [
        [none.plan.id, "20.00", "0", "sampler"],
        [built.plan.id, "20.00", "0.0200", "sampler, untrained, as it needs none"],
        [idle.plan.id, "20.00", "0.0300", "sampler, on the rung of 2 steps, which it doesn't need"],
        [killed.plan.id, "20.00", "0.0400", "sampler, after 2 steps"],
    ]


def test_a_journal_that_is_being_written_is_left_alone(run: RunFolder) -> None:
    JournalStorage(JournalFileBackend(str(run.study)))
    assert "has no front yet" in printed(run)  # a journal without a study
    study = kept(run)
    result = trial(study, 0.1)
    study.keep(study.tell(result, [0.1, 1.0], {}))
    with run.study.open("ab") as file:
        file.write(b'{"op_code": 4, "wor')
    before = run.study.read_bytes()
    assert result.plan.id in printed(run)
    assert run.study.read_bytes() == before


def results(state: str) -> list[Result]:
    plans = [Plan({"m": {"rank": rank}}) for rank in (1, 2, 3)]
    if state == "failed":
        return [Result(n, plan, "sampler", "failed", reason=f"diverged {n}") for n, plan in enumerate(plans)]
    return [Result(n, plan, "sampler", "rejected", reason="predicted over budget") for n, plan in enumerate(plans)]


def test_trials_that_all_failed_end_with_the_last_reason() -> None:
    error = nothing_scored(results("failed"), {})
    assert type(error) is GreenfrontError
    assert error.exit_code == 1
    assert "3 trials failed, the last because: diverged 2" in str(error)


def test_budgets_that_nothing_meets_together_name_the_closest_and_the_binding_one() -> None:
    found = results("rejected")
    slacks = {r.plan.id: {"latency": -0.5 + 0.1 * r.number, "size": 0.1 - 0.15 * r.number} for r in found}
    error = nothing_scored(found, slacks)
    assert isinstance(error, BudgetError)
    assert error.exit_code == 3
    assert f"the closest of 3 proposed is {found[2].plan.id}, which misses latency by 30.0% of its limit" in str(error)
