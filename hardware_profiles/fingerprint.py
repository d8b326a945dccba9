"""Which machine this is (Fingerprint), and what state it was in while something was measured (Conditions)."""

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

_COMPARED = ("processor", "flags", "cores", "accelerator", "governor", "torch", "runtime_versions")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


@dataclass(frozen=True)
class Fingerprint:
    """A machine and its software. A profile holds for machines that `differences` finds nothing between."""

    processor: str
    flags: str
    """The vector and matrix instructions among the CPU's flags, which decide the kernels."""
    cores: int
    memory_mb: int
    accelerator: str
    governor: str
    system: str
    python: str
    torch: str
    transformers: str
    runtime_versions: dict[str, str]
    """Of what the runtime adds to these."""

    def differences(self, other: "Fingerprint") -> list[str]:
        """What differs of all that decides latency, as `cores: 2 against 8`; empty for the same machine."""
        pairs = ((field, getattr(self, field), getattr(other, field)) for field in _COMPARED)
        return [f"{field}: {mine} against {theirs}" for field, mine, theirs in pairs if mine != theirs]


@dataclass(frozen=True)
class Conditions:
    """The machine while something was measured on it."""

    started: str
    """UTC, ISO 8601."""
    seconds: float
    load_average: float
    """Of the minute before the start, our own work included."""
    busy_cores_at_start: float
    """Cores in use just before the start, over a moment in which the measuring process slept."""
    other_cores: float
    """Cores that other processes used meanwhile, on average."""
    affinity: tuple[int, ...]
    """The CPUs the measuring process was bound to; empty where the system can't bind."""


def fingerprint(runtime_versions: Mapping[str, str] | None = None) -> Fingerprint:
    """The machine this process runs on, and a runtime's versions; what can't be read is `unknown`."""
    import torch  # heavy, and asked for only here: a process that reads conditions alone does without

    processor, flags = _processor()
    return Fingerprint(
        processor=processor,
        flags=flags,
        cores=psutil.cpu_count(logical=True) or 1,
        memory_mb=round(psutil.virtual_memory().total / 1e6),
        accelerator=torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        governor=_read(GOVERNOR).strip() or "unknown",
        system=platform.platform(),
        python=platform.python_version(),
        torch=torch.__version__,
        transformers=version("transformers"),
        runtime_versions=dict(runtime_versions or {}),
    )


class ConditionsMeter:
    """Watches the machine from its construction to `read`."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._busy_at_start = psutil.cpu_percent(interval=0.3) / 100 * (psutil.cpu_count() or 1)
        self._started, self._begin = time.time(), time.monotonic()  # the time of day may be set meanwhile
        self._busy, self._own = _busy_seconds(), time.process_time()

    def read(self) -> Conditions:
        """The conditions up to now."""
        seconds = max(time.monotonic() - self._begin, 1e-3)
        own = time.process_time() - self._own
        other = (_busy_seconds() - self._busy - own) / seconds
        return Conditions(
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started)),
            seconds=round(seconds, 3),
            load_average=round(self._load, 2),
            busy_cores_at_start=round(self._busy_at_start, 2),
            other_cores=round(max(other, 0.0), 2),
            affinity=tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else (),
        )


def _busy_seconds() -> float:
    """CPU seconds all processes together have used since boot; those of niced ones are counted apart, where at all."""
    times = psutil.cpu_times()
    return float(times.user + times.system + getattr(times, "nice", 0.0))


def _processor() -> tuple[str, str]:
    fields: dict[str, str] = {}
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name") or platform.processor() or platform.machine() or "unknown"
    families = ("avx", "amx", "fma", "sse4", "neon", "asimd", "sve", "bf16", "i8mm")
    flags = sorted(f for f in fields.get("flags", fields.get("Features", "")).split() if f.startswith(families))
    return name, " ".join(flags) or "unknown"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
