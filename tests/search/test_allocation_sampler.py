"""The sampler that learns: what it is to any study, what it repeats, and what it gains."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from greenfront.search.allocation import Axis, Limit, cheapest, total
from greenfront.search.allocation_sampler import STARTING, AllocationSampler
from greenfront.search.encodings import Allocation, AllocationEncoding
from greenfront.search.journal import Result
from greenfront.search.sampled_trials import Trials
from greenfront.search.study import Study
from greenfront.spaces import Plan
from tests.search.layered import hypervolume, layered_changes, layered_losses, layered_original, layered_space

SPACE = layered_space(3)
LATENCY, SIZE = layered_changes(SPACE, "latency"), layered_changes(SPACE, "size")
ORIGINAL = layered_original(SPACE)
LOSSES = layered_losses(SPACE, 0)
LIMIT = Limit(SIZE, 0.2 * cheapest(SPACE, SIZE))
OBJECTIVES = ["divergence", "predicted latency_ms"]


def encoding() -> AllocationEncoding:
    return AllocationEncoding(SPACE, LOSSES, [LIMIT], [Axis("latency", LATENCY, ORIGINAL, ORIGINAL)])


ENCODING = encoding()


def hidden(seed: int) -> Callable[[Allocation], float]:
    """What plans lose in truth: predicted losses by group, times factors over a decade, with a floor and a power."""
    rng = np.random.default_rng(seed)
    factors = np.exp(np.linalg.cholesky(ENCODING.correlation) @ rng.normal(size=len(ENCODING.groups)))

    def loss(allocation: Allocation) -> float:
        error = np.random.default_rng(int(allocation.plan.id, 16) + seed if allocation.plan else seed).normal()
        return float((2e-4 + (allocation.parts @ factors) ** 0.9) * np.exp(0.05 * error))

    return loss


TRUTH = hidden(0)


def memory_study(seed: int = 0, **options: Any) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(directions=["minimize"] * 2, sampler=AllocationSampler(ENCODING, seed=seed, **options))


def trials_of(study: optuna.Study) -> Trials:
    assert isinstance(study.sampler, AllocationSampler)
    return study.sampler._trials


def play(study: optuna.Study, trials: int, truth: Callable[[Allocation], float] = TRUTH) -> list[Allocation]:
    found = []
    for _ in range(trials):
        trial = study.ask(ENCODING.distributions)
        found.append(ENCODING.allocated(trial.params))
        study.tell(trial, [truth(found[-1]), found[-1].costs[0]])
    return found


def play_kept(study: Study, trials: int) -> list[Plan]:
    plans = []
    for _ in range(trials):
        proposal = study.ask()
        plans.append(proposal.plan)
        allocation = ENCODING.allocation(proposal.plan)
        divergence = TRUTH(allocation)
        result = Result(proposal.number, proposal.plan, proposal.origin, "scored", 1 - divergence, divergence)
        study.keep(study.tell(result, [divergence, float(allocation.costs[0])], {}))
    return plans


def kept_study(journal: Path, seed: int = 0) -> Study:
    fresh = encoding()
    return Study(SPACE, OBJECTIVES, AllocationSampler(fresh, seed=seed), journal, fresh)


def test_the_same_seed_proposes_the_same_plans(tmp_path: Path) -> None:
    first, again, other = (play_kept(kept_study(tmp_path / f"{n}", seed), 12) for n, seed in enumerate((3, 3, 4)))
    assert first == again
    assert first != other


@pytest.mark.parametrize("stop", [2, 6, 9])
def test_a_continued_study_goes_on_as_if_it_had_not_been_interrupted(stop: int, tmp_path: Path) -> None:
    whole = play_kept(kept_study(tmp_path / "whole"), 13)
    begun = play_kept(kept_study(tmp_path / "parts"), stop)
    assert begun + play_kept(kept_study(tmp_path / "parts"), 13 - stop) == whole


def test_plans_are_new_within_the_limits_and_spread(tmp_path: Path) -> None:
    plans = play_kept(kept_study(tmp_path / "study.journal"), 25)
    assert len(set(plans)) == 25
    assert all(total(SPACE, SIZE, plan) <= LIMIT.most + 1e-6 for plan in plans)
    levels = np.log([ORIGINAL + total(SPACE, LATENCY, plan) for plan in plans])
    thirds = np.histogram(levels, bins=3, range=(np.log(ENCODING.range[1][0]), np.log(ENCODING.range[0][0])))[0]
    assert thirds.min() >= 2
    assert thirds.max() <= 15


class Forgetful(AllocationSampler):
    """Finds everything out anew for each proposal."""

    def sample_relative(self, study: optuna.Study, trial: optuna.trial.FrozenTrial, search_space: Any) -> Any:
        """As the sampler's own, with nothing remembered."""
        self._trials, self._model, self._found = Trials(self._allocations, 0), None, {}
        return super().sample_relative(study, trial, search_space)


@pytest.mark.parametrize("seed", [0, 1])
def test_whatever_is_remembered_the_proposals_are_those_of_a_sampler_that_remembers_nothing(seed: int) -> None:
    """With several under way, values that change later, and failures."""
    samplers = AllocationSampler(ENCODING, seed=seed), Forgetful(ENCODING, seed=seed)
    studies = [optuna.create_study(directions=["minimize"] * 2, sampler=sampler) for sampler in samplers]
    rng, under_way = np.random.default_rng(seed), list[list[optuna.Trial]]()
    for number in range(30):
        under_way.append([study.ask(ENCODING.distributions) for study in studies])
        assert under_way[-1][0].params == under_way[-1][1].params
        if number < 5:
            continue
        ended = under_way.pop(rng.integers(len(under_way)))
        fails, revised, factor = rng.random() < 0.2, int(rng.integers(number)), float(rng.uniform(0.5, 2))
        for study, trial in zip(studies, ended, strict=True):
            found = ENCODING.allocated(trial.params)
            values = [TRUTH(found), float(found.costs[0])]
            study.tell(trial, None if fails else values, TrialState.FAIL if fails else None)
            other = study.get_trials(deepcopy=False)[revised]
            if other.state == TrialState.COMPLETE:
                other.values = None if number % 9 == 0 else [factor * other.values[0], other.values[1]]
                other.state = TrialState.FAIL if number % 9 == 0 else other.state
                assert isinstance(study.sampler, AllocationSampler)
                study.sampler.revised(revised)


def test_what_is_under_way_counts() -> None:
    """Asked again without being told, it proposes something else, and elsewhere."""
    study = memory_study()
    play(study, 8)
    plans = [ENCODING.allocated(study.ask(ENCODING.distributions).params) for _ in range(6)]
    assert len({each.plan for each in plans}) == 6
    levels = np.log([each.costs[0] for each in plans])
    assert np.ptp(levels) > 0.2 * np.log(ENCODING.range[0][0] / ENCODING.range[1][0])


def test_before_anything_is_known_it_proposes_what_scores_say() -> None:
    study = memory_study()
    for _ in range(STARTING):
        parameters = study.ask(ENCODING.distributions).params
        assert all(parameters[name] == 0 for name in ENCODING.multipliers)


def test_plans_that_failed_or_were_rejected_are_not_proposed_again() -> None:
    study, tried = memory_study(), list[Plan]()
    for number in range(12):
        trial = study.ask(ENCODING.distributions)
        allocation = ENCODING.allocated(trial.params)
        tried.append(allocation.plan)
        if number % 3:
            study.tell(trial, [TRUTH(allocation), allocation.costs[0]])
        else:
            study.tell(trial, state=TrialState.FAIL if number % 2 else TrialState.PRUNED)
    assert len(set(tried)) == 12


def test_it_learns_from_plans_that_were_suggested(tmp_path: Path) -> None:
    study = kept_study(tmp_path / "study.journal")
    suggested = [ENCODING.decode(np.array([p]), np.zeros(len(ENCODING.groups))).plan for p in np.linspace(0, 1, 6)]
    for plan in suggested:
        study.suggest(plan, "allocation")
    plans = play_kept(study, 9)
    assert plans[:6] == list(dict.fromkeys(suggested))
    assert not set(plans[6:]) & set(suggested)


def test_the_loss_may_be_any_of_the_objectives_and_others_are_drawn_at_random() -> None:
    study = memory_study(learnt=1)
    for _ in range(STARTING + 3):
        trial = study.ask(ENCODING.distributions)
        assert 1 <= trial.suggest_int("of the user", 1, 3) <= 3
        allocation = ENCODING.allocated({name: trial.params[name] for name in ENCODING.distributions})
        study.tell(trial, [allocation.costs[0], TRUTH(allocation)])
    model = trials_of(study).model
    assert np.exp(model.mean[-1]) < 0.01


def test_one_sampler_may_serve_several_studies() -> None:
    sampler = AllocationSampler(ENCODING, seed=1)
    studies = [optuna.create_study(directions=["minimize"] * 2, sampler=sampler) for _ in range(2)]
    first = [each.plan for each in play(studies[0], 8)]
    assert [each.plan for each in play(studies[1], 8)] == first


def volume(allocations: list[Allocation], truth: Callable[[Allocation], float]) -> float:
    """Of losses and latencies, both in logarithms, as front and sampler see them."""
    points = np.log([[truth(each) + 1e-3, each.costs[0]] for each in allocations])
    return hypervolume(points, np.array([np.log(1.0), np.log(ENCODING.range[0][0])]))


def test_with_as_many_trials_it_beats_allocations_at_random_and_those_of_the_scores() -> None:
    gains = []
    for seed in (1, 3):
        truth, rng = hidden(seed), np.random.default_rng(seed)
        groups = len(ENCODING.groups)
        learnt = play(memory_study(seed), 24, truth)
        scores = [ENCODING.decode(rng.uniform(size=1), np.zeros(groups)) for _ in range(24)]
        drawn = [ENCODING.decode(rng.uniform(size=1), rng.normal(size=groups)) for _ in range(24)]
        gains.append([volume(learnt, truth) - volume(each, truth) for each in (scores, drawn)])
    assert (np.array(gains) > 0).all()
    assert np.mean(gains) > 0.1


def test_it_is_refitted_less_and_less_often() -> None:
    study = memory_study()
    play(study, 3)
    trials, fits = trials_of(study), set[int]()
    for count in range(1, 300):
        trials.numbers, trials.losses = np.zeros(count, dtype=np.intp), np.full(count, 0.1)
        assert trials.model is trials.model
        assert trials._model is not None
        fits.add(trials._model[0])
    assert max(b - a for a, b in pairwise(sorted(fits))) == 8
    assert len([count for count in fits if count <= 64]) == 64


def test_values_that_change_are_learnt_again_and_what_fails_later_is_left_out() -> None:
    """A paused trial has what is expected of it, until it goes on."""
    study = memory_study()
    play(study, 8)
    study.ask(ENCODING.distributions)
    before = trials_of(study).model.mean
    changed, failed = study.get_trials(deepcopy=False)[2:4]
    changed.values = [10 * changed.values[0], changed.values[1]]
    failed.state, failed.values = TrialState.FAIL, None
    assert isinstance(study.sampler, AllocationSampler)
    for trial in (changed, failed):
        study.sampler.revised(trial.number)
    study.ask(ENCODING.distributions)
    losses = trials_of(study).losses
    assert changed.values[0] in losses
    assert len(losses) == 7
    assert not np.allclose(trials_of(study).model.mean, before)
