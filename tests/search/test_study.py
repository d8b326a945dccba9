"""The study: Optuna behind two words, ask and tell, and a journal from which it goes on."""

import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from greenfront.errors import ConfigError, RunError
from greenfront.search.journal import NAME, Result, drop_torn_line
from greenfront.search.study import SHORT, Proposal, Study, make_sampler
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


@pytest.mark.parametrize("name", [name for name in SHORT if name not in ("gp", "cmaes")] + ["TPESampler"])
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
    assert begun + continued == play(study_at(tmp_path / "b", sampler), 12)[:6] + continued
    assert not set(begun) & set(continued)
    if sampler != "tpe":  # whose drawing depends on what it learnt between
        assert begun + continued == play(study_at(tmp_path / "c", sampler), 12)


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


def test_a_sampler_that_takes_one_objective_is_refused_for_two() -> None:
    with pytest.raises(ConfigError, match=r"search\.sampler: cmaes can't be used with 2 objectives"):
        make_sampler("cmaes", {}, 0, 2)


def test_a_half_written_last_line_is_cut_off(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    whole = b'{"op_code": 0}\n{"op_code": 4}\n'
    journal.write_bytes(whole + b'{"op_co')
    drop_torn_line(journal)
    assert journal.read_bytes() == whole
    drop_torn_line(journal)
    assert journal.read_bytes() == whole
    drop_torn_line(tmp_path / "missing")
