"""How many workers there should be: as many as were asked for, or as the cluster has room for, now and later."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from greenfront.config import RunConfig
from greenfront.search.placement import Needs, nodes_there, room

REVIEW_SECONDS = 5.0
"""Between two looks at the cluster's nodes: a new one has waited longer than that to get there."""


@dataclass
class Growth:
    """`workers`: a fixed number, or None for all that the cluster has room for."""

    needs: Needs
    workers: int | None
    clock: Callable[[], float] = time.monotonic
    _reviewed: float = field(default=float("-inf"), init=False)

    @classmethod
    def of(cls, config: RunConfig) -> "Growth":
        """What a configuration asks for; here, or on a cluster that isn't told a number."""
        own = config.ray.workers is None and not config.ray.local
        return cls(Needs.of(config.ray), None if own else config.workers())

    @property
    def wanted(self) -> int:
        """How many there should be now; at least one, which waits for room where there is none."""
        return self.workers or max(1, room(self.needs, nodes_there()))

    def missing(self, present: int) -> int:
        """How many to start where so many are there or on their way; looked at once in a while.

        One whose node has left is on its way until there is room again. Those that are more than the room that is
        left wait likewise, and take the place of the next that is lost.
        """
        if self.workers is not None or self.clock() < self._reviewed + REVIEW_SECONDS:
            return 0
        self._reviewed = self.clock()
        return max(0, self.wanted - present)

    def __str__(self) -> str:
        count = f"{self.workers} Ray workers" if self.workers else "as many Ray workers as the cluster has room for"
        return f"{count}, with {self.needs} each"
