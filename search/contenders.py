"""Which candidates are worth their weights on disk: those that may still be on the front."""

import shutil
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from greenfront.config import COST_OF, RunConfig
from greenfront.hardware_profiles import Cost
from greenfront.search.front import pareto_mask
from greenfront.search.run_folder import RunFolder
from greenfront.search.study import Result
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

    def add(self, result: Result) -> bool:
        """Take a scored result in; says whether it is a contender now."""
        self._results.append(result)
        return result in self._best()

    def prune(self) -> None:
        """Delete the weights of results that others dominate now."""
        best = {result.plan.id for result in self._best()}
        for found in (self._run.path / "candidates").iterdir():
            if found.name.partition(".")[0] in best:
                continue
            if found.is_dir():
                shutil.rmtree(found, ignore_errors=True)
            else:
                found.unlink(missing_ok=True)

    def finalists(self) -> list[Result]:
        """At most `search.finalists` contenders with weights, spread along the first cost, extremes always in."""
        kept = [result for result in self._best() if (self._run.candidate(result.plan.id) / "config.json").exists()]
        kept.sort(key=lambda result: self._point(result)[0])
        most = self._config.search.finalists
        if len(kept) <= most:
            return kept
        places = np.unique(np.linspace(0, len(kept) - 1, most).round().astype(int))
        return [kept[place] for place in places]

    def _best(self) -> list[Result]:
        if not self._results:
            return []
        costs = np.array([self._point(result) for result in self._results])
        scores = np.array([[-_number(r.validation), _number(r.divergence)] for r in self._results])
        mask: NDArray[np.bool_] = np.zeros(len(self._results), dtype=bool)
        for column in scores.T:
            mask |= pareto_mask(np.column_stack([column, costs]))
        return [result for result, wins in zip(self._results, mask, strict=True) if wins]

    def _point(self, result: Result) -> list[float]:
        if result.plan not in self._costs:
            cost = self._predict(result.plan)[self._config.hardware[0].name]
            names = [name for name in self._config.objectives if name in COST_OF] or ["latency"]
            self._costs[result.plan] = [cost.value(COST_OF[name]) for name in names]
        return self._costs[result.plan]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
