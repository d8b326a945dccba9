"""The ladder as it is easily understood: everything found anew at every step, front by front and point by point."""

import math
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from operator import le

import numpy as np
from numpy.typing import NDArray

from greenfront.search.ladder import EARLY
from greenfront.search.rung import Point, Standing


class SlowLadder:
    """Who stands on which rung, and who went on from there. Rung 0 is the lowest; from the last nobody goes on.

    At least `least` go on from every rung at the end, if there are so many: a short search needs a front, too.
    """

    def __init__(self, rungs: int, reduction: int, least: int = 1) -> None:
        self._reduction, self._least = reduction, least
        self._standings: list[dict[int, Standing]] = [{} for _ in range(rungs)]
        self._promoted: list[set[int]] = [set() for _ in range(rungs)]

    def record(self, rung: int, number: int, standing: Standing) -> None:
        """A trial's result on a rung, new or judged again."""
        self._standings[rung][number] = standing

    def promote(self, rung: int, number: int) -> None:
        """This trial goes on from this rung."""
        self._promoted[rung].add(number)

    def drop(self, number: int) -> None:
        """Forget a trial that failed: another may have its place."""
        for standings, promoted in zip(self._standings, self._promoted, strict=True):
            standings.pop(number, None)
            promoted.discard(number)

    def next(self, *, settled: int = 0) -> tuple[int, int] | None:
        """The rung and the number of the trial that should go on now, or None.

        The highest rung that has one comes first. To the lowest `settled` rungs nobody will come but from one of them:
        there all places are given, rounded up, `least` of them if that is more, and the lowest rung comes first.
        """
        highest = len(self._standings) - 1
        lowest = min(settled, highest)
        for rung in (*range(lowest), *range(highest - 1, lowest - 1, -1)):
            count = len(self._standings[rung])
            places = self._places(count) if rung < lowest else math.floor(EARLY * count / self._reduction)
            for number in self._best(rung, places if len(self._promoted[rung]) < places else 0):
                if number not in self._promoted[rung]:
                    return rung, number
        return None

    def hopeless(self, rung: int, trials: int) -> set[int]:
        """Trials on a rung that won't go on from it, as too many are better, when `trials` plans are started in all.

        By expectation: when better ones fail, or more come up than should, one of them may go on all the same.
        """
        expected = max(len(self._standings[rung]), self.expected(trials)[rung])
        places = self._places(expected)
        better, found = 0, set[int]()
        for front in self._fronts(rung):
            if better >= places:
                found |= set(front) - self._promoted[rung]
            better += len(front)
        return found

    def expected(self, trials: int) -> list[int]:
        """How many come to stand on every rung when `trials` plans are started."""
        counts = [trials]
        for standings in self._standings[1:]:
            counts.append(max(len(standings), self._places(counts[-1])))
        return counts

    def _places(self, count: int) -> int:
        """How many of so many go on in the end."""
        return max(math.ceil(count / self._reduction), min(self._least, count))

    def _best(self, rung: int, places: int) -> list[int]:
        """The best `places` trials of a rung, best first."""
        if places == 0:
            return []
        standings, promoted = self._standings[rung], self._promoted[rung]
        positions = _by_rank({number: standing.point for number, standing in standings.items()})
        chosen: list[int] = []
        for front in self._fronts(rung):
            taken = [number for number in front if number in promoted]
            rest = [number for number in front if number not in promoted]
            near = [positions[number] for number in promoted if number in positions]
            chosen += taken + spread(rest, positions, near, places - len(chosen) - len(taken))
            if len(chosen) >= places:
                return chosen[:places]
        return chosen

    def _fronts(self, rung: int) -> list[list[int]]:
        """The rung's trials front by front: of those that can meet the budgets first."""
        standings = self._standings[rung]
        groups = ([n for n, s in standings.items() if s.feasible is feasible] for feasible in (True, False))
        return [
            [group[index] for index in front]
            for group in groups
            for front in fronts([standings[number].point for number in group])
        ]


def fronts(points: Sequence[Point]) -> list[list[int]]:
    """The indices of points, all coordinates minimised, front by front: no point of the first is dominated, none of
    the second by any but those of the first, and so on; equal points share a front.

    By efficient non-dominated sorting (Zhang et al. 2015): in lexicographic order no point is dominated by a later one,
    and the fronts in which one is dominated are the first ones, so its own is found by bisection.
    """
    found: list[list[int]] = []

    def free(front: list[int], point: Point) -> bool:
        # Of two coordinates the second falls along a front, so that its last point dominates if any does.
        members = front[-1:] if len(point) == 2 else front
        return not any(points[m] != point and all(map(le, points[m], point)) for m in members)

    for index in sorted(range(len(points)), key=points.__getitem__):
        point = points[index]
        place = bisect_left(found, True, key=lambda front: free(front, point))
        if place == len(found):
            found.append([])
        found[place].append(index)
    return found


def spread(
    numbers: Collection[int],
    positions: Mapping[int, NDArray[np.float64]],
    near: Sequence[NDArray[np.float64]],
    count: int,
) -> list[int]:
    """At most `count` of the numbers, each as far as can be from `near` and from those before it.

    An epsilon net, built greedily. With nothing to be far from, the first is the one nearest to the best in everything.
    """
    left, chosen = sorted(numbers), list[int]()
    if not left or count <= 0:
        return []
    points = np.array([positions[number] for number in left])
    distances = np.full(len(left), np.inf)
    for other in near:
        distances = np.minimum(distances, np.linalg.norm(points - other, axis=1))
    while len(chosen) < min(count, len(left)):
        place = int(np.argmax(distances)) if np.isfinite(distances).any() else int(np.argmin(points.sum(axis=1)))
        chosen.append(left[place])
        distances = np.minimum(distances, np.linalg.norm(points - points[place], axis=1))
        distances[place] = -np.inf
    return chosen


def _by_rank(points: Mapping[int, Point]) -> dict[int, NDArray[np.float64]]:
    """Every point with each coordinate from 0 (the least of all) to 1 (the greatest) by its rank; equal ones share."""
    if not points:
        return {}
    columns = []
    for column in np.array(list(points.values())).T:
        values, ranks = np.unique(column, return_inverse=True)
        columns.append(ranks / max(len(values) - 1, 1))
    return dict(zip(points, np.stack(columns, axis=1), strict=True))
