"""How long this process was ready to run while other processes had its processors."""

import time
from pathlib import Path

_TASKS = Path("/proc/self/task")


def waited_seconds() -> float | None:
    """Of all threads together since they began; None where the system doesn't count it (proc(5), schedstat).

    What disturbs a measurement: 5% of the time shifted the ratio of two models' latencies by up to 2%, 17% by 13%,
    while a process that kept another processor busy shifted it by less than 1%.
    """
    try:
        return sum(int((task / "schedstat").read_text().split()[1]) for task in _TASKS.iterdir()) / 1e9
    except (OSError, IndexError, ValueError):
        return None


class WaitingMeter:
    """Watches this process from the meter's construction to `share`."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._started, self._before = time.perf_counter(), waited_seconds()

    def share(self) -> float | None:
        """Of the time, per measured thread, that they waited; None where the system doesn't count it."""
        after = waited_seconds()
        if self._before is None or after is None:
            return None
        seconds = time.perf_counter() - self._started
        return round(max(after - self._before, 0.0) / (seconds * self._threads), 4)
