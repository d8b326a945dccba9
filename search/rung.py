"""Who stands on one rung of the ladder, and who of them is next: of thousands at once, so all is in arrays.

Letters: n trials on the rung, M objectives, all minimised.
"""

from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from greenfront.search.forest import Floats, Numbers

Point = tuple[float, ...]
_BLOCK = 256
"""Points whose distances are found at once."""


@dataclass(frozen=True)
class Standing:
    """A trial's result on a rung: objectives, all minimised, and whether it can meet the budgets on its score."""

    point: Point
    feasible: bool = True


class Rung:
    """The trials on a rung, and which of them went on."""

    def __init__(self) -> None:
        self._places = dict[int, int]()
        self._gone_on = set[int]()
        self._numbers: Numbers = np.zeros(0, dtype=np.intp)
        self._points: Floats = np.zeros((0, 0))
        self._feasible: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self._waits: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self._levels: Numbers | None = None

    def __len__(self) -> int:
        return len(self._places)

    @property
    def gone_on(self) -> int:
        """How many went on."""
        return len(self._gone_on)

    def record(self, number: int, standing: Standing) -> None:
        """A trial's result, new or judged again."""
        self._levels = None
        place = self._places.setdefault(number, len(self._places))
        if place == len(self._numbers):
            self._grow(len(standing.point))
        self._numbers[place], self._points[place] = number, standing.point
        self._feasible[place], self._waits[place] = standing.feasible, number not in self._gone_on

    def promote(self, number: int) -> None:
        """This one went on."""
        self._gone_on.add(number)
        if number in self._places:
            self._waits[self._places[number]] = False

    def drop(self, number: int) -> None:
        """Forget a trial."""
        self._gone_on.discard(number)
        if number not in self._places:
            return
        kept = np.delete(np.arange(len(self)), self._places[number])
        self._numbers, self._points = self._numbers[kept], self._points[kept]
        self._feasible, self._waits = self._feasible[kept], self._waits[kept]
        self._places = {int(each): place for place, each in enumerate(self._numbers)}
        self._levels = None

    def next(self, places: int) -> int | None:
        """Of the best so many trials, best first, the first one that waits still; None where all of them went on.

        Best is who is in an earlier front, and inside a front who is furthest from all that went on.
        """
        levels, waits = self._fronts(), self._waits[: len(self)]
        every = np.bincount(levels)
        waiting = np.bincount(levels[waits], minlength=len(every))
        left = places - np.cumsum(every - waiting)
        ends = np.flatnonzero((left <= 0) | (waiting > 0))
        if not len(ends) or left[ends[0]] <= 0:
            return None
        front = np.flatnonzero(waits & (levels == ends[0]))
        front = front[np.argsort(self._numbers[front])]
        positions = by_rank(self._points[: len(self)])
        return int(self._numbers[front[furthest(positions[front], positions[~waits])]])

    def behind(self, places: int) -> set[int]:
        """The trials that wait, and than which at least so many are better: in an earlier front."""
        levels = self._fronts()
        every = np.bincount(levels)
        found = self._waits[: len(self)] & ((np.cumsum(every) - every)[levels] >= places)
        return set(self._numbers[: len(self)][found].tolist())

    def _fronts(self) -> Numbers:
        """(n,) In which front each is, those of the ones that can meet the budgets first."""
        if self._levels is None:
            feasible, points = self._feasible[: len(self)], self._points[: len(self)]
            levels, first = np.zeros(len(self), dtype=np.intp), 0
            for group in (feasible, ~feasible):
                levels[group] = first + ranks(points[group])
                first = int(levels.max(initial=-1)) + 1
            self._levels = levels
        return self._levels

    def _grow(self, objectives: int) -> None:
        more = max(8, len(self._numbers))
        self._numbers = np.append(self._numbers, np.zeros(more, dtype=np.intp))
        self._points = np.vstack([self._points.reshape(-1, objectives), np.zeros((more, objectives))])
        self._feasible = np.append(self._feasible, np.zeros(more, dtype=np.bool_))
        self._waits = np.append(self._waits, np.zeros(more, dtype=np.bool_))


def ranks(points: Floats) -> Numbers:
    """(n, M) -> (n,) the front of each: no point of the first is dominated, none of the second by any but those of the
    first, and so on; equal points share a front."""
    found: Numbers = np.asarray(moocore.pareto_rank(points) if len(points) else (), dtype=np.intp)
    return found


def furthest(points: Floats, near: Floats) -> int:
    """Which of (n, M) is as far as can be from (m, M); with nothing to be far from the one with the least sum.

    So an epsilon net is built, greedily.
    """
    if not len(near):
        return int(np.argmin(points.sum(axis=1)))
    distances = np.full(len(points), np.inf)
    for begin in range(0, len(near), _BLOCK):
        away = np.linalg.norm(points[:, None] - near[begin : begin + _BLOCK], axis=2)
        distances = np.minimum(distances, away.min(axis=1))
    return int(np.argmax(distances))


def by_rank(points: Floats) -> Floats:
    """(n, M) -> the same with each coordinate from 0 (the least of all) to 1 (the greatest) by its rank; equal ones
    share."""
    columns = []
    for column in points.T:
        values, place = np.unique(column, return_inverse=True)
        columns.append(place / max(len(values) - 1, 1))
    return np.stack(columns, axis=1)
