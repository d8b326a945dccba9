from pathlib import Path

import pytest
import torch
from torch import nn

from greenfront.errors import ConfigError, MeasureError
from greenfront.hardware_profiles import Runtime, Target, resident
from greenfront.hardware_profiles.torch_runtime import TorchRuntime
from tests.hardware_profiles.runtime_contract import RuntimeContract

CPU = Target("here", "cpu", "torch", threads=1, batch_size=2, sequence_length=16, large_batch=3)
CUDA = Target("here", "cuda", "torch", threads=1, batch_size=2, sequence_length=16, large_batch=3)
COMPILED = Target("here", "cpu", "torch", threads=1, batch_size=2, sequence_length=16, compile=True)


class TestTorchOnCpu(RuntimeContract):
    target = CPU

    def make(self) -> Runtime:
        return TorchRuntime(CPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
class TestTorchOnCuda(RuntimeContract):
    target = CUDA

    def make(self) -> Runtime:
        return TorchRuntime(CUDA)

    def test_the_peak_is_what_the_allocator_gave_out(self) -> None:
        runtime = self.make()
        runtime.reset_peak_memory()
        before = runtime.peak_memory()
        del_me = torch.ones(25_000_000, device="cuda")  # 100 MB
        del del_me
        after = runtime.peak_memory()
        assert after.source == "cuda max_memory_allocated"
        assert after.megabytes - before.megabytes == pytest.approx(100, abs=1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_is_refused_where_there_is_none() -> None:
    with pytest.raises(ConfigError, match=r"'here': device is cuda, .*sees no CUDA device; `cpu` is valid"):
        TorchRuntime(CUDA)


def test_processes_are_repeated_on_a_processor_and_without_compiling() -> None:
    assert [TorchRuntime.starts_quickly(target) for target in (CPU, CUDA, COMPILED)] == [True, False, False]


class FakeCuda:
    """What the runtime asks of CUDA, for a machine without one; tensors stay where they are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        for name in ("synchronize", "reset_peak_memory_stats"):
            monkeypatch.setattr(torch.cuda, name, lambda name=name: self.calls.append(name))
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", self.peak)

    def peak(self) -> int:
        self.calls.append("max")
        return 3_000_000


def test_cuda_is_waited_for_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda(monkeypatch)
    runtime = TorchRuntime(CUDA)
    runtime.synchronize()
    runtime.reset_peak_memory()
    assert runtime.peak_memory().megabytes == 3
    assert cuda.calls == ["synchronize", "synchronize", "reset_peak_memory_stats", "synchronize", "max"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's compiler imports deprecated parts of PyTorch
class TestCompiled:
    """A compiled BERT takes most of a minute: what is tried here is small."""

    def test_more_modules_of_a_class_than_the_compiler_keeps_are_all_compiled(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compiled: list[object] = []

        def count(graph: torch.fx.GraphModule, _inputs: object) -> object:
            compiled.append(graph)
            return graph.forward

        compiler = torch.compile
        monkeypatch.setattr(torch, "compile", lambda function: compiler(function, backend=count))
        runtime = TorchRuntime(COMPILED)
        for width in range(1, 12):
            module, inputs = nn.Linear(width, 3), torch.randn(2, width)
            run = runtime.prepare(module, (inputs,), {})
            torch.testing.assert_close(run(), module(inputs).detach())
        assert len(compiled) == 11

    def test_the_compiled_module_gives_the_same_outputs(self) -> None:
        module = nn.Sequential(nn.Linear(6, 5), nn.GELU()).eval()
        inputs = torch.randn(3, 6)
        run = TorchRuntime(COMPILED).prepare(module, (inputs,), {})
        torch.testing.assert_close(run(), module(inputs).detach())

    def test_what_the_compiler_says_is_the_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuses(_function: object) -> object:
            raise RuntimeError("no such instruction\nand much more")

        monkeypatch.setattr(torch, "compile", refuses)
        with pytest.raises(MeasureError, match=r"torch\.compile can't compile Linear: no such instruction$"):
            TorchRuntime(COMPILED).prepare(nn.Linear(2, 2), (torch.ones(1, 2),), {})

    @pytest.mark.parametrize("variable", ["", "no-such-compiler"])
    def test_no_compiler_is_said_before_anything_is_measured(
        self, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("CXX", variable)
        monkeypatch.setenv("PATH", str(tmp_path))
        tried = variable or r"g\+\+ and clang\+\+"
        with pytest.raises(ConfigError, match=f"needs a C\\+\\+ compiler, but {tried} can't be found; install one or"):
            TorchRuntime.check(COMPILED)


def test_the_peak_sees_a_temporary_allocation_and_a_reset_forgets_it() -> None:
    runtime = TorchRuntime(CPU)
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
