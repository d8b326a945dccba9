from pathlib import Path

import pytest
import torch

from greenfront.errors import ConfigError
from greenfront.hardware_profiles import Runtime, get_runtime, resident
from greenfront.hardware_profiles.torch_runtime import TorchRuntime
from tests.hardware_profiles.runtime_contract import RuntimeContract


class TestTorchOnCpu(RuntimeContract):
    def make(self) -> Runtime:
        return TorchRuntime("cpu", 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
class TestTorchOnCuda(RuntimeContract):
    def make(self) -> Runtime:
        return TorchRuntime("cuda", 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_is_refused_where_there_is_none() -> None:
    with pytest.raises(ConfigError, match="sees no CUDA device; `cpu` is valid"):
        TorchRuntime("cuda", 1)


def test_an_unknown_runtime_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="must be one of torch, but got 'tensorrt'"):
        get_runtime("tensorrt")


def test_the_peak_sees_a_temporary_allocation_and_a_reset_forgets_it() -> None:
    runtime = TorchRuntime("cpu", 1)
    runtime.reset_peak_memory()
    if runtime.peak_memory().source != "VmHWM":
        pytest.skip("the kernel does not let a process reset its peak")
    before = runtime.peak_memory().megabytes
    del_me = torch.ones(25_000_000)  # 100 MB
    del del_me
    assert runtime.peak_memory().megabytes - before == pytest.approx(100, abs=10)
    runtime.reset_peak_memory()
    assert runtime.peak_memory().megabytes - before == pytest.approx(0, abs=10)


def test_without_a_reset_the_peak_says_that_it_is_of_the_whole_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(resident, "_CLEAR", tmp_path / "missing" / "clear_refs")
    resident.reset_resident_peak()
    peak = resident.peak_resident_set()
    assert peak.source == "ru_maxrss"
    assert peak.megabytes > 50  # PyTorch alone is more
