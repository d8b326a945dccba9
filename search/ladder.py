"""Which trial goes on: asynchronous successive halving with several objectives.

Every trial is scored on the lowest rung; of those on a rung the best `1 / reduction` go on to the next one: half of
them as soon as they are among the best so far (ASHA, Li et al. 2020, algorithm 2), the others once all have come.
Best is, as in MO-ASHA (Schmucker et al. 2021, section 3), who is in an earlier front, and inside a front who is
furthest from those that were chosen before. Objectives are compared by ranks, so that neither milliseconds nor one
hopeless trial hide the differences of the others.
"""

import math

from greenfront.search.rung import Rung, Standing

EARLY = 0.5
"""Share of a rung's places that are given before all have come to it: the best half of few is rarely wrong. With all
of them given early, and more as better ones come, a fifth to a third more trials go on, to no better front per step."""


class Ladder:
    """Who stands on which rung, and who went on from there. Rung 0 is the lowest; from the last nobody goes on.

    At least `least` go on from every rung at the end, if there are so many: a short search needs a front, too.
    """

    def __init__(self, rungs: int, reduction: int, least: int = 1) -> None:
        self._reduction, self._least = reduction, least
        self._rungs = [Rung() for _ in range(rungs)]

    def record(self, rung: int, number: int, standing: Standing) -> None:
        """A trial's result on a rung, new or judged again."""
        self._rungs[rung].record(number, standing)

    def promote(self, rung: int, number: int) -> None:
        """This trial goes on from this rung."""
        self._rungs[rung].promote(number)

    def drop(self, number: int) -> None:
        """Forget a trial that failed: another may have its place."""
        for rung in self._rungs:
            rung.drop(number)

    def next(self, *, settled: int = 0) -> tuple[int, int] | None:
        """The rung and the number of the trial that should go on now, or None.

        The highest rung that has one comes first. To the lowest `settled` rungs nobody will come but from one of them:
        there all places are given, rounded up, `least` of them if that is more, and the lowest rung comes first.
        """
        highest = len(self._rungs) - 1
        lowest = min(settled, highest)
        for rung in (*range(lowest), *range(highest - 1, lowest - 1, -1)):
            here = self._rungs[rung]
            places = self._places(len(here)) if rung < lowest else math.floor(EARLY * len(here) / self._reduction)
            if here.gone_on < places and (number := here.next(places)) is not None:
                return rung, number
        return None

    def hopeless(self, rung: int, trials: int) -> set[int]:
        """Trials on a rung that won't go on from it, as too many are better, when `trials` plans are started in all.

        By expectation: when better ones fail, or more come up than should, one of them may go on all the same.
        """
        expected = max(len(self._rungs[rung]), self.expected(trials)[rung])
        return self._rungs[rung].behind(self._places(expected))

    def expected(self, trials: int) -> list[int]:
        """How many come to stand on every rung when `trials` plans are started."""
        counts = [trials]
        for rung in self._rungs[1:]:
            counts.append(max(len(rung), self._places(counts[-1])))
        return counts

    def _places(self, count: int) -> int:
        """How many of so many go on in the end."""
        return max(math.ceil(count / self._reduction), min(self._least, count))
