"""A sampler for Optuna that learns what a solver's prices should be, and asks for the plans that would tell most.

Every proposal is an allocation: the plan of least loss within the limits, if the losses that were predicted are
multiplied by factors of their groups. The factors begin at 1 and are refitted from finished trials (`loss_model.py`).
Candidates are allocations under the factors' posterior mean and under draws from their posterior (Thompson 1933), at
positions all along the costs; the one that is expected to add most to the front's hypervolume is proposed
(`improvement.py`). Trials under way count as if they had come to what is expected of them.

Whatever is drawn depends on the seed, on a trial's number and on the trials before it, on nothing that a process would
forget: a study that is continued goes on as if it had never been interrupted.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from weakref import ref

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from greenfront.search.encodings import Allocation
from greenfront.search.forest import Floats, Numbers
from greenfront.search.improvement import Cells
from greenfront.search.loss_model import LossModel
from greenfront.spaces import Plan

STARTING = 4
"""Finished trials before which allocations under the predicted losses themselves are proposed."""
POSITIONS, KEPT = 3, 4
"""New candidates of a trial, under one draw, and of how many trials before it candidates are looked at again: a solver
takes milliseconds, and most of what it found is still good."""
MEANS = 3
"""Every third trial's candidates are under the posterior mean instead."""
RESOLUTION = 1e-3
"""Nats: of losses much smaller than this it matters little which is smaller. The front is improved in logarithms, as
errors are shares and a front's losses span decades; this is what keeps the smallest ones from being all that counts."""
WORTHLESS = 1.0
"""Nats: about what answers come to that don't look at the question. The reference point is there, or beyond what was
seen."""
_MARGIN = 0.1
"""How far the reference point lies beyond the mild end and beyond the largest loss, as a share of their ranges."""
_REFITTED = 32
"""The losses are refitted whenever this part of all trials is new, but at most after each."""
_GOLDEN = 0.6180339887498949
_OVER = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Allocations(Protocol):
    """A solver behind parameters: A positions in 0..1, from mild to strong, and the logarithms of G factors."""

    distributions: dict[str, BaseDistribution]

    @property
    def correlation(self) -> Floats:
        """(G, G) of the factors, before anything is known."""

    @property
    def range(self) -> tuple[Floats, Floats]:
        """(A,) costs at position 0, and at position 1."""

    def named(self, position: Floats, log_multipliers: Floats) -> dict[str, Any]:
        """The parameters of a position (A,) and logarithms of factors (G,)."""

    def allocated(self, parameters: Mapping[str, Any]) -> Allocation:
        """What the solver makes of parameters."""

    def tried(self, trial: FrozenTrial) -> Allocation | None:
        """What a trial tries, None where it doesn't say yet."""


class AllocationSampler(BaseSampler):
    """Proposes parameters of `Allocations`, to a study that minimises the loss and any costs, or the loss alone.

    `learnt` is the number of the objective that is the loss. Other parameters of a study are drawn at random.
    """

    def __init__(self, allocations: Allocations, *, learnt: int = 0, seed: int = 0) -> None:
        self._allocations, self._seed = allocations, seed
        self._others = RandomSampler(seed)
        self._trials = _Trials(allocations, learnt)
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


class _Trials:
    """The trials of a study. What a plan is, is found out once; who is over is looked at again only when revised."""

    def __init__(self, allocations: Allocations, learnt: int) -> None:
        self._allocations, self._learnt = allocations, learnt
        self._study: ref[Study] | None = None
        self._clear()

    def _clear(self) -> None:
        self.plans = set[Plan]()
        self.numbers, self.losses = np.zeros(0, dtype=np.intp), np.zeros(0)
        """(n,) Of the scored trials, in their order."""
        self.parts = np.zeros((0, len(self._allocations.correlation)))
        """(trials, G) Predicted losses, by number."""
        self.costs = np.zeros((0, len(self._allocations.range[0])))
        """(trials, A) By number."""
        self._known = 0
        self._open = dict[int, bool]()  # whether it is known what they try
        self._revised = set[int]()
        self._model: tuple[int, bytes, LossModel] | None = None

    def update(self, study: Study, asked: int) -> None:
        """Look at what is new, but for the trial that is being asked for."""
        if self._study is None or self._study() is not study:
            self._clear()
            self._study = ref(study)
        trials = study.get_trials(deepcopy=False)
        self._open.update(dict.fromkeys(range(self._known, len(trials)), False))
        self._known = len(trials)
        self.parts, self.costs = _longer(self.parts, len(trials)), _longer(self.costs, len(trials))
        waiting, running = TrialState.WAITING, TrialState.RUNNING
        over = self._revised.difference(self._open)
        for number, known in list(self._open.items()):
            trial = trials[number]
            if (known and trial.state is running) or number == asked or trial.state is waiting:
                continue
            described = None if known else self._allocations.tried(trial)
            if described is not None:
                self._open[number] = True
                self.plans.add(described.plan)
                self.parts[number], self.costs[number] = described.parts, described.costs
            if trial.state in _OVER and self._open.pop(number):
                over.add(number)
        self._revised.clear()
        for number in sorted(over):
            self._take(number, trials[number])

    def revise(self, number: int) -> None:
        """Look at a trial again that was over."""
        self._revised.add(number)

    def _take(self, number: int, trial: FrozenTrial) -> None:
        """Have the loss of a trial that is over, where it was scored, in its place; none of any other."""
        place = int(np.searchsorted(self.numbers, number))
        there = place < len(self.numbers) and self.numbers[place] == number
        if trial.state != TrialState.COMPLETE:
            if there:
                self.numbers, self.losses = np.delete(self.numbers, place), np.delete(self.losses, place)
        elif there:
            self.losses[place] = trial.values[self._learnt]
        else:
            self.numbers = np.insert(self.numbers, place, number)
            self.losses = np.insert(self.losses, place, trial.values[self._learnt])

    @property
    def running(self) -> Numbers:
        """The numbers of trials under way."""
        return np.array([number for number, described in self._open.items() if described], dtype=np.intp)

    @property
    def model(self) -> LossModel:
        """Of the first scored trials: how many is decided by how many there are, not by when was asked.

        Where values have changed, it is fitted again at once while there are few, else with the next block.
        """
        count = len(self.numbers)
        block = 1 << (max(1, count // _REFITTED).bit_length() - 1)
        fitted = count - count % block
        losses = self.losses[:fitted]
        seen = losses.tobytes() if block == 1 else b""
        if self._model is None or self._model[:2] != (fitted, seen):
            parts = self.parts[self.numbers[:fitted]]
            learnt = np.maximum(losses, RESOLUTION)  # nothing is to be learnt of what smaller ones differ by
            self._model = fitted, seen, LossModel.fit(parts, learnt, self._allocations.correlation)
        return self._model[2]


def _longer(rows: Floats, count: int) -> Floats:
    """Room for at least so many rows."""
    more = max(count, 2 * len(rows)) - len(rows) if count > len(rows) else 0
    return np.vstack([rows, np.zeros((more, rows.shape[1]))]) if more else rows


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
