"""The peak resident set of this process: memory of code, libraries, weights and activations together."""

import ctypes
import gc
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_reset_works = False


@dataclass(frozen=True)
class MemoryPeak:
    """The highest memory use since the last reset, and what exactly that number is."""

    megabytes: float
    source: str


def release_freed_memory() -> None:
    """Collect garbage and hand freed pages back, so that loading's leftovers aren't in the peak."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
        if trim is not None:
            trim(0)


def reset_resident_peak() -> None:
    """Set the peak to the memory resident now, where the kernel permits it (proc(5), clear_refs value 5)."""
    global _reset_works
    try:
        _CLEAR.write_text("5")
        _reset_works = _status_mb("VmHWM") is not None
    except OSError:
        _reset_works = False


def peak_resident_set() -> MemoryPeak:
    """The peak since the reset, or, where there was none, since the process started."""
    peak = _status_mb("VmHWM") if _reset_works else None
    if peak is not None:
        return MemoryPeak(peak, "VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return MemoryPeak(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, "ru_maxrss")


def _status_mb(field: str) -> float | None:
    """A field of /proc/self/status in MB (10^6 bytes); None where there isn't one."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    kibibytes = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return next((int(value) * 1024 / 1e6 for value in kibibytes), None)
