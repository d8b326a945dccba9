"""What stands in the `hardware` section for the machine that this process runs on."""

import psutil
import torch

from greenfront.guess import Guess
from greenfront.hardware_profiles.affinity import available_cpus
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.hardware_profiles.registry import default_runtime

MOST_THREADS = 4
"""Beyond, a query of one example of a model for such machines gains little."""


def guess_target() -> list[Guess]:
    """Name, device, runtime and threads of a target here, for queries of one example."""
    cores = min(psutil.cpu_count(logical=False) or available_cpus(), available_cpus())
    cuda = torch.cuda.is_available()
    device = "cuda" if cuda else "cpu"
    runtime = default_runtime(device)
    missing = "" if cuda or not OnnxRuntime.missing() else (
        "most people deploy ONNX Runtime on a CPU: pip install 'greenfront[onnx]', then `runtime: onnxruntime`"
    )  # fmt: skip
    name = torch.cuda.get_device_name() if cuda else f"no GPU that PyTorch can use; {cores} cores"
    return [
        Guess("hardware.name", "this-machine", "measured here"),
        Guess("hardware.device", device, name, "`cpu` is measured with `device: cpu`" if cuda else ""),
        Guess("hardware.runtime", runtime, "installed", missing),
        _threads(cores),
    ]


def _threads(cores: int) -> Guess:
    """Half of the cores, so that measuring has them to itself; one where there are few."""
    threads = max(1, min(MOST_THREADS, cores // 2))
    if threads == 1:
        return Guess("hardware.threads", 1, f"of {cores} {'core' if cores == 1 else 'cores'}: a query a core")
    doubt = "1 if the other cores answer queries of their own"
    return Guess("hardware.threads", threads, f"of {cores} cores, for a query that comes alone", doubt)
