"""A sampler for Optuna that learns what a solver's prices should be, and asks for the plans that would tell most.

Every proposal is an allocation: the plan of least loss within the limits, if the losses that were predicted are
multiplied by factors of their groups. The factors begin at 1 and are refitted from finished trials (`loss_model.py`).
Candidates are allocations under the factors' posterior mean and under draws from their posterior (Thompson 1933), at
positions all along the costs; the one that is expected to add most to the front's hypervolume is proposed
(`improvement.py`). Trials under way count as if they had come to what is expected of them.

Whatever is drawn depends on the seed, on a trial's number and on the trials before it, on nothing that a process would
forget: a study that is continued goes on as if it had never been interrupted.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from greenfront.search.encodings import Allocation
from greenfront.search.forest import Floats
from greenfront.search.improvement import Cells
from greenfront.search.loss_model import LossModel
from greenfront.search.sampled_trials import RESOLUTION, Allocations, Trials

STARTING = 4
"""Finished trials before which allocations under the predicted losses themselves are proposed."""
POSITIONS, KEPT = 3, 4
"""New candidates of a trial, under one draw, and of how many trials before it candidates are looked at again: a solver
takes milliseconds, and most of what it found is still good."""
MEANS = 3
"""Every third trial's candidates are under the posterior mean instead."""
WORTHLESS = 1.0
"""Nats: about what answers come to that don't look at the question. The reference point is there, or beyond what was
seen."""
_MARGIN = 0.1
"""How far the reference point lies beyond the mild end and beyond the largest loss, as a share of their ranges."""
_GOLDEN = 0.6180339887498949


class AllocationSampler(BaseSampler):
    """Proposes parameters of `Allocations`, to a study that minimises the loss and any costs, or the loss alone.

    `learnt` is the number of the objective that is the loss. Other parameters of a study are drawn at random.
    """

    def __init__(self, allocations: Allocations, *, learnt: int = 0, seed: int = 0) -> None:
        self._allocations, self._seed = allocations, seed
        self._others = RandomSampler(seed)
        self._trials = Trials(allocations, learnt)
        self._model: LossModel | None = None
        self._found = dict[int, list[tuple[dict[str, Any], Allocation]]]()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The solver's parameters, whatever earlier trials had."""
        return dict(self._allocations.distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parameters of the most promising candidate whose plan is new."""
        if "fixed_params" in trial.system_attrs:  # a plan that was enqueued
            return {}
        self._trials.update(study, trial.number)
        if len(self._trials.losses) < STARTING:
            spread = self._spread(trial.number)
            known = self._allocations.allocated(spread).plan in self._trials.plans
            return self._anything(trial.number) if known else spread
        model = self._trials.model
        if model is not self._model:
            self._model, self._found = model, {}
        numbers = range(max(0, trial.number - KEPT), trial.number + 1)
        self._found = {n: self._found.get(n) or self._candidates(model, n) for n in numbers}
        found = [each for n in numbers for each in self._found[n] if each[1].plan not in self._trials.plans]
        return found[self._best([each for _, each in found], model)][0] if found else self._anything(trial.number)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value."""
        return self._others.sample_independent(study, trial, param_name, param_distribution)

    def revised(self, number: int) -> None:
        """A finished trial has other values now, or another state, as the study's owner may have given it."""
        self._trials.revise(number)

    def reseed_rng(self) -> None:
        """Nothing to do for a process of its own: trials differ by their numbers."""
        self._others.reseed_rng()

    def _spread(self, number: int) -> dict[str, Any]:
        """Losses as they were predicted, at both ends, then at positions that fill the range more and more densely."""
        (mild, _), groups = self._allocations.range, len(self._allocations.correlation)
        position = float(number) if number < 2 else number * _GOLDEN % 1.0
        return self._allocations.named(np.full(len(mild), position), np.zeros(groups))

    def _anything(self, number: int) -> dict[str, Any]:
        """An allocation anywhere, for when all candidates are known."""
        rng, (mild, _) = np.random.default_rng((self._seed, number, 1)), self._allocations.range
        factors = rng.normal(size=len(self._allocations.correlation))
        return self._allocations.named(rng.uniform(size=len(mild)), factors)

    def _candidates(self, model: LossModel, number: int) -> list[tuple[dict[str, Any], Allocation]]:
        """The candidates of the trial with this number, decided by it and by the model."""
        rng, (mild, _) = np.random.default_rng((self._seed, number)), self._allocations.range
        factors = model.mean[: model.groups] if number % MEANS == 0 else model.draw(rng)
        several = [self._allocations.named(position, factors) for position in _positions(rng, len(mild))]
        return [(parameters, self._allocations.allocated(parameters)) for parameters in several]

    def _best(self, candidates: Sequence[Allocation], model: LossModel) -> int:
        """The number of the one that is expected to add most to the front's hypervolume."""
        mean, deviation = model.predict(np.array([each.parts for each in candidates]))
        costs = np.log(np.array([each.costs for each in candidates]))
        return int(np.argmax(self._cells(model).expected(*_resolved(mean, deviation), costs)))

    def _cells(self, model: LossModel) -> Cells:
        """The front of finished trials and of those under way, in logarithms."""
        mild, strong = self._allocations.range
        trials, running = self._trials, self._trials.running
        observed = np.log(trials.losses + RESOLUTION)
        expected = np.logaddexp(model.expected(trials.parts[running]), np.log(RESOLUTION))
        costs = trials.costs[np.append(trials.numbers, running)]
        points = np.column_stack([np.append(observed, expected), np.log(costs)])
        reference = np.log(mild) + _MARGIN * np.log(mild / strong)
        worst = max(np.log(WORTHLESS), float(observed.max() + _MARGIN * (1 + np.ptp(observed))))
        return Cells(points, np.append(worst, reference))


def _positions(rng: np.random.Generator, axes: int) -> list[Floats]:
    """Positions (A,) that are spread; along several costs some leave a cost at its mild end."""
    spread = np.array([(rng.permutation(POSITIONS) + rng.uniform(size=POSITIONS)) / POSITIONS for _ in range(axes)]).T
    if axes > 1:
        spread *= rng.uniform(size=spread.shape) > 1 / (2 * axes)
    return list(spread)


def _resolved(mean: Floats, deviation: Floats) -> tuple[Floats, Floats]:
    """(n,) logarithms of losses and their deviations -> those of losses with `RESOLUTION` added."""
    resolved = np.logaddexp(mean, np.log(RESOLUTION))
    return resolved, deviation * np.exp(mean - resolved)
