"""A model with fewer tokens answers as before, names its special tokens anew, and loads."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel, PreTrainedModel

from greenfront.errors import ConfigError
from greenfront.spaces import Plan, compress, load_checkpoint, save_checkpoint
from greenfront.spaces.vocabulary import check_trimmable, named_tokens, trim_model
from tests.spaces.architectures import distilbert, electra, llama, modernbert, t5, tied_bert, tied_gpt2
from tests.spaces.models import BUILDERS, VOCABULARY, batch_for, logits, randomized

MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    **{name: build for name, build in BUILDERS.items() if name != "vit"},
    "distilbert": distilbert, "electra": electra, "llama": llama, "modernbert": modernbert,
}  # fmt: skip


def built(name: str) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return randomized(MODELS[name]())


def table(model: PreTrainedModel) -> nn.Embedding:
    found = model.get_input_embeddings()
    assert isinstance(found, nn.Embedding)
    return found


def kept_for(model: PreTrainedModel, ids: torch.Tensor) -> list[int]:
    return sorted({*named_tokens(model), *ids.flatten().tolist()})


@pytest.mark.parametrize("name", MODELS)
def test_kept_tokens_give_the_same_answers_also_after_loading(name: str, tmp_path: Path) -> None:
    model, batch = built(name), batch_for(name)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    kept = kept_for(model, batch["input_ids"])
    assert 0 < len(kept) < VOCABULARY
    trimmed = trim_model(model, kept)
    renumbered = {**batch, "input_ids": torch.searchsorted(torch.tensor(kept), batch["input_ids"])}
    torch.testing.assert_close(logits(trimmed, renumbered), logits(model, batch), rtol=0, atol=0)
    width = table(model).embedding_dim
    assert model.num_parameters() - trimmed.num_parameters() == (VOCABULARY - len(kept)) * width
    assert trimmed.config.vocab_size == len(kept)
    assert model.config.vocab_size == VOCABULARY
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    save_checkpoint(trimmed, tmp_path / "trimmed")
    torch.testing.assert_close(
        logits(load_checkpoint(tmp_path / "trimmed"), renumbered), logits(trimmed, renumbered), rtol=0, atol=0
    )


def test_special_tokens_are_named_anew() -> None:
    config = GPT2Config(
        vocab_size=50, n_embd=8, n_layer=1, n_head=2, n_positions=16, pad_token_id=49, bos_token_id=48,
        eos_token_id=[48, 30],
    )  # fmt: skip
    model = GPT2ForSequenceClassification(config)
    assert named_tokens(model) == {30, 48, 49}
    trimmed = trim_model(model, [2, 30, 40, 48, 49])
    found = trimmed.config
    assert (found.pad_token_id, found.bos_token_id, found.eos_token_id) == (4, 3, [3, 1])
    assert (model.config.pad_token_id, model.config.eos_token_id) == (49, [48, 30])


def test_the_padding_row_stays_untrained() -> None:
    model = built("roberta")
    table(model).padding_idx = model.config.pad_token_id = 7
    assert table(trim_model(model, [0, 1, 2, 7, 9])).padding_idx == 3


def test_a_trimmed_model_is_compressed_like_any_other(tmp_path: Path) -> None:
    model, batch = built("bert"), batch_for("bert")
    kept = kept_for(model, batch["input_ids"])
    plan = Plan({"bert.embeddings.word_embeddings": {"rank": 8, "bits": 8}})
    compressed = compress(trim_model(model, kept), plan)
    save_checkpoint(compressed, tmp_path / "model")
    inputs = {**batch, "input_ids": torch.searchsorted(torch.tensor(kept), batch["input_ids"])}
    torch.testing.assert_close(logits(load_checkpoint(tmp_path / "model"), inputs), logits(compressed, inputs))


def untied_language_model() -> PreTrainedModel:
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=50, n_embd=8, n_layer=1, n_head=2, n_positions=16, tie_word_embeddings=False)
    )


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (BUILDERS["vit"], "ViTForImageClassification, which has no table of tokens"),
        (untied_language_model, "GPT2LMHeadModel, whose output layer has a row for every token"),
        (tied_gpt2, "a row for every token"),
        (tied_bert, "a row for every token"),
        (t5, "a row for every token|another layer is tied"),
    ],
)
def test_models_that_can_not_lose_rows_are_refused_by_name(build: Callable[[], PreTrainedModel], reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"space\.embeddings\.trim: must be false for .*({reason})"):
        check_trimmable(build())


def test_a_token_without_a_row_has_none_afterwards() -> None:
    trimmed = trim_model(built("bert"), [*range(5), VOCABULARY - 1, VOCABULARY + 3])
    assert table(trimmed).num_embeddings == trimmed.config.vocab_size == 6
