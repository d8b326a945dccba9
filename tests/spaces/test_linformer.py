"""Linformer: the contract, padding, sharing, the lengths offered, and what is refused."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces import (
    METHODS,
    Method,
    Plan,
    Settings,
    compress,
    find_space,
    load_checkpoint,
    save_checkpoint,
)
from tests.spaces.architectures import bart, deberta, modernbert, mpnet, t5
from tests.spaces.method_contract import MethodContract
from tests.spaces.models import bert, build, logits, randomized, text_batch

ATTENTION = "bert.encoder.layer.{}.attention.self"


class TestContract(MethodContract):
    method: ClassVar[Method] = METHODS["linformer"]
    models: ClassVar[tuple[str, ...]] = ("bert", "roberta", "albert", "vit")


def linformer(**options: Any) -> SpaceConfig:
    return SpaceConfig.model_validate({"methods": ["linformer"], "linformer": options})


@pytest.mark.parametrize("width", [4, 16])
def test_a_fully_padded_row_is_no_nan(width: int) -> None:
    model = projected_bert("key_value")
    batch = text_batch([width, 0], width=width)
    answer = logits(model, batch)
    assert answer.isfinite().all()
    alone = logits(model, text_batch([width], width=width))
    torch.testing.assert_close(answer[:1], alone, rtol=1e-5, atol=1e-5)


def projected_bert(sharing: str, lengths: tuple[int, ...] = (5, 5), positions: int = 16) -> PreTrainedModel:
    """A BERT with a projection in each layer, with corrections that are not zero."""
    extra = {} if sharing == "key_value" else {"linformer_sharing": sharing}
    plan = Plan({
        ATTENTION.format(layer): {"linformer": length, "linformer_positions": positions, **extra}
        for layer, length in enumerate(lengths)
    })  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = compress(randomized(bert(num_hidden_layers=len(lengths))), plan)
    randomize_corrections(model)
    return model


def corrections(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if "correction" in name}


def randomize_corrections(model: nn.Module, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for correction in corrections(model).values():
            correction.copy_(0.2 * torch.randn(correction.shape, generator=generator))


@pytest.mark.parametrize("sharing", ["none", "key_value", "layerwise"])
def test_logits_do_not_depend_on_the_padding(sharing: str) -> None:
    model = projected_bert(sharing)
    for length in (3, 5, 6, 11):  # below, at and above the projected length
        alone = logits(model, text_batch([length], width=length))
        for width in (length + 1, 16, 30):
            padded = text_batch([length, width], width=width)
            padded["input_ids"][0, :length] = text_batch([length], width=length)["input_ids"][0]
            torch.testing.assert_close(logits(model, padded)[:1], alone, rtol=1e-4, atol=1e-4)


def test_the_hook_without_an_approximation_is_fused_attention() -> None:
    model, batch = build("bert"), text_batch([16, 11, 7, 1])
    expected = logits(model, batch)
    model.set_attn_implementation("greenfront")
    assert torch.equal(logits(model, batch), expected)


def test_layers_without_a_projection_stay_exact() -> None:
    model = build("bert")
    changed = compress(model, Plan({ATTENTION.format(1): {"linformer": 2, "linformer_positions": 16}}))
    outputs: list[Tensor] = []
    batch = text_batch([16, 9])
    for each in (model, changed):
        for layer in (0, 1):
            module = each.get_submodule(ATTENTION.format(layer))
            with module.register_forward_hook(lambda _, __, output: outputs.append(output[0])):
                logits(each, batch)
    assert torch.equal(outputs[0], outputs[2])
    assert not torch.allclose(outputs[1], outputs[3])


SHARINGS = [
    ("none", (5, 5, 3), 6, 2 * 16 * 13),
    ("key_value", (5, 5, 3), 3, 16 * 13),
    ("layerwise", (5, 5, 3), 2, 16 * 8),
]


@pytest.mark.parametrize(("sharing", "lengths", "stored", "weights"), SHARINGS)
def test_sharing_decides_what_is_stored(
    sharing: str, lengths: tuple[int, ...], stored: int, weights: int, tmp_path: Path
) -> None:
    model = projected_bert(sharing, lengths)
    assert len(corrections(model)) == stored
    assert sum(correction.numel() for correction in corrections(model).values()) == weights
    assert sum("correction" in name for name in model.state_dict()) == stored
    save_checkpoint(model, tmp_path / "saved")
    loaded, batch = load_checkpoint(tmp_path / "saved"), text_batch([16, 9, 4])
    assert corrections(loaded).keys() == corrections(model).keys()
    torch.testing.assert_close(logits(loaded, batch), logits(model, batch), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("reload", [False, True])
def test_the_layerwise_tie_survives(reload: bool, tmp_path: Path) -> None:
    """After a copy or a reload, one matrix still serves both layers, and only the copy's own."""
    model, batch = projected_bert("layerwise"), text_batch([16, 9])
    before = logits(model, batch)
    if reload:
        save_checkpoint(model, tmp_path / "saved")
    copied = load_checkpoint(tmp_path / "saved") if reload else copy.deepcopy(model)
    randomize_corrections(copied, seed=1)
    torch.testing.assert_close(logits(model, batch), before, rtol=0, atol=0)
    untied = projected_bert("key_value")
    (correction,) = corrections(copied).values()
    with torch.no_grad():
        for own in corrections(untied).values():
            own.copy_(correction)
    torch.testing.assert_close(logits(copied, batch), logits(untied, batch), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(logits(copied, batch), before, atol=1e-3)


def test_layers_of_other_positions_are_not_tied() -> None:
    settings: Settings = {"linformer": 5, "linformer_sharing": "layerwise"}
    model = compress(
        build("bert"),
        Plan({ATTENTION.format(n): {**settings, "linformer_positions": 16 * (n + 1)} for n in (0, 1)}),
    )
    assert sorted(tuple(correction.shape) for correction in corrections(model).values()) == [(5, 16), (5, 32)]


def lengths_offered(config: SpaceConfig, sequence_length: int) -> list[object]:
    choice, *_ = find_space(build("bert"), config, sequence_length).choices
    return [settings["linformer"] for settings in choice.settings]


@pytest.mark.parametrize(("tokens", "expected"), [(32, [16]), (100, [16, 32]), (128, [16, 32, 64])])
def test_lengths_are_powers_of_two_up_to_half(tokens: int, expected: list[int]) -> None:
    assert lengths_offered(linformer(), tokens) == expected


def test_lengths_asked_for_are_offered_ascending() -> None:
    assert lengths_offered(linformer(lengths=[12, 3, 15]), 16) == [3, 12, 15]


def test_lengths_at_the_sequence_length_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"space\.linformer\.lengths.*16 tokens.*but got 16, 40"):
        find_space(build("bert"), linformer(lengths=[8, 16, 40]), 16)


def test_inputs_too_short_for_any_length_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"linformer.*below 24 tokens"):
        find_space(build("bert"), linformer(), 24)


@pytest.mark.parametrize("sharing", ["none", "layerwise"])
def test_sharing_stands_in_the_settings(sharing: str) -> None:
    choice, *_ = find_space(build("bert"), linformer(lengths=[4], sharing=sharing), 16).choices
    assert choice.settings == ({"linformer": 4, "linformer_positions": 16, "linformer_sharing": sharing},)


WRONG: list[tuple[dict[str, int | float | str], str]] = [
    ({"linformer": 4}, "linformer_positions"),
    ({"linformer": 4, "linformer_positions": "16"}, "linformer_positions"),
    ({"linformer": 16, "linformer_positions": 16}, "from 1 to 15"),
    (
        {"linformer": 4, "linformer_positions": 16, "linformer_sharing": "headwise"},
        "none, key_value, layerwise",
    ),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_settings_that_do_not_fit_are_refused(wrong: dict[str, int | float | str], message: str) -> None:
    with pytest.raises(PlanError, match=f"{ATTENTION.format(0)}.*{message}"):
        compress(build("bert"), Plan({ATTENTION.format(0): wrong}))


def test_causal_attention_is_refused_by_name() -> None:
    model = build("gpt2")
    with pytest.raises(ConfigError, match=r"GPT2ForSequenceClassification.*causal"):
        find_space(model, linformer(lengths=[4]), 16)
    with pytest.raises(PlanError, match=r"transformer\.h\.0\.attn: .*causal"):
        compress(model, Plan({"transformer.h.0.attn": {"linformer": 4, "linformer_positions": 16}}))
    found = find_space(model, SpaceConfig(), 64)
    assert {refusal.path for refusal in found.refusals if "causal" in refusal.reason} == {
        "transformer.h.0.attn", "transformer.h.1.attn"
    }  # fmt: skip


def test_a_bert_decoder_is_causal_too() -> None:
    attention = build("bert").get_submodule(ATTENTION.format(0))
    attention.is_causal = True  # type: ignore[assignment]  # as the module sets it in a decoder
    with pytest.raises(PlanError, match="causal"):
        METHODS["linformer"].check("self", attention, {"linformer": 4, "linformer_positions": 16})


@pytest.mark.parametrize(("builder", "path"), [
    (mpnet, "mpnet.encoder.layer.0.attention.attn"), (deberta, "deberta.encoder.layer.0.attention.self")
])  # fmt: skip
def test_models_without_the_hook_are_refused_by_name(builder: Callable[[], PreTrainedModel], path: str) -> None:
    model = builder()
    with pytest.raises(ConfigError, match=f"{type(model).__name__}.*attention hook"):
        find_space(model, linformer(lengths=[4]), 16)
    with pytest.raises(PlanError, match=path):
        compress(model, Plan({path: {"linformer": 4, "linformer_positions": 16}}))
    found = find_space(model, SpaceConfig.model_validate({"low_rank": {"align": 4}}), 16)
    assert {"low_rank", "bits"} <= {choice.method for choice in found.choices}
    assert any("linformer" in refusal.method for refusal in found.refusals)


def test_sliding_windows_are_refused() -> None:
    """Their mask differs from query to query, which projected keys can't follow."""
    found = find_space(modernbert(), linformer(lengths=[4]), 16)
    assert [choice.site.path for choice in found.choices] == ["model.layers.0.attn"]
    (refusal,) = found.refusals
    assert refusal.path == "model.layers.1.attn"
    assert "window" in refusal.reason


def test_cross_attention_and_position_biases_are_refused() -> None:
    found = find_space(bart(), linformer(lengths=[4]), 16)
    assert [choice.site.path for choice in found.choices] == ["model.encoder.layers.0.self_attn"]
    reasons = {refusal.path: refusal.reason for refusal in found.refusals}
    assert "cross-attention" in reasons["model.decoder.layers.0.encoder_attn"]
    assert "causal" in reasons["model.decoder.layers.0.self_attn"]
    with pytest.raises(ConfigError, match=r"T5ForSequenceClassification.*position bias"):
        find_space(t5(), linformer(lengths=[4]), 16)


def test_bfloat16_runs() -> None:
    model = projected_bert("none").bfloat16()
    assert logits(model, text_batch([16, 9, 0])).isfinite().all()
