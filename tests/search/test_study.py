"""The study: Optuna behind two words, ask and tell, and a journal from which it goes on."""

import errno
import itertools
import os
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from greenfront.errors import ConfigError, RunError
from greenfront.search.journal import NAME, Result, drop_torn_line, trials_in
from greenfront.search.samplers import SHORT, make_sampler
from greenfront.search.study import Proposal, Study
from greenfront.spaces import Choice, Plan, Site, Space

OBJECTIVES = ["divergence", "predicted latency_ms"]


def space_of(count: int = 4, ranks: int = 5) -> Space:
    return Space(
        tuple(
            Choice(
                Site(f"m{i}", "linear", (64, 64), "Linear"), "low_rank", tuple({"rank": r} for r in range(1, ranks + 1))
            )
            for i in range(count)
        )
    )


SPACE = space_of()


def study_at(journal: Path, sampler: str = "tpe", seed: int = 0, space: Space = SPACE, **options: Any) -> Study:
    return Study(space, OBJECTIVES, make_sampler(sampler, options, seed), journal)


def finish(study: Study, proposal: Proposal) -> FrozenTrial:
    """Scored by a formula, and kept."""
    amounts = study.space.indices(proposal.plan)
    divergence = sum((5 - i) ** 2 * (n + 1) for n, i in enumerate(amounts)) / 100
    result = Result(
        proposal.number, proposal.plan, proposal.origin, "scored", 1 - divergence, divergence, seconds=1.5
    )  # fmt: skip
    trial = study.tell(result, [divergence, float(sum(amounts))], {"latency": sum(amounts) - 12.0})
    study.keep(trial)
    return trial


def play(study: Study, trials: int) -> list[Plan]:
    plans = []
    for _ in range(trials):
        proposal = study.ask()
        plans.append(proposal.plan)
        finish(study, proposal)
    return plans


def trials_of(journal: Path) -> list[FrozenTrial]:
    """What anybody reads from the file, with Optuna alone."""
    study = optuna.load_study(storage=JournalStorage(JournalFileBackend(str(journal))), study_name=NAME)
    return study.trials


@pytest.mark.parametrize("name", [name for name in SHORT if name != "gp"] + ["TPESampler"])
def test_a_sampler_goes_by_its_short_name_or_its_class(name: str, tmp_path: Path) -> None:
    sampler = make_sampler(name, {}, 0)
    assert type(sampler).__name__ == SHORT.get(name, name)
    study = Study(SPACE, OBJECTIVES, sampler, tmp_path / "study.journal")
    for plan in play(study, 3):
        SPACE.indices(plan)


@pytest.mark.parametrize("name", ["tqe", "", "BaseSampler()", "intersection_search_space", "nsgaiiii"])
def test_an_unknown_sampler_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"search\.sampler: must be one of tpe, nsgaii, .* but got") as caught:
        make_sampler(name, {}, 0)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options"),
    [("tpe", {"population": 8}), ("nsgaii", {"population_size": 1}), ("random", {"n_startup_trials": 3})],
)
def test_an_option_the_sampler_does_not_take_is_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"search\.sampler_options: {name} takes .*seed.*; "):
        make_sampler(name, options, 0)


def test_an_abstract_sampler_is_refused() -> None:
    with pytest.raises(ConfigError, match="search"):
        make_sampler("BaseSampler", {}, 0)


def test_options_reach_the_sampler(tmp_path: Path) -> None:
    plans = [play(study_at(tmp_path / f"{startup}", n_startup_trials=startup), 12) for startup in (4, 12)]
    assert plans[0][:4] == plans[1][:4]
    assert plans[0] != plans[1]


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "random"])
def test_the_same_seed_proposes_the_same_plans(sampler: str, tmp_path: Path) -> None:
    first, again, other = (
        play(study_at(tmp_path / f"{number}", sampler, seed), 14) for number, seed in enumerate((3, 3, 4))
    )
    assert first == again
    assert first != other


def test_suggested_plans_come_first_and_once(tmp_path: Path) -> None:
    study = study_at(tmp_path / "study.journal")
    wanted = [SPACE.plan([0, 0, 0, 0]), SPACE.plan([5, 4, 3, 2]), SPACE.plan([5, 5, 5, 4])]
    for number, plan in enumerate(wanted):
        study.suggest(plan, f"allocation {number}")
    found = [study.ask() for _ in range(5)]
    assert [proposal.plan for proposal in found[:3]] == wanted
    assert [p.origin for p in found] == ["allocation 0", "allocation 1", "allocation 2", "sampler", "sampler"]
    for proposal in found:
        finish(study, proposal)
    study.suggest(wanted[1], "again")  # it has a result
    assert study.ask().origin == "sampler"


def test_a_suggested_plan_with_a_result_is_not_proposed_after_a_restart(tmp_path: Path) -> None:
    wanted = [SPACE.plan([0, 0, 0, 0]), SPACE.plan([1, 1, 1, 1])]
    study = study_at(tmp_path / "study.journal")
    study.suggest(wanted[0], "allocation")
    finish(study, study.ask())
    continued = study_at(tmp_path / "study.journal")
    for plan in wanted:
        continued.suggest(plan, "allocation")
    assert continued.ask().plan == wanted[1]
    assert continued.ask().origin == "sampler"


def test_a_plan_outside_the_space_is_not_suggested(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not in this space"):
        study_at(tmp_path / "study.journal").suggest(Plan({"elsewhere": {"rank": 1}}), "allocation")


def test_a_new_study_on_the_journal_has_the_same_results(tmp_path: Path) -> None:
    study = study_at(tmp_path / "study.journal")
    play(study, 5)
    over, broken = study.ask(), study.ask()
    study.keep(study.tell(Result(over.number, over.plan, over.origin, "rejected", reason="size"), None, {"size": 0.25}))
    study.keep(
        study.tell(Result(broken.number, broken.plan, broken.origin, "failed", reason="diverged"), None, {"size": -0.5})
    )
    lost = study.ask()  # under way when the run dies
    continued = study_at(tmp_path / "study.journal")
    assert continued.results == study.results
    assert lost.number == len(continued.results)
    assert continued.ask().number == len(continued.results)


@pytest.mark.parametrize("sampler", ["random", "nsgaii", "tpe"])
def test_a_continued_sampler_does_not_begin_again(sampler: str, tmp_path: Path) -> None:
    begun = play(study_at(tmp_path / "a", sampler), 6)
    continued = play(study_at(tmp_path / "a", sampler), 6)
    assert begun + continued == play(study_at(tmp_path / "b", sampler), 12)
    assert len(set(continued) - set(begun)) > 3


@pytest.mark.parametrize("sampler", ["random", "nsgaii", "tpe"])
@pytest.mark.parametrize("written", range(1, 18, 4))
def test_a_study_goes_on_as_if_it_had_never_been_interrupted(written: int, sampler: str, tmp_path: Path) -> None:
    """Killed after so many steps have been written, of which each proposal is one and each result another."""

    def asked(study: Study) -> Iterator[Plan]:
        """As one worker would: the next plan is asked for before the result of the last one is known."""
        waiting: list[Proposal] = []
        while True:
            proposal = study.ask()
            study.keep_accepted(study.accepted(proposal))
            yield proposal.plan
            waiting.append(proposal)
            if len(waiting) == 2:
                finish(study, waiting.pop(0))

    def first(path: Path, count: int) -> list[Plan]:
        study = study_at(path, sampler)
        for number in range(3):
            study.suggest(SPACE.plan([number] * 4), "allocation")
        return list(itertools.islice(asked(study), count))

    whole = first(tmp_path / "a", 20)
    lines = (tmp_path / "a").read_bytes().splitlines(keepends=True)
    ends = [n for n, line in enumerate(lines) if b'"op_code":4,' in line or b'"op_code":6,' in line]
    (tmp_path / "b").write_bytes(b"".join(lines[: ends[written] + 1]))
    done = {result.plan for result in study_at(tmp_path / "b", sampler).results}
    assert [plan for plan in whole if plan in done] + first(tmp_path / "b", 20 - len(done)) == whole


def test_what_was_under_way_is_proposed_first_and_again(tmp_path: Path) -> None:
    study = study_at(tmp_path / "a")
    study.suggest(SPACE.plan([1, 2, 3, 4]), "allocation 50%")
    proposals = [study.ask() for _ in range(3)]
    for proposal in proposals:
        study.keep_accepted(study.accepted(proposal))
    finish(study, proposals[1])
    assert [trial.number for trial in trials_in(tmp_path / "a")] == [1]
    continued = study_at(tmp_path / "a")
    assert [result.number for result in continued.results] == [1]
    continued.suggest(SPACE.plan([1, 2, 3, 4]), "again")  # it is under way already
    assert [continued.ask(), continued.ask()] == [proposals[0], proposals[2]]
    for proposal in (proposals[2], proposals[0]):
        continued.keep_accepted(continued.accepted(proposal))
        finish(continued, proposal)
    assert continued.ask().number == 3
    assert [trial.number for trial in trials_in(tmp_path / "a")] == [0, 1, 2]
    assert [trial.state for trial in trials_of(tmp_path / "a")] == [TrialState.COMPLETE] * 3


def test_refusals_in_a_row_are_counted_over_a_restart(tmp_path: Path) -> None:
    study = study_at(tmp_path / "a")
    proposal = study.ask()
    study.keep_accepted(study.accepted(proposal))
    for _ in range(3):
        over = study.ask()
        study.keep(study.tell(Result(over.number, over.plan, over.origin, "rejected", reason="over"), None, {}))
    assert study.refused_last == study_at(tmp_path / "a").refused_last == 3
    finish(study, proposal)
    assert study.refused_last == study_at(tmp_path / "a").refused_last == 3
    finish(study, study.ask())
    assert study.refused_last == 0


def test_a_continued_tpe_has_learnt_from_the_journal(tmp_path: Path) -> None:
    """It proposes plans that are better than those of a sampler which has seen nothing."""
    play(study_at(tmp_path / "a"), 30)
    continued = study_at(tmp_path / "a")
    fresh = study_at(tmp_path / "b", seed=1)

    def over(study: Study) -> int:
        return sum(sum(SPACE.indices(study.ask().plan)) > 12 for _ in range(20))

    assert over(continued) < over(fresh)


def test_rejected_trials_are_pruned_with_positive_constraints(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    study = study_at(journal)
    finish(study, study.ask())
    proposal = study.ask()
    rejected = Result(proposal.number, proposal.plan, proposal.origin, "rejected", reason="predicted over budget")
    study.keep(study.tell(rejected, None, {"latency": 0.25, "size": -0.5}))
    failed = study.ask()
    result = Result(failed.number, failed.plan, failed.origin, "failed", seconds=3.0, reason="the worker died")
    study.keep(study.tell(result, None, {"latency": -0.1}))

    scored, pruned, fallen = trials_of(journal)
    assert (scored.state, pruned.state, fallen.state) == (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    assert pruned.constraints == {"latency": 0.25, "size": -0.5}
    assert pruned.user_attrs["reason"] == "predicted over budget"
    assert fallen.user_attrs["reason"] == "the worker died"
    assert scored.user_attrs["plan"] == study.results[0].plan.to_json()
    assert scored.user_attrs["plan_id"] == study.results[0].plan.id
    assert scored.values == [study.results[0].divergence, sum(SPACE.indices(study.results[0].plan))]
    assert scored.params == dict(
        zip((c.name for c in SPACE.choices), SPACE.indices(study.results[0].plan), strict=True)
    )


def test_the_journal_is_an_ordinary_study(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    play(study_at(journal), 4)
    study = optuna.load_study(storage=JournalStorage(JournalFileBackend(str(journal))), study_name=NAME)
    assert len(study.directions) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        assert study.metric_names == OBJECTIVES
    assert study.best_trials


def test_what_is_not_kept_is_not_in_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    study = study_at(journal)
    study.ask()
    proposal = study.ask()
    study.tell(Result(proposal.number, proposal.plan, proposal.origin, "failed", reason="x"), None, {})
    assert trials_of(journal) == []


@pytest.mark.parametrize("other", [space_of(3), space_of(4, 4), space_of(5)])
def test_a_journal_of_another_space_is_refused(other: Space, tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    play(study_at(journal), 2)
    with pytest.raises(RunError, match="of another space or encoding; choose another output folder") as caught:
        study_at(journal, space=other)
    assert str(journal) in str(caught.value)
    assert len(trials_of(journal)) == 2


@pytest.mark.parametrize("name", ["cmaes", "CmaEsSampler"])
def test_a_sampler_that_unpickles_what_a_study_holds_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"search\.sampler: {name} keeps its state as a pickle .*; take tpe, "):
        make_sampler(name, {}, 0, 1)


def test_a_half_written_last_line_is_cut_off(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    whole = b'{"op_code": 0}\n{"op_code": 4}\n'
    journal.write_bytes(whole + b'{"op_co')
    drop_torn_line(journal)
    assert journal.read_bytes() == whole
    drop_torn_line(journal)
    assert journal.read_bytes() == whole
    drop_torn_line(tmp_path / "missing")


@pytest.mark.parametrize("torn", [b"\0\0\0\0", b'{"op_code": 4, "sta\n', b"[1]\n", b"\xff\n"])
def test_a_last_line_that_means_nothing_is_cut_off(torn: bytes, tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    plans = play(study_at(journal), 3)
    with journal.open("ab") as file:
        file.write(torn)
    assert [result.plan for result in study_at(journal).results] == plans
    play(study_at(journal), 1)
    assert len(trials_of(journal)) == 4


def test_a_line_in_the_middle_is_named_with_what_it_costs_to_cut_there(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    play(study_at(journal), 5)
    lines = journal.read_bytes().splitlines(keepends=True)
    third = [number for number, line in enumerate(lines, start=1) if b'"op_code":4,' in line][2]
    journal.write_bytes(b"".join([*lines[: third - 1], lines[third - 1][:-9] + b"\n", *lines[third:]]))
    for read in (study_at, trials_in):
        with pytest.raises(RunError, match=f"line {third} of {len(lines)} can't be read") as caught:
            read(journal)
        assert "costs 3 trials, which would be tried again; 2 stay" in str(caught.value)
    command = str(caught.value).split("`")[1]
    subprocess.run(command, shell=True, check=True)
    assert len(study_at(journal).results) == 2


def test_a_journal_of_something_else_is_named(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    journal.write_text('{"op_code": 99}\n{"op_code": 98}\n')
    with pytest.raises(RunError, match=r"study\.journal: can't be read as a journal .*; restore it, or delete it"):
        study_at(journal)


def test_after_a_full_disk_the_journal_is_as_it_was_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line, and others after it, would make all that follows unreadable."""
    journal = tmp_path / "study.journal"
    study = study_at(journal)
    play(study, 2)
    before, proposals = journal.read_bytes(), [study.ask(), study.ask()]

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(RunError, match=r"study\.journal can't be written: No space left on device"):
            finish(study, proposals[0])
        assert journal.read_bytes() == before
    with pytest.raises(
        RunError, match="No space left on device"
    ):  # what comes later would take the number of the first
        finish(study, proposals[1])
    assert journal.read_bytes() == before
    assert len(study_at(journal).results) == 2
