"""Which candidates are worth their weights on disk: those that may still be on the front."""

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from greenfront.config import COST_OF, RunConfig
from greenfront.hardware_profiles.cost import Cost
from greenfront.search.forest import Floats
from greenfront.search.growing_front import GrowingFront
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
        self._names = [name for name in config.objectives if name in COST_OF] or ["latency"]
        self._by_metric = GrowingFront[Result](1 + len(self._names))
        self._by_divergence = GrowingFront[Result](1 + len(self._names))
        for result in results:
            if result.state == "scored":
                self.add(result)
        self._spared: frozenset[str] = frozenset()

    def spare(self, ids: Collection[str]) -> None:
        """Never delete these candidates' weights: an earlier front of the run has them."""
        self._spared = frozenset(ids)

    def would_take(self, result: Result) -> bool:
        """Whether a scored result would be a contender."""
        by_metric, by_divergence = self._points(result)
        return self._by_metric.takes(by_metric) or self._by_divergence.takes(by_divergence)

    def add(self, result: Result) -> None:
        """Take a scored result in, once its weights are safe."""
        by_metric, by_divergence = self._points(result)
        self._by_metric.add(result, by_metric)
        self._by_divergence.add(result, by_divergence)

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
        costs = {result.number: self._point(result) for result in left}
        by_metric = {result.plan.id for result in self._by_metric.items}
        for ids in (by_metric & set(feasible), set(feasible), by_metric, {result.plan.id for result in left}):
            group = [result for result in left if result.plan.id in ids and (weightless or self.complete(result))]
            kept = sorted(group, key=lambda result: costs[result.number])
            while len(kept) > most - len(chosen):
                points = np.array([[-_number(result.validation), *costs[result.number]] for result in kept])
                kept.pop(len(kept) - 1 - int(np.argmin(crowding(points)[::-1])))  # of equals the dearest
            chosen += kept
            left = [result for result in left if result not in group]
        return sorted(chosen, key=lambda result: costs[result.number])

    def complete(self, result: Result) -> bool:
        """Whether a result's weights, and its outputs on validation, are in the run folder."""
        folder, outputs = self._run.candidate(result.plan.id), self._run.outputs(result.plan.id)
        return (folder / "config.json").exists() and outputs.exists()

    def _best(self) -> list[Result]:
        known = {result.number for result in self._by_metric.items}
        return self._by_metric.items + [each for each in self._by_divergence.items if each.number not in known]

    def _points(self, result: Result) -> tuple[Floats, Floats]:
        """(D,) The metric, and the divergence, each with the costs."""
        costs = self._point(result)
        return np.array([-_number(result.validation), *costs]), np.array([_number(result.divergence), *costs])

    def _point(self, result: Result) -> list[float]:
        cost = self._predict(result.plan)[self._config.hardware[0].name]
        return [cost.value(summed_cost(name)) for name in self._names]


def crowding(points: Floats) -> Floats:
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
