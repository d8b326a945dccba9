"""Models without some of their heads, neurons and blocks in ONNX Runtime: the same answers."""

from pathlib import Path

import pytest
import torch

from greenfront.hardware_profiles import Target
from greenfront.hardware_profiles.onnx_export import export_onnx
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.spaces import compress
from tests.spaces.models import Batch, batch_for, logits, text_batch
from tests.spaces.structures import draw, structure

RUNTIME = OnnxRuntime(Target("here", "cpu", "onnxruntime", threads=1, batch_size=1, sequence_length=16))


@pytest.mark.parametrize("name", ["bert", "distilbert", "gpt2", "llama", "modernbert", "vit"])
def test_the_graph_answers_as_the_model_does(name: str, tmp_path: Path) -> None:
    ready = structure(name)
    (plan,) = draw(ready.space, 1, seed=7)
    model = compress(ready.model, plan, ready.library)
    export_onnx(model, batch_for(name), tmp_path / "model.onnx")
    serve = RUNTIME.load(tmp_path / "model.onnx")
    other: Batch = {"pixel_values": torch.randn(3, 3, 16, 16)} if name == "vit" else text_batch([12, 3], width=12)
    for batch in (batch_for(name), other):
        answer = serve(batch)()
        assert isinstance(answer, torch.Tensor)
        torch.testing.assert_close(answer, logits(model, batch), rtol=1e-4, atol=1e-4)
