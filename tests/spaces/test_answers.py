"""Rows of answers: every head's, and the moments that are computed on them."""

import functools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForTokenClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)

from greenfront.spaces.answers import ABSENT, UNCOUNTED, answer_rows, answer_tensors
from greenfront.spaces.moments import collect
from tests.spaces.models import SIZES, VOCABULARY, build, randomized, text_batch

BATCH = text_batch([9, 4, 1], seed=1)


def tagger() -> PreTrainedModel:
    return randomized(BertForTokenClassification(BertConfig(**SIZES)))


def spans() -> PreTrainedModel:
    return randomized(BertForQuestionAnswering(BertConfig(**{**SIZES, "num_labels": 2})))


def decoder() -> PreTrainedModel:
    sizes: dict[str, Any] = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 1, "n_head": 4, "n_positions": 64}
    return randomized(GPT2LMHeadModel(GPT2Config(**sizes, initializer_range=0.3)))


def inputs_of(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: value for name, value in BATCH.items() if name != "token_type_ids" or hasattr(model, "bert")}


def test_a_classifier_answers_once_an_example() -> None:
    model = build("bert")
    with torch.no_grad():
        assert torch.equal(answer_rows(model, BATCH), model(**BATCH).logits)
        assert torch.equal(answer_rows(model, {**BATCH, "labels": torch.zeros(3, dtype=torch.long)}),
                           model(**BATCH).logits)  # fmt: skip


@pytest.mark.parametrize("make", [tagger, decoder])
def test_positions_answer_where_they_are_asked(make: Any) -> None:
    model = make()
    inputs = inputs_of(model)
    valid = inputs["attention_mask"].bool()
    labels = torch.where(valid & (torch.arange(valid.shape[1]) % 2 == 0), 1, UNCOUNTED)
    with torch.no_grad():
        whole = model(**inputs).logits
        assert torch.equal(answer_rows(model, {**inputs, "labels": labels}), whole[labels == 1])
        assert torch.equal(answer_rows(model, inputs), whole[valid])
        assert len(answer_rows(model, {"input_ids": inputs["input_ids"]})) == valid.numel()


def test_a_decoder_keeps_no_keys_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    model, found = decoder(), list[Any]()
    forward = model.forward

    @functools.wraps(forward)
    def kept(*arguments: Any, **options: Any) -> Any:
        found.append(forward(*arguments, **options))
        return found[-1]

    assert model(**inputs_of(model)).past_key_values is not None
    monkeypatch.setattr(model, "forward", kept)
    answer_rows(model, inputs_of(model))
    assert found[0].past_key_values is None


def test_spans_are_two_rows_over_positions_without_the_padding() -> None:
    model = spans()
    with torch.no_grad():
        rows, output = answer_rows(model, BATCH), model(**BATCH)
        assert answer_tensors(model, BATCH).keys() == {"start_logits", "end_logits"}
    assert rows.shape == (6, BATCH["input_ids"].shape[1])
    for place, mask in enumerate(BATCH["attention_mask"].bool()):
        assert torch.equal(rows[2 * place][mask], output.start_logits[place][mask])
        assert torch.equal(rows[2 * place + 1][mask], output.end_logits[place][mask])
        assert (rows[2 * place : 2 * place + 2][:, ~mask] == ABSENT).all()


@pytest.mark.parametrize(("make", "path"), [(tagger, "bert.encoder.layer.1.output.dense"), (spans, "qa_outputs")])
def test_gradients_are_those_of_each_row_and_add_up_to_a_mean(make: Any, path: str) -> None:
    """A label for every row that counts, drawn from the model; the second moment of the slopes an answer."""
    model, inputs = make(), dict(BATCH)
    if make is tagger:
        counted = inputs["attention_mask"].bool() & (torch.arange(inputs["input_ids"].shape[1]) % 2 == 0)
        inputs["labels"] = torch.where(counted, 0, UNCOUNTED)
    found = collect(model, [path], [inputs], seed=3)[path]
    outputs: list[Tensor] = []
    with model.get_submodule(path).register_forward_hook(lambda _, __, output: outputs.append(output)):
        rows = answer_rows(model, inputs)
    labels = torch.multinomial(rows.softmax(-1), 1, generator=torch.Generator().manual_seed(3)).squeeze(-1)
    (slopes,) = torch.autograd.grad(F.cross_entropy(rows, labels, reduction="sum"), outputs)
    valid = slopes[inputs["attention_mask"].bool()].double()
    assert found.gradients == pytest.approx(valid.T @ valid / len(rows), rel=1e-4, abs=1e-9)
    assert found.tokens == int(inputs["attention_mask"].sum())
