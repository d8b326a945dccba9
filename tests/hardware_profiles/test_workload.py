from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
    Wav2Vec2Config,
    Wav2Vec2Model,
)

from greenfront.errors import ConfigError, MeasureError
from greenfront.hardware_profiles import Target, get_runtime
from greenfront.hardware_profiles.timed_model import TimedModel
from greenfront.hardware_profiles.workload import workload
from greenfront.spaces import save_checkpoint
from tests.hardware_profiles.tiny import tiny_bert
from tests.spaces.architectures import bart, t5

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}


def target(batch_size: int = 2, sequence_length: int = 16) -> Target:
    return Target("here", "cpu", "torch", 1, batch_size, sequence_length)


def roberta() -> PreTrainedModel:
    return RobertaForSequenceClassification(
        RobertaConfig(**SMALL, vocab_size=20, max_position_embeddings=40, type_vocab_size=1)
    )


def test_text_is_a_full_batch_without_padding() -> None:
    inputs = workload(tiny_bert(), target())
    assert inputs["input_ids"].shape == (2, 16)
    assert inputs["attention_mask"].all()
    assert inputs["token_type_ids"].shape == (2, 16)
    assert 0 <= int(inputs["input_ids"].min()) <= int(inputs["input_ids"].max()) < 200


def test_the_same_seed_gives_the_same_batch() -> None:
    assert torch.equal(workload(tiny_bert(), target())["input_ids"], workload(tiny_bert(), target())["input_ids"])


def test_no_id_is_the_padding_one() -> None:
    model = roberta()
    inputs = workload(model, target(8, 32))
    assert "token_type_ids" not in inputs  # there is only one type
    assert not (inputs["input_ids"] == model.config.pad_token_id).any()
    assert model(**inputs).logits.shape == (8, 2)


@pytest.mark.parametrize("size", [8, (8, 12)])
def test_images_have_the_size_the_model_takes(size: int | tuple[int, int]) -> None:
    model = ViTForImageClassification(ViTConfig(**SMALL, image_size=size, patch_size=4, num_channels=1))
    inputs = workload(model, target(3))
    assert inputs["pixel_values"].shape == ((3, 1, 8, 8) if size == 8 else (3, 1, 8, 12))
    assert model(**inputs).logits.shape == (3, 2)


def test_a_sequence_beyond_the_positions_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"sequence_length must be at most 64.*but got 65"):
        workload(tiny_bert(), target(1, 65))


def test_positions_that_serve_no_token_do_not_count() -> None:
    model = roberta()  # its table has 40 rows, and the first token reads the third
    assert model(**workload(model, target(1, 38))).logits.shape == (1, 2)
    with pytest.raises(ConfigError, match=r"sequence_length must be at most 38.*but got 39"):
        workload(model, target(1, 39))


@pytest.mark.parametrize("make", [t5, bart])
@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
def test_heads_that_read_their_answer_at_the_end_token_find_one(
    make: Callable[[], PreTrainedModel], runtime: str, tmp_path: Path
) -> None:
    """One an example, as T5 and BART require; longer than what a graph is recorded with."""
    model, there = make().eval(), replace(target(3, 40), runtime=runtime, large_batch=5)
    ids = workload(model, there)["input_ids"]
    assert (ids[:, -1] == model.config.eos_token_id).all()
    assert int((ids == model.config.eos_token_id).sum()) == 3
    assert not (ids == model.config.pad_token_id).any()
    save_checkpoint(model, tmp_path / "original")
    made = get_runtime(runtime)(there)
    timed = TimedModel.load("tiny", tmp_path / "original", there, made, 0, tmp_path / "scratch")
    expected = [model(**workload(model, replace(there, batch_size=size))).logits for size in (3, 5)]
    for run, logits in zip((timed.run, timed.large_run), expected, strict=True):
        found = run()
        torch.testing.assert_close(getattr(found, "logits", found), logits, atol=1e-4, rtol=0)


def test_a_model_of_sound_is_refused() -> None:
    config = Wav2Vec2Config(**SMALL, conv_dim=(8,), conv_stride=(2,), conv_kernel=(2,), num_conv_pos_embedding_groups=2)
    with pytest.raises(MeasureError, match="takes 'input_values'"):
        workload(Wav2Vec2Model(config), target())
