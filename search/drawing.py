"""The front of a search so far, and how its hypervolume grew, as a terminal draws them while it goes on."""

from collections.abc import Mapping

import numpy as np

from greenfront.config import COST_OF, CostName, RunConfig
from greenfront.hardware_profiles import Cost
from greenfront.search import wording
from greenfront.search.candidate import Candidate
from greenfront.search.growing_front import GrowingFront
from greenfront.search.journal import Result
from greenfront.search.progress import Picture
from greenfront.search.slack import minimised

SHOWN: tuple[CostName, ...] = ("latency_ms", "size_mb")


class Drawing:
    """Follows the trials of a search. Costs are predicted ones, of the first target, as nothing is measured yet."""

    def __init__(self, config: RunConfig, original: Candidate) -> None:
        self._config, self._target = config, config.hardware[0].name
        self._original = original.predicted[self._target]
        self._front = GrowingFront[tuple[Result, Cost]](len(config.objectives))
        self._grown: list[float] = []
        named = [COST_OF[name] for name in config.objectives if name in COST_OF]
        self._costs = tuple(dict.fromkeys((*named, *SHOWN)))

    def ended(self, hypervolume: float) -> None:
        """A trial has ended, and so much is reached."""
        self._grown.append(hypervolume)

    def found(self, result: Result, predicted: Mapping[str, Cost]) -> None:
        """A scored trial that meets every budget."""
        cost, validation = predicted[self._target], result.validation
        assert validation is not None
        point = [-validation if name == "accuracy" else minimised(name, cost) for name in self._config.objectives]
        self._front.add((result, cost), np.array(point))

    def picture(self, busy: int, workers: int) -> Picture:
        """How it stands."""
        metric = self._config.data.metric
        members = sorted(self._front.items, key=lambda each: (each[1].value(self._costs[0]), each[0].plan.id))
        head = ("id", metric, *(wording.WORDS[name].title for name in self._costs), "came from")
        rows = (
            (result.plan.id, wording.score(result.validation, metric), *self._shown(cost), result.origin)
            for result, cost in members
        )
        return Picture(head, tuple(rows), tuple(self._grown), busy, workers)

    def _shown(self, cost: Cost) -> list[str]:
        """Each cost, and how many times better than the original's it is."""
        return [
            f"~{wording.cost(name, cost.value(name))} "
            f"({wording.ratio(name, self._original.value(name), cost.value(name))})"
            for name in self._costs
        ]
