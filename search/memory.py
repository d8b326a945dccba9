"""Whether a trial fits into the memory that its machine has free: said before it begins, not by the kernel half-way.

What a training takes beyond the weights that are there: gradients and AdamW's two moments, which are known, and what
activations take, which trials before have shown. What this doesn't foresee Ray's memory monitor ends: where a machine
is fuller than `KEPT`, four times a second, it kills a worker, which is a trial that failed. Nothing of a search but its
workers is ever killed so.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from greenfront.errors import NoRoom
from greenfront.hardware_profiles.resident import peak_resident_set, reset_resident_peak

KEPT = 0.05
"""Of a machine's memory: what has to stay free, as Ray's monitor has it by default."""
_BYTES = 12
"""Of a trained parameter: its gradient and two moments in float32."""
_GROUPS = Path("/sys/fs/cgroup")
_LIMITS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
"""Limit and use of a control group, as the second and the first version of the kernel's interface have them."""


class MemoryWatch:
    """One worker's: what its trainings have taken, and whether the next one has room."""

    def __init__(self) -> None:
        self._beyond_mb = 0.0
        self.peak_mb: float | None = None
        """The most that this process held during the last training; None before the first one."""

    @contextmanager
    def training(self, parameters: int) -> Iterator[None]:
        """Around a training of so many parameters.

        Raises:
            NoRoom: there is less free than it will take, going by what is known.
        """
        known_mb = _BYTES * parameters / 1e6
        free_mb, needed_mb = available_mb(), known_mb + self._beyond_mb
        if needed_mb > free_mb:
            raise NoRoom(f"training takes about {needed_mb:,.0f} MB more, and its machine has {free_mb:,.0f} MB free")
        reset_resident_peak()
        before_mb = psutil.Process().memory_info().rss / 1e6
        try:
            yield
        finally:
            peak = peak_resident_set()
            self.peak_mb = peak.megabytes
            if peak.source == "VmHWM":  # else it is of all that the process ever did
                self._beyond_mb = max(self._beyond_mb, peak.megabytes - before_mb - known_mb)


def available_mb() -> float:
    """What may still be taken here: of the machine, and of the control group where there is a limit on it."""
    machine = psutil.virtual_memory()
    free = machine.available - KEPT * machine.total
    for limit, used in _LIMITS:
        most = _number(_GROUPS / limit)
        if most is not None and most < machine.total:
            cached = _cached((_GROUPS / used).parent / "memory.stat")
            free = min(free, (1 - KEPT) * most - (_number(_GROUPS / used) or 0) + cached)
    return max(0.0, free / 1e6)


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _cached(path: Path) -> int:
    """Bytes of files that a control group counts as used, and gives back when they are wanted."""
    try:
        fields = dict(line.split() for line in path.read_text().splitlines())
    except OSError:
        return 0
    return int(fields.get("total_inactive_file", fields.get("inactive_file", 0)))
