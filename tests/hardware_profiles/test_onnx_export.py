"""Exported graphs: the same outputs as in PyTorch, for every architecture, size and compression."""

import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForTokenClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)

from greenfront.errors import MeasureError
from greenfront.hardware_profiles import Target, onnx_export
from greenfront.hardware_profiles.onnx_attention import explicit_attention
from greenfront.hardware_profiles.onnx_export import export_onnx, record
from greenfront.hardware_profiles.onnx_runtime import OnnxRuntime
from greenfront.hardware_profiles.timed_model import TimedModel
from greenfront.spaces import Plan, apply_to_module, compress
from greenfront.spaces.answers import answer_tensors
from greenfront.spaces.plan import Value
from tests.spaces.models import BUILDERS, SIZES, Batch, batch_for, bert, build, prepared, randomized, text_batch

RUNTIME = OnnxRuntime(Target("here", "cpu", "onnxruntime", threads=1, batch_size=1, sequence_length=16))


def distilbert() -> PreTrainedModel:
    config = DistilBertConfig(
        vocab_size=SIZES["vocab_size"], dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=64,
        initializer_range=0.3,
    )  # fmt: skip
    config.num_labels = 3
    return DistilBertForSequenceClassification(config)


def model_of(name: str) -> PreTrainedModel:
    return randomized(distilbert()) if name == "distilbert" else build(name)


def other_sizes(name: str) -> list[Batch]:
    """Longer and shorter than what was exported, more and fewer at once, with and without padding."""
    if name == "vit":
        return [{"pixel_values": torch.randn(count, 3, 16, 16)} for count in (1, 3)]
    return [text_batch([32], width=32), text_batch([9, 3], width=9), text_batch([40, 40, 7], width=40)]


def largest_difference(path: Path, model: PreTrainedModel, batches: list[Batch]) -> float:
    serve = RUNTIME.load(path)
    with torch.no_grad():
        differences = [(serve(batch)() - model(**batch).logits).abs().max() for batch in batches]
    return float(max(differences))


@pytest.mark.parametrize("name", [*BUILDERS, "distilbert"])
def test_every_architecture_gives_its_own_logits_at_any_size(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    export_onnx(model, batch_for(name), tmp_path / "model.onnx")
    onnx.checker.check_model(tmp_path / "model.onnx", full_check=True)
    assert largest_difference(tmp_path / "model.onnx", model, [batch_for(name), *other_sizes(name)]) < 1e-4


SIZED: dict[str, Any] = {**SIZES, "num_labels": 2}
HEADS: dict[str, Callable[[], PreTrainedModel]] = {
    "tagger": lambda: BertForTokenClassification(BertConfig(**SIZES)),
    "spans": lambda: BertForQuestionAnswering(BertConfig(**SIZED)),
    "decoder": lambda: GPT2LMHeadModel(
        GPT2Config(vocab_size=SIZES["vocab_size"], n_embd=32, n_layer=2, n_head=4, n_positions=64)
    ),
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_that_answer_at_every_position_do_so_at_any_size(name: str, tmp_path: Path) -> None:
    model = randomized(HEADS[name]())
    names = ["input_ids", "attention_mask"] if name == "decoder" else None
    batches = [text_batch([16, 16]), *other_sizes("bert")]
    batches = [{key: batch[key] for key in names or batch} for batch in batches]
    export_onnx(model, batches[0], tmp_path / "model.onnx")
    onnx.checker.check_model(tmp_path / "model.onnx", full_check=True)
    outputs = [value.name for value in onnx.load(tmp_path / "model.onnx").graph.output]
    assert outputs == (["start_logits", "end_logits"] if name == "spans" else ["logits"])
    serve = RUNTIME.load(tmp_path / "model.onnx")
    for batch in batches:
        with torch.no_grad():
            expected = answer_tensors(model, batch)
        found = serve(batch)()
        valid = batch["attention_mask"].bool()
        for name_, one in zip(expected, found if isinstance(found, tuple) else (found,), strict=True):
            assert one.shape == expected[name_].shape
            assert (one - expected[name_])[valid].abs().max() < 1e-4


def test_a_projection_shared_by_all_layers_is_written_once(tmp_path: Path) -> None:
    model = randomized(bert())
    settings: dict[str, Value] = {"linformer": 4, "linformer_positions": 16, "linformer_sharing": "layerwise"}
    shared = compress(model, Plan({f"bert.encoder.layer.{layer}.attention.self": settings for layer in range(2)}))
    shared = randomized(shared)
    export_onnx(shared, batch_for("bert"), tmp_path / "model.onnx")
    assert largest_difference(tmp_path / "model.onnx", shared, other_sizes("bert")) < 1e-4
    names = [weight.name for weight in onnx.load(tmp_path / "model.onnx").graph.initializer]
    assert sum("correction" in name for name in names) == 1


def test_the_pair_of_a_token_is_an_input(tmp_path: Path) -> None:
    model = randomized(bert(type_vocab_size=2))
    batch = text_batch([16, 9])
    batch["token_type_ids"] = torch.zeros_like(batch["input_ids"])
    export_onnx(model, batch, tmp_path / "model.onnx")
    batch["token_type_ids"] = (torch.arange(16) > 5).long().expand(2, 16).contiguous()
    assert largest_difference(tmp_path / "model.onnx", model, [batch]) < 1e-4


def test_a_file_has_no_more_than_the_weights_and_a_graph(tmp_path: Path) -> None:
    model = randomized(bert(vocab_size=20_000))
    export_onnx(model, batch_for("bert"), tmp_path / "model.onnx")
    weights = 4 * sum(parameter.numel() for parameter in model.parameters())
    assert weights <= (tmp_path / "model.onnx").stat().st_size < weights + 150_000


def test_a_shared_weight_is_recorded_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Linear(4, 4)
            self.other = nn.Linear(4, 4)
            self.other.weight = self.one.weight
            self.unread = nn.Parameter(torch.ones(5))

        def forward(self, inputs: Tensor) -> Tensor:
            outputs: Tensor = self.other(self.one(inputs))
            return outputs

    module = Twice()
    assert set(record(module, (torch.ones(1, 4),), {}).weights) == {"one.weight", "one.bias", "other.bias"}
    assert module.other.weight is module.one.weight
    assert dict(module.named_parameters()).keys() == {"one.weight", "one.bias", "other.bias", "unread"}


def test_weights_are_back_in_place_after_a_failure() -> None:
    class Fails(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            raise ValueError("not today")

    module = Fails(2, 2)
    weight = module.weight
    with pytest.raises(MeasureError, match=r"^Fails can't be exported to ONNX: not today$"):
        record(module, (torch.ones(1, 2),), {})
    assert module.weight is weight


def test_an_operator_that_onnx_has_not_is_named() -> None:
    class Decomposes(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            values: Tensor = torch.linalg.eigvals(inputs)
            return values

    with pytest.raises(MeasureError, match=r"Decomposes can't be exported to ONNX: .*aten::linalg_eigvals"):
        record(Decomposes(), (torch.eye(3),), {})


def test_weights_beyond_one_file_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(onnx_export, "LARGEST_BYTES", 1000)
    with pytest.raises(MeasureError, match=r"BertForSequenceClassification: one ONNX file holds at most 2\.1 GB, but"):
        export_onnx(build("bert"), batch_for("bert"), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_recording_says_nothing_and_leaves_the_model_as_it_was(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = build("bert")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        export_onnx(model, batch_for("bert"), tmp_path / "model.onnx")
    assert said == []
    assert capfd.readouterr() == ("", "")
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(isinstance(weight, nn.Parameter) for weight in model.parameters())
    assert not model.training


MASKS = {
    "none": None,
    "padding": torch.tensor([[True] * 5 + [False] * 2]),
    "bias": torch.linspace(-2, 2, 7)[None],
    "rows": torch.arange(7) <= torch.arange(6)[:, None],
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("scale", [None, 0.3])
def test_explicit_attention_is_the_fused_one(mask: str, scale: float | None) -> None:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 4, 6, 8, generator=generator)
    key, value = torch.randn(2, 2, 4, 7, 8, generator=generator)
    expected = F.scaled_dot_product_attention(query, key, value, MASKS[mask], scale=scale)
    with explicit_attention():
        found = F.scaled_dot_product_attention(query, key, value, MASKS[mask], scale=scale)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("option", ["is_causal", "enable_gqa"])
def test_what_explicit_attention_can_not_is_left_to_the_exporter(option: str) -> None:
    query, key = torch.randn(1, 4, 5, 8), torch.randn(1, 2 if option == "enable_gqa" else 4, 5, 8)
    attention = functools.partial(F.scaled_dot_product_attention, query, key, key, **{option: True})  # type: ignore[arg-type]
    expected = attention()
    with explicit_attention():
        assert torch.equal(attention(), expected)


@pytest.mark.parametrize("name", BUILDERS)
def test_every_module_that_a_plan_changes_runs_alone(name: str) -> None:
    whole = prepared(name)
    target = Target("here", "cpu", "onnxruntime", threads=1, batch_size=2, sequence_length=16)
    timed = TimedModel.of(name, whole.model, target, RUNTIME, 0)
    uses = timed.uses([site.path for site in whole.space.sites])
    for choice in whole.space.choices:
        use = uses[choice.site.path]
        original = whole.model.get_submodule(choice.site.path)
        for settings in ({}, choice.settings[0]):
            module = apply_to_module(choice.site.path, original, settings, whole.library) if settings else original
            module.train(False)
            with torch.no_grad():
                expected = module(*use.args, **use.kwargs)
            expected = expected[0] if isinstance(expected, tuple) else expected
            found = RUNTIME.prepare(module, use.args, use.kwargs)()
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
