"""How much of what could be had a search has found so far: the hypervolume of its trials, trial by trial.

A box is spanned by the study's objectives, each as a logarithm, so that halving a divergence, or a cost, is worth as
much wherever it is done (benchmarks/search measures searches the same way). Its worst corner is a divergence of 1 nat
and for every cost what its budget allows, or else the original's; the best corner is a fixed factor better, so that
the number depends on no other trial and runs of one configuration compare. The hypervolume is the share of the box that
some feasible trial dominates; infeasible, paused and failed ones don't count, and no trial ever takes away from it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import moocore
import numpy as np
from numpy.typing import NDArray

from greenfront.config import COST_OF, HIGHER_IS_BETTER, RunConfig
from greenfront.hardware_profiles import Cost
from greenfront.search.candidate import Candidate
from greenfront.search.journal import Result
from greenfront.search.objectives import objective_values
from greenfront.search.slack import budget_slack, cost_bounds, missed, summed_cost

WORST_DIVERGENCE = 1.0
"""Nats; whoever is so far from the original is of no use."""
LEAST_DIVERGENCE = 1e-4
"""Nats; less is no different from the original on a few hundred examples."""
LEAST_SHARE = 0.01
"""Of a cost's worst value; no profile predicts less of the original's latency."""
EXACT = 4
"""Objectives; with more of them the hypervolume of many trials takes too long, and is approximated."""


class Progression:
    """The hypervolume of trials that are added one by one."""

    def __init__(self, config: RunConfig, original: Candidate) -> None:
        """`config`: with the budgets that are searched within; `original`: of whose costs the predicted ones are used.

        A verified original, and one whose verification is still to come, so give the same numbers.
        """
        self._config = config
        self._original = replace(original, cost=None, verified=False)
        self._worst = np.array([self._reference(name) for name in config.objectives])
        self._span = -np.log([LEAST_DIVERGENCE if name == "accuracy" else LEAST_SHARE for name in config.objectives])
        self._front = np.zeros((0, len(config.objectives)))
        self.hypervolume = 0.0

    def after(self, results: Iterable[Result], predicted: Iterable[Mapping[str, Cost]]) -> NDArray[np.float64]:
        """(N,) The hypervolume after each of N further results; `predicted`: the costs of each on every target."""
        return np.array([self.add(result, costs) for result, costs in zip(results, predicted, strict=True)])

    def add(self, result: Result, predicted: Mapping[str, Cost]) -> float:
        """Take one more result in; the hypervolume with it, from 0 to 1."""
        if (point := self._point(result, predicted)) is not None and not (self._front <= point).all(axis=1).any():
            beaten = (point <= self._front).all(axis=1)
            self._front = np.vstack([self._front[~beaten], point])
            self.hypervolume = max(self.hypervolume, _hypervolume(self._front))  # sums may round down
        return self.hypervolume

    def feasible(self, result: Result, predicted: Mapping[str, Cost]) -> bool:
        """Whether a result is a finished one that keeps every budget, on costs by prediction."""
        if result.state != "scored" or result.validation is None:
            return False
        return not missed(budget_slack(predicted, result.validation, self._original, self._config.budgets))

    def _point(self, result: Result, predicted: Mapping[str, Cost]) -> NDArray[np.float64] | None:
        """(M,) The objectives, 0 at the best corner and 1 at the worst; None outside the box and where infeasible."""
        values = objective_values(self._config, result, predicted)
        if values is None or not np.isfinite(values).all() or not self.feasible(result, predicted):
            return None
        logs = np.log(np.maximum(values, np.finfo(np.float64).tiny)) - np.log(self._worst)
        point: NDArray[np.float64] = np.maximum(1 + logs / self._span, 0.0)
        return point if (point < 1).all() else None

    def _reference(self, name: str) -> float:
        """The worst value of an objective that counts, in the study's unit; where nothing costs anything, any."""
        if name == "accuracy":
            return WORST_DIVERGENCE
        cost = self._original.predicted[self._config.hardware[0].name]
        before, bound = cost.value(summed_cost(name)), cost_bounds(self._config.budgets).get(name)
        if bound is None or not before > 0:
            return before or 1.0
        shown = cost.value(COST_OF[name])
        share = bound.limit(shown) / shown
        if name in HIGHER_IS_BETTER:
            share = 1 / share  # the time of a query is minimised, of which there may be so much less
        return before * min(share, 1.0)


def _hypervolume(points: NDArray[np.float64]) -> float:
    """The share of the unit box that points (N, M), all minimised, dominate."""
    reference = [1.0] * points.shape[1]
    if len(reference) <= EXACT:
        return float(moocore.hypervolume(points, ref=reference))
    # Along fixed directions, each of which can only gain by a further point.
    return float(moocore.hv_approx(points, ref=reference, nsamples=2**14, method="DZ2019-HW"))
