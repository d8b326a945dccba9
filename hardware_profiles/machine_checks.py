"""Whether this machine can be measured on: its processors, who else uses them, memory, disk and GPU."""

import os
import shutil
import tempfile
from pathlib import Path

import psutil

from greenfront.checkup import Checked
from greenfront.errors import MeasureError
from greenfront.hardware_profiles.affinity import available_cpus
from greenfront.hardware_profiles.fingerprint import GOVERNOR
from greenfront.hardware_profiles.lock import machine_lock

FREE_CORES = 0.9
"""At least so many have to be free for a measurement with one thread."""
STOLEN = 0.05
"""The share of a processor's time from which on a host that takes it is noted."""
LEAST_MEMORY_MB, LEAST_SHARED_MB, LEAST_DISK_MB = 2000, 500, 2000
"""A search of a small model takes as much beside what the libraries take."""
CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
SHARED = Path("/dev/shm")


def check_processors(cpu_max: Path = CPU_MAX) -> Checked:
    """How many CPUs this process may use, and whether a container grants all of their time."""
    allowed, physical, logical = available_cpus(), psutil.cpu_count(logical=False), psutil.cpu_count()
    found = f"{allowed} of {logical} CPUs may be used, {physical or 'an unknown number of'} cores"
    granted = _granted(cpu_max)
    if granted is not None and granted < allowed:
        found += f"; the container grants the time of {granted:g}"
        if granted < 1:
            return Checked(
                "processors", "mend", found, "grant a whole core or more: latencies would be those of waiting"
            )
        return Checked(
            "processors", "note", found, f"`threads` at most {int(granted)}, or latencies are those of waiting"
        )
    if not hasattr(os, "sched_setaffinity"):
        return Checked("processors", "note", found, "this system can't bind a process to CPUs: expect more noise")
    return Checked("processors", "fine", found)


def check_load(seconds: float = 1.0) -> Checked:
    """Whether a core is free, watched for so long."""
    before = psutil.cpu_times()
    cores = psutil.cpu_count() or 1
    busy = psutil.cpu_percent(interval=seconds) / 100 * cores
    after = psutil.cpu_times()
    stolen = (getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)) / (seconds * cores)
    return judge_load(busy, stolen, cores)


def judge_load(busy: float, stolen: float, cores: int) -> Checked:
    """`busy`: cores in use; `stolen`: the share of their time that a virtual machine's host took."""
    found = f"{busy:.1f} of {cores} cores are in use"
    if cores - busy < FREE_CORES:
        return Checked("load", "mend", found, "close other programs: what is measured beside them is refused")
    if stolen > STOLEN:
        return Checked("load", "note", f"{found}; the host takes {stolen:.0%} of their time", "expect more noise")
    return Checked("load", "fine", found)


def check_governor(governor: Path = GOVERNOR) -> Checked:
    """Whether clocks are kept up."""
    try:
        found = governor.read_text().strip()
    except OSError:
        return Checked("governor", "fine", "not to be seen here, as in virtual machines")
    if found == "performance":
        return Checked("governor", "fine", found)
    remedy = "clocks change with the load: `cpupower frequency-set --governor performance` makes latencies steadier"
    return Checked("governor", "note", found, remedy)


def check_memory() -> Checked:
    """What is free of it, of swap and of what processes share."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    shared = shutil.disk_usage(SHARED).free / 1e6 if SHARED.is_dir() else None
    return judge_memory(memory.available / 1e6, memory.total / 1e6, swap.used / 1e6, shared)


def judge_memory(free_mb: float, total_mb: float, swapped_mb: float, shared_mb: float | None) -> Checked:
    """`shared_mb`: free in `/dev/shm`; None where there is none."""
    found = f"{free_mb / 1000:.1f} of {total_mb / 1000:.1f} GB free"
    if free_mb < LEAST_MEMORY_MB:
        return Checked("memory", "mend", found, f"free {LEAST_MEMORY_MB / 1000:g} GB for PyTorch and Ray's workers")
    if shared_mb is not None and shared_mb < LEAST_SHARED_MB:
        found += f"; {shared_mb:.0f} MB of shared memory"
        return Checked("memory", "note", found, "Ray writes to disk instead: start a container with --shm-size=2g")
    if swapped_mb > total_mb / 10:
        found += f"; {swapped_mb / 1000:.1f} GB swapped out"
        return Checked("memory", "note", found, "latencies are of memory that is there: close other programs")
    return Checked("memory", "fine", found)


def check_disk() -> Checked:
    """Whether here and in the temporary folder something can be written, and how much."""
    found = []
    for folder in dict.fromkeys((Path.cwd(), Path(tempfile.gettempdir()))):
        free_mb = shutil.disk_usage(folder).free / 1e6
        found.append(f"{free_mb / 1000:.1f} GB free in {folder}")
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"0")
        except OSError as error:
            return Checked(
                "disk", "mend", f"{folder} can't be written: {error.strerror}", "work in another folder, or set TMPDIR"
            )
        if free_mb < LEAST_DISK_MB:
            return Checked("disk", "mend", found[-1], f"make room for {LEAST_DISK_MB / 1000:g} GB")
    return Checked("disk", "fine", ", ".join(found))


def check_measuring() -> Checked:
    """Whether someone measures just now."""
    try:
        with machine_lock(wait=False):
            return Checked("measuring", "fine", "nobody else measures here")
    except MeasureError as error:
        return Checked("measuring", "note", str(error), "a search that measures waits for it")


def check_gpu() -> Checked:
    """Whether PyTorch can use one, where one is there."""
    import torch

    there = any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists()
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 1e9
        return Checked("gpu", "fine", f"{torch.cuda.get_device_name()}, {memory:.0f} GB")
    if there:
        remedy = "install a PyTorch and a driver that fit it, or use `device: cpu`"
        return Checked("gpu", "note", f"one is there, but PyTorch {torch.__version__} can't use it", remedy)
    return Checked("gpu", "fine", "none: candidates are measured and trained on the CPU")


def _granted(cpu_max: Path) -> float | None:
    """The CPUs whose time a cgroup grants; None where it doesn't limit it."""
    try:
        quota, period = cpu_max.read_text().split()
        return None if quota == "max" else float(quota) / float(period)
    except (OSError, ValueError):
        return None
