"""Approximated attention in ONNX Runtime: the same answers, at lengths that were not recorded."""

from pathlib import Path

import pytest
import torch

from greenfront.hardware_profiles import Target
from greenfront.hardware_profiles.onnx_export import export_onnx
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from tests.spaces.models import Batch, batch_for, logits, text_batch
from tests.spaces.test_approximations import CAUSAL, SETTINGS, approximated

RUNTIME = OnnxRuntime(Target("here", "cpu", "onnxruntime", threads=1, batch_size=1, sequence_length=16))
TEXTS = [
    text_batch([16, 11, 7, 2]),
    text_batch([40, 33], width=40),
    text_batch([3], width=3),
    text_batch([2, 1], width=2),
]


@pytest.mark.parametrize(("method", "name"), [
    *((method, "bert") for method in SETTINGS), *((method, "gpt2") for method in CAUSAL),
    *((method, "vit") for method in SETTINGS),
])  # fmt: skip
def test_the_graph_answers_as_the_model_does(method: str, name: str, tmp_path: Path) -> None:
    model = approximated(method, name)
    export_onnx(model, batch_for(name), tmp_path / "model.onnx")
    serve = RUNTIME.load(tmp_path / "model.onnx")
    batches: list[Batch] = [{"pixel_values": torch.randn(n, 3, 16, 16)} for n in (1, 3)] if name == "vit" else TEXTS
    for batch in batches:
        answer = serve(batch)()
        assert isinstance(answer, torch.Tensor)
        torch.testing.assert_close(answer, logits(model, batch), rtol=1e-4, atol=1e-4)
