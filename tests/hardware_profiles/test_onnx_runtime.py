import gc
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from greenfront.errors import ConfigError, MeasureError
from greenfront.hardware_profiles import Runtime, Target, get_runtime, onnx_runtime, registry
from greenfront.hardware_profiles.jobs import Job
from greenfront.hardware_profiles.onnx_export import OnnxGraph, record_model
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.hardware_profiles.registry import default_runtime
from greenfront.hardware_profiles.spawn import run_job
from greenfront.hardware_profiles.timed_model import TimedModel
from tests.hardware_profiles.runtime_contract import RuntimeContract
from tests.hardware_profiles.tiny import tiny_bert

TARGET = Target("here", "cpu", "onnxruntime", threads=1, batch_size=2, sequence_length=16, large_batch=3)


class TestOnnxRuntime(RuntimeContract):
    target = TARGET

    def make(self) -> Runtime:
        return OnnxRuntime(TARGET)


def test_an_unknown_runtime_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="must be one of torch, onnxruntime, but got 'tensorrt'"):
        get_runtime("tensorrt")


def test_the_default_is_what_people_deploy() -> None:
    assert default_runtime("cpu") == "onnxruntime"
    assert default_runtime("cuda") == "torch"


def test_a_runtime_that_is_not_installed_names_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnnxRuntime, "requires", ("onnxruntime", "no_such_module", "nor_this_one"))
    with pytest.raises(
        ConfigError,
        match=r"onnxruntime needs no_such_module, nor_this_one, which are not installed: .*greenfront\[onnx\]'",
    ):
        get_runtime("onnxruntime")
    assert default_runtime("cpu") == "torch"


def test_the_registry_is_there_without_onnx() -> None:
    """The modules of an extra are imported when a model is exported or loaded, not before."""
    code = f"import sys\nimport {registry.__name__}\nprint([m for m in ('onnx', 'onnxruntime') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_cuda_is_torchs() -> None:
    with pytest.raises(ConfigError, match="device must be one of cpu for runtime onnxruntime, but got 'cuda'"):
        OnnxRuntime.check(Target("here", "cuda", "onnxruntime", 1, 1, 8))


def test_what_onnx_runtime_has_no_kernel_for_is_named() -> None:
    with pytest.raises(MeasureError, match=r"ONNX Runtime can't load GELU: .*Erf"):
        OnnxRuntime(TARGET).prepare(nn.GELU(), (torch.ones(1, 4, dtype=torch.float64),), {})


def test_a_product_that_it_has_not_is_named() -> None:
    """Weights of bfloat16 reach the session; only what multiplies them as they are is missing."""
    with pytest.raises(MeasureError, match=r"ONNX Runtime can't load Linear: .*implementation for Gemm"):
        OnnxRuntime(TARGET).prepare(nn.Linear(4, 4).bfloat16(), (torch.ones(1, 4).bfloat16(),), {})


def test_a_run_that_fails_says_why(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    runtime = OnnxRuntime(TARGET)
    timed = TimedModel.of("tiny", tiny_bert(), TARGET, runtime, 0)
    serve = runtime.load(runtime.deploy(timed.model, timed.inputs, tmp_path, tmp_path / "deployed"))
    with pytest.raises(MeasureError, match=r"ONNX Runtime can't run model\.onnx: .*Missing Input"):
        serve({"input_ids": timed.inputs["input_ids"]})
    assert capfd.readouterr() == ("", "")


def test_a_model_that_is_served_and_deployed_is_recorded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[object] = []

    def record(model: PreTrainedModel, inputs: Mapping[str, torch.Tensor]) -> OnnxGraph:
        recorded.append(model)
        return record_model(model, inputs)

    monkeypatch.setattr(onnx_runtime, "record_model", record)
    runtime, model = OnnxRuntime(TARGET), tiny_bert()
    timed = TimedModel.of("tiny", model, TARGET, runtime, 0)
    deployed = runtime.deploy(model, timed.inputs, tmp_path, tmp_path / "deployed")
    assert recorded == [model]
    loaded = runtime.load(deployed)(timed.inputs)()
    torch.testing.assert_close(loaded, timed.run())
    other = tiny_bert()  # one that it has not served
    runtime.deploy(other, timed.inputs, tmp_path, tmp_path / "other")
    assert recorded == [model, other]


def test_memory_is_that_of_a_process_without_pytorch(tmp_path: Path) -> None:
    runtime = OnnxRuntime(TARGET)
    model = TimedModel.of("tiny", tiny_bert(), TARGET, runtime, 0)
    deployed = runtime.deploy(model.model, model.inputs, tmp_path, tmp_path / "deployed")
    answer = run_job(Job("memory", TARGET, {"tiny": str(deployed)}, 0, 0.0))
    assert 30 < answer.peak_memory_mb < 150  # PyTorch's libraries alone are more
    code = "import sys, greenfront.hardware_profiles.onnx_worker as m; print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("'torch'", "'transformers'", "'pydantic'", "'onnx'"):
        assert heavy not in modules


def test_a_memory_process_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(MeasureError, match=r"measuring \(memory\) failed: .*Load model from .*model\.onnx failed"):
        run_job(Job("memory", TARGET, {"tiny": str(tmp_path / "model.onnx")}, 0, 0.0))


def test_weights_in_memory_outlive_their_module() -> None:
    """ONNX Runtime copies them, or would read what stands there later."""
    generator = torch.Generator().manual_seed(0)
    module = nn.Embedding(2000, 500, _weight=torch.randn(2000, 500, generator=generator))
    rows = torch.arange(0, 2000, 7)
    expected = module(rows).detach()
    run = OnnxRuntime(TARGET).prepare(module, (rows,), {})
    del module
    gc.collect()
    others = [torch.full((2000, 500), 7.0) for _ in range(5)]
    torch.testing.assert_close(run(), expected)
    assert len(others) == 5
