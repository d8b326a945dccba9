"""Rounded modules in ONNX Runtime: fused operators, the answers of PyTorch, few bytes in the file."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from greenfront.hardware_profiles import Target
from greenfront.hardware_profiles.flops import count_flops
from greenfront.hardware_profiles.onnx_export import export_onnx, record
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.hardware_profiles.torch_runtime import TorchRuntime
from greenfront.hardware_profiles.untrained import Untrained
from greenfront.spaces import Plan, apply_to_module, compress
from greenfront.spaces.plan import Settings, Value
from greenfront.spaces.quantized import (
    BFloat16Linear,
    QuantizedEmbedding,
    QuantizedLinear,
    WeightOnlyLinear,
    unrounded_inputs,
)
from tests.spaces.models import Batch, batch_for, bert, build, logits, randomized, text_batch

TARGET = Target("here", "cpu", "onnxruntime", threads=1, batch_size=1, sequence_length=16)
RUNTIME = OnnxRuntime(TARGET)
TABLE = "bert.embeddings.word_embeddings"


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """The same numbers whatever runs before: an input between two levels goes to either of them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def linears(model: nn.Module) -> list[str]:
    return [path for path, module in model.named_modules() if type(module).__name__ in ("Linear", "Conv1D") if
            any(part.isdigit() for part in path.split("."))]  # fmt: skip


def plan_of_bits(name: str, settings: Settings) -> Plan:
    model = build(name)
    table = {TABLE: {"bits": 8}} if name == "bert" else {}
    return Plan({**table, **dict.fromkeys(linears(model), settings)})


def optimized(path: Path, tmp_path: Path) -> list[str]:
    """The operators that ONNX Runtime makes of a file."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]


class Alone(nn.Module):
    """A module behind a layer without weights, so that its input is no graph input."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.module(torch.tanh(inputs))
        return outputs


@pytest.mark.parametrize("bias", [True, False])
def test_an_integer_linear_is_one_operator(bias: bool, tmp_path: Path) -> None:
    linear = nn.Linear(24, 40, bias=bias)
    module = Alone(QuantizedLinear(linear.weight, linear.bias))
    inputs = torch.randn(2, 5, 24)
    record(module, (inputs,), {}).save(tmp_path / "model.onnx")
    assert optimized(tmp_path / "model.onnx", tmp_path) == ["Tanh", "DynamicQuantizeMatMul"]
    found = RUNTIME.prepare(module, (inputs,), {})()
    torch.testing.assert_close(found, module(inputs), rtol=1e-5, atol=1e-5)


def test_linears_of_one_input_round_it_once(tmp_path: Path) -> None:
    model = compress(build("bert"), plan_of_bits("bert", {"bits": 8}))
    export_onnx(model, batch_for("bert"), tmp_path / "model.onnx")
    found = optimized(tmp_path / "model.onnx", tmp_path)
    fused = {"DynamicQuantizeLinear": 2, "MatMulIntegerToFloat": 6, "DynamicQuantizeMatMul": 6}  # two layers of 3 + 3
    assert {name: found.count(name) for name in fused} == fused
    assert "MatMulInteger" not in found


def test_weights_alone_are_unfolded_once_when_the_session_opens(tmp_path: Path) -> None:
    linear = nn.Linear(24, 40)
    module = Alone(WeightOnlyLinear(linear.weight, linear.bias))
    inputs = torch.randn(5, 24)
    record(module, (inputs,), {}).save(tmp_path / "model.onnx")
    assert optimized(tmp_path / "model.onnx", tmp_path) == ["Tanh", "Gemm"]
    torch.testing.assert_close(RUNTIME.prepare(module, (inputs,), {})(), module(inputs), rtol=1e-5, atol=1e-5)


def test_a_table_is_looked_up_in_eight_bits(tmp_path: Path) -> None:
    table = QuantizedEmbedding(torch.randn(50, 16), 0)
    ids = torch.tensor([[1, 49, 0]])
    record(table, (ids,), {}).save(tmp_path / "model.onnx")
    assert sorted(optimized(tmp_path / "model.onnx", tmp_path)) == ["Cast", "Gather", "Gather", "Mul"]
    torch.testing.assert_close(RUNTIME.prepare(table, (ids,), {})(), table(ids), rtol=0, atol=0)


SETTINGS: dict[str, Settings] = {"8": {"bits": 8}, "8w": {"bits": "8w"}, "rank": {"rank": 4, "bits": 8}}


@pytest.mark.parametrize("name", ["bert", "gpt2"])
@pytest.mark.parametrize("settings", SETTINGS)
def test_the_graph_gives_the_logits_of_pytorch(name: str, settings: str, tmp_path: Path) -> None:
    """To 1e-4 where weights alone are rounded; else but for inputs that fall on the other side of a step."""
    model = compress(build(name), plan_of_bits(name, SETTINGS[settings]))
    model = randomized(model) if settings == "rank" else model
    export_onnx(model, batch_for(name), tmp_path / "model.onnx")
    onnx.checker.check_model(tmp_path / "model.onnx", full_check=True)
    serve = RUNTIME.load(tmp_path / "model.onnx")
    batches: list[Batch] = [batch_for(name), text_batch([32], width=32), text_batch([9, 3], width=9)]
    for batch in batches:
        found = serve(batch)()
        assert isinstance(found, torch.Tensor)
        torch.testing.assert_close(found, logits(model, batch), rtol=0, atol=1e-4 if settings == "8w" else 0.05)


def test_a_file_has_a_byte_for_each_weight(tmp_path: Path) -> None:
    model = randomized(bert(vocab_size=20_000, hidden_size=64))
    plan = Plan({TABLE: {"bits": 8}, **{path: {"bits": 8} for path in linears(model)}})
    small = compress(model, plan)
    export_onnx(small, batch_for("bert"), tmp_path / "model.onnx")
    rounded = sum(p.numel() for p in small.parameters() if p.dtype == torch.int8)
    rest = sum(4 * t.numel() for t in small.state_dict().values() if t.dtype == torch.float32)
    assert rounded > 20_000 * 64
    assert rounded < (tmp_path / "model.onnx").stat().st_size < rounded + rest + 100_000


def test_weights_are_linked_as_they_are_stored() -> None:
    linear = nn.Linear(24, 40)
    graph = record(QuantizedLinear(linear.weight, linear.bias), (torch.randn(5, 24),), {})
    assert {path: value.dtype for path, value in graph.weights.items()} == {
        "values": torch.int8, "scale": torch.float32, "bias": torch.float32
    }  # fmt: skip
    declared = {tensor.name: tensor for tensor in onnx.load_from_string(graph.linked()).graph.initializer}
    assert declared["values"].data_type == onnx.TensorProto.INT8
    assert list(declared["values"].dims) == [40, 24]
    assert len(graph.linked()) < 5_000


def test_a_chain_gives_each_modules_own_outputs() -> None:
    """As operations are timed: recorded once, with the weights of each."""
    modules = [QuantizedLinear(torch.randn(12, 24), torch.randn(12)) for _ in range(3)]
    inputs = torch.randn(5, 24)
    for module, run in zip(modules, RUNTIME.prepare_chain(modules, (inputs,), {}), strict=True):
        torch.testing.assert_close(run(), module(inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_bfloat16_is_multiplied_as_the_numbers_it_stands_for(bias: bool, tmp_path: Path) -> None:
    """Its weights are unfolded once, when a session opens; inputs and products are rounded at every call."""
    linear = nn.Linear(24, 40, bias=bias)
    module = Alone(BFloat16Linear(linear.weight, linear.bias))
    inputs = torch.randn(5, 24)
    record(module, (inputs,), {}).save(tmp_path / "model.onnx")
    found = optimized(tmp_path / "model.onnx", tmp_path)
    assert (found.count("Cast"), found.count("MatMul")) == (4, 1)
    expected = torch.tanh(inputs).bfloat16().double() @ linear.weight.bfloat16().double().T
    for run in (RUNTIME.prepare(module, (inputs,), {}), RUNTIME.load(tmp_path / "model.onnx")({"input_0": inputs})):
        products = run() if linear.bias is None else run() - linear.bias
        assert isinstance(products, torch.Tensor)
        torch.testing.assert_close(products.double(), expected, rtol=2**-8, atol=1e-6)  # of its 8 bits


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_bfloat16_gives_the_logits_of_pytorch_but_for_its_last_digits(name: str, tmp_path: Path) -> None:
    model = randomized(compress(build(name), plan_of_bits(name, {"rank": 4, "bits": 16})))
    export_onnx(model, batch_for(name), tmp_path / "model.onnx")
    onnx.checker.check_model(tmp_path / "model.onnx", full_check=True)
    serve = RUNTIME.load(tmp_path / "model.onnx")
    batches: list[Batch] = [batch_for(name), text_batch([32], width=32), text_batch([9, 3], width=9)]
    for batch in batches:
        found, expected = serve(batch)(), logits(model, batch)
        with unrounded_inputs():
            rounding = float((logits(model, batch) - expected).abs().max())
        assert isinstance(found, torch.Tensor)
        assert rounding > 1e-4
        assert float((found - expected).abs().max()) < 2 * rounding


def test_a_file_has_two_bytes_for_each_bfloat16(tmp_path: Path) -> None:
    """None of which the exporter unfolds."""
    model = bert(hidden_size=64, intermediate_size=2048).eval()
    plan = Plan({path: {"bits": 16} for path in linears(model)})
    small = compress(model, plan)
    export_onnx(small, batch_for("bert"), tmp_path / "model.onnx")
    halves = sum(p.numel() for p in small.parameters() if p.dtype == torch.bfloat16)
    rest = sum(4 * t.numel() for t in small.state_dict().values() if t.dtype == torch.float32)
    assert halves > 500_000
    assert 2 * halves < (tmp_path / "model.onnx").stat().st_size < 2 * halves + rest + 100_000
    stored = onnx.load(tmp_path / "model.onnx").graph.initializer
    kinds = {t.name: t.data_type for t in stored if t.name.endswith(".values")}
    assert len(kinds) == len(plan)
    assert set(kinds.values()) == {onnx.TensorProto.BFLOAT16}


# what else is measured


@pytest.mark.parametrize("bits", [8, "8w", 16])
def test_work_and_parameters_are_those_of_the_numbers(bits: Value) -> None:
    linear, inputs = nn.Linear(24, 40), torch.randn(2, 5, 24)
    changed = apply_to_module("here", linear, {"bits": bits})
    assert count_flops(changed, (inputs,)) == count_flops(linear, (inputs,)) == 2 * 10 * 24 * 40
    assert sum(p.numel() for p in changed.parameters()) == sum(p.numel() for p in linear.parameters())


@pytest.mark.parametrize(
    ("bits", "most"), [(8, 24 * 40 + 4 * 3 * 40), ("8w", 24 * 40 + 4 * 2 * 40), (16, 2 * 24 * 40 + 160)]
)
@pytest.mark.parametrize("runtime", [RUNTIME, TorchRuntime(Target("here", "cpu", "torch", 1, 1, 16))])
def test_bytes_are_those_that_are_stored(bits: Value, most: int, runtime: Any) -> None:
    assert runtime.weight_bytes(apply_to_module("here", nn.Linear(24, 40), {"bits": bits})) == most


@pytest.mark.parametrize("bits", [8, "8w", 16])
def test_candidates_to_be_timed_copy_no_weights(bits: Value) -> None:
    model = build("bert")
    plan = plan_of_bits("bert", {"bits": bits})
    untrained = Untrained(model)
    untrained.build(partial(compress, plan=plan))  # makes the memory
    built = untrained.build(partial(compress, plan=plan))
    expected = compress(model, plan)
    assert {n: (t.shape, t.dtype) for n, t in built.state_dict().items()} == {
        n: (t.shape, t.dtype) for n, t in expected.state_dict().items()
    }
    assert logits(built, batch_for("bert")).isfinite().all()
    position = "bert.embeddings.position_embeddings"
    assert built.get_submodule(position).weight is model.get_submodule(position).weight
    values = [p for p in built.parameters() if p.dtype == (torch.bfloat16 if bits == 16 else torch.int8)]
    assert len({p.untyped_storage().data_ptr() for p in values}) == 1
