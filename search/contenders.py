"""Which candidates are worth their weights on disk: those that may still be on the front."""

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from greenfront.config import COST_OF, RunConfig
from greenfront.hardware_profiles.cost import Cost
from greenfront.search.front import pareto_mask
from greenfront.search.journal import Result
from greenfront.search.run_folder import RunFolder
from greenfront.search.slack import summed_cost
from greenfront.spaces import Plan


class Contenders:
    """Non-dominated results by the metric or by the divergence, under predicted costs of the first target."""

    def __init__(
        self,
        config: RunConfig,
        run: RunFolder,
        results: Sequence[Result],
        predict: Callable[[Plan], Mapping[str, Cost]],
    ) -> None:
        self._config, self._run, self._predict = config, run, predict
        self._results = [result for result in results if result.state == "scored"]
        self._costs: dict[Plan, list[float]] = {}
        self._spared: frozenset[str] = frozenset()

    def spare(self, ids: Collection[str]) -> None:
        """Never delete these candidates' weights: an earlier front of the run has them."""
        self._spared = frozenset(ids)

    def would_take(self, result: Result) -> bool:
        """Whether a scored result would be a contender."""
        return result in Contenders(self._config, self._run, [*self._results, result], self._predict)._best()

    def add(self, result: Result) -> None:
        """Take a scored result in, once its weights are safe."""
        self._results.append(result)

    def prune(self) -> None:
        """Delete the weights of results that others dominate now, unless they are finished: see `keep_finished`."""
        best = {result.plan.id for result in self._best()} | self._spared
        for found in (self._run.path / "candidates").iterdir():
            id_ = found.name.partition(".")[0]
            if id_ in best or (self._run.finishing(id_) / "model").exists():
                continue
            if found.is_dir():
                shutil.rmtree(found, ignore_errors=True)
            else:
                found.unlink(missing_ok=True)

    def finalists(
        self, feasible: Collection[str] = (), *, most: int | None = None, weightless: bool = False
    ) -> list[Result]:
        """At most `most` (by default `search.finalists`) contenders with weights: first the feasible ones, and of those
        first the non-dominated by the metric, as it decides the front. Where there are too many, the most crowded ones
        stay out. With `weightless`, those whose weights were deleted are among them.
        """
        most = self._config.search.finalists if most is None else most
        left, chosen = self._best(), list[Result]()
        by_metric = {result.plan.id for result in self._non_dominated(lambda result: -_number(result.validation))}
        for ids in (by_metric & set(feasible), set(feasible), by_metric, {result.plan.id for result in left}):
            group = [result for result in left if result.plan.id in ids and (weightless or self.complete(result))]
            kept = sorted(group, key=self._point)
            while len(kept) > most - len(chosen):
                points = np.array([[-_number(result.validation), *self._point(result)] for result in kept])
                kept.pop(len(kept) - 1 - int(np.argmin(crowding(points)[::-1])))  # of equals the dearest
            chosen += kept
            left = [result for result in left if result not in group]
        return sorted(chosen, key=self._point)

    def complete(self, result: Result) -> bool:
        """Whether a result's weights, and its outputs on validation, are in the run folder."""
        folder, outputs = self._run.candidate(result.plan.id), self._run.outputs(result.plan.id)
        return (folder / "config.json").exists() and outputs.exists()

    def _best(self) -> list[Result]:
        by_metric = self._non_dominated(lambda result: -_number(result.validation))
        by_divergence = self._non_dominated(lambda result: _number(result.divergence))
        return by_metric + [result for result in by_divergence if result not in by_metric]

    def _non_dominated(self, quality: Callable[[Result], float]) -> list[Result]:
        """Results that no other beats in `quality`, which is minimised, and in every cost."""
        if not self._results:
            return []
        mask = pareto_mask(np.array([[quality(result), *self._point(result)] for result in self._results]))
        return [result for result, wins in zip(self._results, mask, strict=True) if wins]

    def _point(self, result: Result) -> list[float]:
        if result.plan not in self._costs:
            cost = self._predict(result.plan)[self._config.hardware[0].name]
            names = [name for name in self._config.objectives if name in COST_OF] or ["latency"]
            self._costs[result.plan] = [cost.value(summed_cost(name)) for name in names]
        return self._costs[result.plan]


def crowding(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far apart the neighbours of each point (N x objectives) are, as shares of the objectives' ranges, summed.

    Infinite for the best and the worst in one of them (Deb et al. 2002, NSGA-II, section III.B).
    """
    distance = np.zeros(len(points))
    for values in points.T:
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        span = ordered[-1] - ordered[0]
        distance[order[[0, -1]]] = np.inf
        if span > 0:
            distance[order[1:-1]] += (ordered[2:] - ordered[:-2]) / span
    return distance


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
