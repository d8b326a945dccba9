"""How long something goes on still, by the pace it has kept."""


class TimeLeft:
    """Follows one stage, which says from time to time how much of it is done.

    Its first word is where it begins, not what it did: a run that is taken up begins with trials of an earlier start.
    A word that less is done than before begins anew. Seconds are of any clock that only rises.
    """

    def __init__(self, now: float, expected: float | None = None) -> None:
        """`expected`: the seconds that the stage should take, as far as that is known when it begins, at `now`."""
        self._expected_end = None if expected is None else now + expected
        self._begun = self._last = (now, 0)
        self._total = self._moves = 0
        self._silent = True

    def advance(self, done: int, total: int, now: float) -> None:
        """So much is done at `now`; the total may be another one than before."""
        self._total = total
        if self._silent or done < self._last[1]:
            self._begun = self._last = (now, done)
            self._moves, self._silent = 0, False
        elif done > self._last[1]:
            self._last = (now, done)
            self._moves += 1

    def seconds(self, now: float) -> float | None:
        """What is expected at `now`, at least 0; None while nothing is known of that.

        It stands still where the next word is overdue, instead of running out.
        """
        if not self._moves:
            return None if self._expected_end is None else max(self._expected_end - now, 0.0)
        took = self._last[0] - self._begun[0]
        pace = took / (self._last[1] - self._begun[1])
        return max(pace * (self._total - self._last[1]) - min(now - self._last[0], took / self._moves), 0.0)


def duration(seconds: float) -> str:
    """In words, to a few per cent: `45 s`, `12 min`, `3 h 5 min`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
