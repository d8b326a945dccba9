"""Whether the libraries that compute do it rightly and with their fast kernels: BLAS, threads, ONNX Runtime."""

import os
import time
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from greenfront.checkup import Checked
from greenfront.hardware_profiles.affinity import available_cpus
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.hardware_profiles.target import Target

LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
KERNELS = ("OPENBLAS_CORETYPE", "MKL_DEBUG_CPU_TYPE", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
"""Variables that choose slower kernels than the processor has."""
SIDE = 384
TOLERANCE = 1e-4
"""Of a sum of `SIDE` products in float32, relative to its size."""
PASSES = 5


def check_threads(environment: Mapping[str, str] | None = None) -> Checked:
    """How many threads PyTorch takes, and which variables say otherwise than the YAML will."""
    environment = os.environ if environment is None else environment
    found = f"PyTorch takes {torch.get_num_threads()} here, {available_cpus()} CPUs may be used"
    limits = [f"{name}={environment[name]}" for name in LIMITS if environment.get(name)]
    if limits:
        remedy = "measurements set their own `threads`; the search's other work goes by these"
        return Checked("threads", "note", f"{found}; {', '.join(limits)}", remedy)
    return Checked("threads", "fine", found)


def check_blas(environment: Mapping[str, str] | None = None) -> Checked:
    """Whether NumPy and PyTorch multiply matrices rightly, how fast, and with which kernels."""
    environment = os.environ if environment is None else environment
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((SIDE, SIDE)) for _ in range(2))
    exact = np.einsum("ij,jk->ik", left, right)  # its own loops: no BLAS
    left, right = left.astype(np.float32), right.astype(np.float32)
    of_torch = torch.from_numpy(left) @ torch.from_numpy(right)
    wrong = [
        f"{name} is off by {error:.1g}"
        for name, product in (("NumPy", left @ right), ("PyTorch", of_torch.numpy()))
        if not (error := float(np.abs(product - exact).max() / np.abs(exact).max())) <= TOLERANCE
    ]
    if wrong:
        remedy = "install current wheels of numpy and torch; with an old OpenBLAS, OPENBLAS_CORETYPE=Haswell may help"
        return Checked("blas", "mend", f"matrix products are wrong: {', '.join(wrong)}", remedy)
    fast = [name for name, there in (
        ("MKL", torch.backends.mkl.is_available()), ("oneDNN", torch.backends.mkldnn.is_available())
    ) if there]  # fmt: skip
    kernels = f"{torch.backends.cpu.get_cpu_capability()} kernels"
    found = f"right, {_gflops(left, right):.0f} GFLOP/s; PyTorch has {' and '.join([*fast, kernels])}"
    forced = [f"{name}={environment[name]}" for name in KERNELS if environment.get(name)]
    if forced:
        return Checked(
            "blas", "note", f"{found}; {', '.join(forced)}", "unset it, if nothing here needs it: it may be slower"
        )
    if not fast:
        return Checked("blas", "note", found, "PyTorch's own wheels have MKL or oneDNN, and are faster")
    return Checked("blas", "fine", found)


def check_onnxruntime() -> Checked:
    """Whether a layer recorded for ONNX Runtime gives PyTorch's answers there."""
    missing = OnnxRuntime.missing()
    if missing:
        remedy = "pip install 'greenfront[onnx]': it is what most people deploy on a CPU, and often faster than PyTorch"
        return Checked("onnxruntime", "note", f"{' and '.join(missing)} not installed: PyTorch is measured", remedy)
    versions = ", ".join(f"{name} {version}" for name, version in OnnxRuntime.versions().items())
    layer, inputs = nn.Linear(8, 4), torch.ones(2, 8)
    runtime = OnnxRuntime(Target("here", "cpu", OnnxRuntime.name, threads=1, batch_size=2, sequence_length=8))
    answer = runtime.prepare(layer, (inputs,), {})()
    assert isinstance(answer, torch.Tensor)
    if not torch.allclose(answer, layer(inputs), atol=TOLERANCE):
        return Checked(
            "onnxruntime", "mend", f"{versions}: other answers than PyTorch's", "install current wheels of it"
        )
    return Checked("onnxruntime", "fine", f"{versions}, answers as PyTorch does")


def _gflops(left: np.ndarray, right: np.ndarray) -> float:
    """The best of some products in PyTorch; one fused multiply-add is two operations."""
    a, b = torch.from_numpy(left), torch.from_numpy(right)
    seconds = []
    for _ in range(PASSES):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return 2 * SIDE**3 / min(seconds) / 1e9
