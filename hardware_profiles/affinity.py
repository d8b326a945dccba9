"""Binding a process to its share of the CPUs."""

import os
from pathlib import Path


def pick_cpus(threads: int) -> list[int]:
    """`threads` of this process's CPUs: one per physical core while there are enough, highest first.

    Interrupts tend to be served by the first CPUs, and two hyperthreads of one core share its units.
    Fewer than `threads` are returned where there are fewer.
    """
    cpus = sorted(os.sched_getaffinity(0), reverse=True)
    cores: set[str] = set()
    first: list[int] = []
    rest: list[int] = []
    for cpu in cpus:
        core = _siblings(cpu)
        (rest if core in cores else first).append(cpu)
        cores.add(core)
    return [*first, *rest][:threads]


def bind(threads: int) -> None:
    """Bind this process to `pick_cpus(threads)`, where the system can (not on macOS)."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, pick_cpus(threads))


def available_cpus() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _siblings(cpu: int) -> str:
    """The hyperthreads that share this CPU's core; the CPU alone where the system doesn't say."""
    try:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/core_cpus_list")
        return path.read_text().strip()
    except OSError:
        return str(cpu)
