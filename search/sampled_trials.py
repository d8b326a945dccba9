"""What a study's trials come to, in arrays: kept up to date trial by trial, so that thousands of them cost no more.

Letters: n scored trials, G groups, A costs.
"""

from collections.abc import Mapping
from typing import Any, Protocol
from weakref import ref

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from greenfront.search.encodings import Allocation
from greenfront.search.forest import Floats, Numbers
from greenfront.search.loss_model import LossModel
from greenfront.spaces import Plan

RESOLUTION = 1e-3
"""Nats: of losses much smaller than this it matters little which is smaller. The front is improved in logarithms, as
errors are shares and a front's losses span decades; this is what keeps the smallest ones from being all that counts."""
_REFITTED = 32
"""The losses are refitted whenever this part of all trials is new, but at most after each."""
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


class Trials:
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
