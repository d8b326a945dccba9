"""How long a job may keep a worker: what is asked for, or else far more than any job before it took.

A training that hangs, in a lock or in a loop, would otherwise keep its worker for ever, and with it the search's end.
"""

from collections.abc import Iterable

from greenfront.search.journal import Result

TIMES = 10.0
"""Times the slowest step so far; machines differ, and are shared with others."""
LEAST_SECONDS = 600.0
"""Whatever trials take."""
FIRST_SECONDS = 6 * 3600.0
"""Before any training was finished: nobody knows then what one takes."""


class TimeLimit:
    """Seconds by steps of training.

    `fixed_seconds` is for a whole training of `whole` steps, or any part of it, and in proportion for longer jobs.
    """

    def __init__(self, fixed_seconds: float | None, whole: int) -> None:
        self._fixed, self._whole = fixed_seconds, whole
        self._slowest_step = self._longest = 0.0

    @classmethod
    def of(cls, fixed_seconds: float | None, whole: int, results: Iterable[Result]) -> "TimeLimit":
        """One that has learnt from what an earlier start did."""
        limit = cls(fixed_seconds, whole)
        for result in results:
            if result.state in ("scored", "paused"):
                limit.learn(result.seconds, result.steps)
        return limit

    def seconds(self, steps: int) -> float:
        """The most for so many steps, with building and scoring."""
        if self._fixed is not None:
            return self._fixed * max(1.0, steps / max(self._whole, 1))
        if not self._slowest_step:
            return FIRST_SECONDS
        return max(LEAST_SECONDS, TIMES * max(self._longest, self._slowest_step * steps))

    def learn(self, seconds: float, steps: int | None) -> None:
        """A job took so long; only what took steps of training, where there are any, tells how long steps take."""
        self._longest = max(self._longest, seconds)
        if steps or self._whole == 0:
            self._slowest_step = max(self._slowest_step, seconds / max(steps or 0, 1))
