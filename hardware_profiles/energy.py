"""The energy of one query: read from the machine's counter where it has one, else estimated and called so.

Counters are read through codecarbon's hardware layer (the extra `energy`): RAPL, the energy of all processor
packages, and NVML, that of one GPU. Its tracker is not used: that runs threads beside what is being timed and may write
files and ask the network.
"""

import importlib
import importlib.util
import logging
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from greenfront.hardware_profiles.cost import JOULES_PER_KWH, EnergySource
from greenfront.hardware_profiles.sampling import Run
from greenfront.hardware_profiles.target import Target

SECONDS = 2.0
"""How long a counter is watched for each model: it ticks a thousand times a second."""
WATTS_PER_THREAD = 4.0
"""Of a processor nothing is known about, as codecarbon assumes (`DEFAULT_POWER_PER_CORE`)."""
WATTS_PER_GPU = 300.0
"""Of a GPU without NVML: what boards for data centres are allowed to draw."""
RAPL = "/sys/class/powercap/intel-rapl/subsystem"

Counter = Callable[[], float]
"""The joules used since its last call."""


class EnergyMeter:
    """Says what a query of one target takes. `rapl`: the folder of the processor's counters."""

    def __init__(self, target: Target, rapl: str = RAPL) -> None:
        self._target = target
        self._counter: Counter | None = None
        if _has_codecarbon():
            self._counter = _gpu_counter() if target.device == "cuda" else _processor_counter(rapl)

    def per_query(self, run: Run, synchronize: Callable[[], None], latency_ms: float) -> tuple[float, EnergySource]:
        """The joules of one `run`, which takes `latency_ms`.

        A counter sees the whole processor or GPU, its idle power and other processes' work included.
        """
        if self._counter is not None:
            synchronize()
            self._counter()
            queries, end = 0, time.perf_counter() + SECONDS
            while time.perf_counter() < end:
                run()
                synchronize()
                queries += 1
            joules = self._counter()
            if joules > 0:  # some virtual machines have a counter that stands still
                return joules / queries, "counter"
        return estimated_watts(self._target) * latency_ms / 1000, "estimated"


def estimated_watts(target: Target) -> float:
    """The power of the measured threads: `power` of the configuration, or a share of what the processor may draw.

    The share is that of its cores; codecarbon's table knows the processors' design power. A virtual machine doesn't
    show how many cores its processor has: there, and for a processor that isn't in the table, a thread counts 4 W.
    """
    if target.power is not None:
        return target.power
    if target.device == "cuda":
        return WATTS_PER_GPU
    cores = psutil.cpu_count(logical=False)
    if cores is None or _is_virtual() or not _has_codecarbon():
        return WATTS_PER_THREAD * target.threads
    from codecarbon.core.cpu import TDP
    from codecarbon.core.util import count_physical_cpus

    watts = TDP().tdp
    if watts is None:
        return WATTS_PER_THREAD * target.threads
    return float(watts * count_physical_cpus()) * min(target.threads / cores, 1.0)


def _processor_counter(rapl: str) -> Counter | None:
    """RAPL's packages; None where the machine has none, or this user may not read them."""
    from codecarbon.core.cpu import IntelRAPL, is_rapl_available
    from codecarbon.core.units import Time

    if not is_rapl_available(rapl):
        return None
    packages = IntelRAPL(rapl)
    packages.start()

    def joules() -> float:
        used = packages.get_cpu_details(Time(1.0))  # the duration only matters for its power
        return sum(float(kwh) for name, kwh in used.items() if "Energy" in name) * JOULES_PER_KWH

    return joules


def _gpu_counter() -> Counter | None:
    """NVML's counter of the GPU that PyTorch works on; None without NVML or a counter."""
    import torch
    from codecarbon.core.gpu import AllGPUDevices, is_gpu_details_available
    from codecarbon.core.units import Time

    if not is_gpu_details_available():
        return None
    uuid = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
    device = next((gpu for gpu in AllGPUDevices().devices if uuid in gpu.get_static_details()["uuid"]), None)
    if device is None or device.last_energy is None:
        return None

    def joules() -> float:
        device.delta(Time(1.0))
        return float(device.energy_delta.kWh) * JOULES_PER_KWH

    return joules


def _has_codecarbon() -> bool:
    """Whether the extra is installed; its log, which says much at every step, is quiet from here on."""
    if importlib.util.find_spec("codecarbon") is None:
        return False
    importlib.import_module("codecarbon")  # sets its own level
    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    return True


def _is_virtual() -> bool:
    try:
        return " hypervisor " in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
