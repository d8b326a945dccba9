"""Answers at several positions: rows in and out, their scores, resamples of examples, the recomputed teacher."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig, BertForTokenClassification, GPT2Config, GPT2LMHeadModel, PreTrainedModel

from greenfront.config import FineTuneConfig
from greenfront.errors import DataError
from greenfront.evaluators import (
    Outputs,
    TokenExamples,
    answer,
    answer_numbers,
    bootstrap_interval,
    distill,
    fine_tune,
    fitting,
    get_metric,
    kl_divergence,
    predict,
    score,
    tied,
)
from greenfront.evaluators.direction import natural
from greenfront.evaluators.examples import offsets_of, pick
from greenfront.evaluators.perplexity import Perplexity
from greenfront.spaces.answers import UNCOUNTED, answer_rows

VOCABULARY = 20


def sentences(count: int, seed: int = 0) -> TokenExamples:
    """Random tokens, 3 to 9 of them; a label at every other position."""
    rng = np.random.default_rng(seed)
    offsets = offsets_of(rng.integers(3, 10, size=count))
    tokens = rng.integers(1, VOCABULARY, size=int(offsets[-1])).astype(np.int32)
    labels = np.where(np.arange(len(tokens)) % 2, UNCOUNTED, tokens % 3).astype(np.int32)
    return TokenExamples(tokens, offsets, labels, ("a", "b", "c"))


def blocks(count: int, seed: int = 0) -> TokenExamples:
    """Random tokens, 4 to 8 of them, each labelled with the next."""
    rng = np.random.default_rng(seed)
    offsets = offsets_of(rng.integers(4, 9, size=count))
    tokens = rng.integers(0, VOCABULARY, size=int(offsets[-1])).astype(np.int32)
    labels = np.append(tokens[1:], UNCOUNTED).astype(np.int32)
    labels[offsets[1:] - 1] = UNCOUNTED
    return TokenExamples(tokens, offsets, labels)


def tagger() -> PreTrainedModel:
    """Tells three labels apart at every position."""
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=VOCABULARY,
        max_position_embeddings=16, pad_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    config.num_labels = 3
    model: PreTrainedModel = BertForTokenClassification(config).eval()
    return model


def decoder() -> PreTrainedModel:
    """Says what comes next."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=1, n_head=2, n_positions=16, initializer_range=0.3)
    model: PreTrainedModel = GPT2LMHeadModel(config).eval()
    return model


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.data())
def test_pick_is_the_obvious_loop(lengths: list[int], data: Any) -> None:
    offsets = offsets_of(np.array(lengths))
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=6))
    expected = [place for index in chosen for place in range(offsets[index], offsets[index + 1])]
    assert pick(offsets, np.array(chosen, dtype=np.int64)).tolist() == expected


def test_rows_and_targets_are_those_of_each_sentence() -> None:
    examples = sentences(5)
    for index in range(5):
        own = examples.position_labels[examples.offsets[index] : examples.offsets[index + 1]]
        rows = slice(examples.rows[index], examples.rows[index + 1])
        assert examples.targets[rows].tolist() == own[own != UNCOUNTED].tolist()
    part = examples.subset(np.array([3, 1]))
    batch = examples.batch(np.array([3, 1]))
    assert batch["labels"][batch["labels"] != UNCOUNTED].tolist() == part.targets.tolist()
    assert ((batch["labels"] == UNCOUNTED) | (batch["attention_mask"] == 1)).all()
    relabelled = TokenExamples(examples.tokens, examples.offsets, examples.position_labels[::-1].copy())
    assert examples.digest() != relabelled.digest()


@pytest.mark.parametrize(("make", "of"), [(tagger, sentences), (decoder, blocks)])
def test_predictions_are_those_of_each_example_alone(make: Any, of: Any) -> None:
    model, examples = make(), of(7)
    logits = predict(model, examples, batch_size=3)
    assert len(logits) == len(examples.targets)
    for index in range(7):
        tokens = examples.tokens[examples.offsets[index] : examples.offsets[index + 1]]
        labels = examples.position_labels[examples.offsets[index] : examples.offsets[index + 1]]
        with torch.inference_mode():
            alone = model(torch.from_numpy(tokens.astype(np.int64))[None]).logits[0].numpy()
        rows = slice(examples.rows[index], examples.rows[index + 1])
        assert logits[rows] == pytest.approx(alone[labels != UNCOUNTED], abs=1e-5)
    assert answer_numbers(model, examples) == logits.size
    assert fitting(model, examples, 64, 1) == 1
    assert fitting(model, examples, 64, logits.size) == 7
    assert fitting(model, examples, 3, logits.size) == 3


def test_without_labels_every_valid_token_answers() -> None:
    batch = {key: value for key, value in sentences(4).batch(np.arange(4)).items() if key != "labels"}
    with torch.inference_mode():
        rows = answer_rows(tagger(), batch)
    assert len(rows) == batch["attention_mask"].sum()


@pytest.mark.parametrize(("make", "of", "metric"), [(tagger, sentences, "f1"), (decoder, blocks, "perplexity")])
def test_outputs_batch_by_batch_are_those_of_all_logits(
    make: Any, of: Any, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the original's logits are kept or computed again."""
    model, examples = make(), of(20)
    torch.manual_seed(1)
    student = type(model)(model.config).eval()
    kept, logits = predict(model, examples), predict(student, examples)
    whole = Outputs.of(logits, examples, metric, kept)
    assert whole.divergence == pytest.approx(float(kl_divergence(kept, logits).mean()))
    monkeypatch.setattr("greenfront.evaluators.prediction.LARGEST_NUMBERS", 4 * logits.size // 20)
    for teacher in (kept, model):
        found = answer(student, examples, metric, teacher)
        assert found.statistics == pytest.approx(whole.statistics, abs=1e-4)
        assert found.divergence == pytest.approx(whole.divergence, abs=1e-6)
    assert answer(student, examples, metric).divergence is None
    with pytest.raises(DataError, match="at least one example"):
        answer(student, examples.subset(np.empty(0, dtype=np.int64)), metric)


@pytest.mark.parametrize(("make", "of"), [(tagger, sentences), (decoder, blocks)])
def test_a_recomputed_teacher_teaches_the_same(make: Any, of: Any) -> None:
    model, examples = make(), of(24)
    config = FineTuneConfig(steps=40, batch_size=8, learning_rate=1e-2, precision="float32")
    losses = []
    for teacher in (predict(model, examples), model):
        torch.manual_seed(1)
        student = type(model)(model.config)
        losses.append(distill(student, examples, teacher, config, seed=0).losses)
        assert all(parameter.requires_grad for parameter in model.parameters())
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert losses[0][-1] < 0.5 * losses[0][0]


def test_fine_tuning_learns_positions() -> None:
    model, examples = tagger(), sentences(60)
    config = FineTuneConfig(batch_size=8, original_epochs=12, original_learning_rate=1e-2, precision="float32")
    log = fine_tune(model, examples, config, seed=0)
    assert score(answer(model, examples, "accuracy")).value > 0.9
    # The loss is the mean over a batch's rows, not over its examples.
    assert log.losses[0] == pytest.approx(math.log(3), abs=1.0)


def test_perplexity_is_torchs_and_kept_as_its_inverse() -> None:
    examples, rng = blocks(6), np.random.default_rng(0)
    logits = rng.normal(size=(len(examples.targets), VOCABULARY)).astype(np.float32) * 3
    loss = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(examples.targets)).item()
    value = score(Outputs.of(logits, examples, "perplexity")).value
    assert natural("perplexity", value) == pytest.approx(math.exp(loss), rel=1e-5)
    assert natural("perplexity", natural("perplexity", value)) == pytest.approx(value)
    assert natural("accuracy", 0.7) == 0.7
    assert get_metric("perplexity").compute(predictions=[-1.0, -3.0]) == {"perplexity": pytest.approx(math.exp(2))}
    hopeless = np.where(np.arange(VOCABULARY) == examples.targets[:, None], -1e5, 0.0)
    assert Perplexity().of_sums(Outputs.of(hopeless, examples, "perplexity").statistics.sum(0)) > 0


def test_next_tokens_are_counted_without_a_count_per_token() -> None:
    examples = blocks(6)
    logits = np.eye(VOCABULARY)[examples.targets]
    logits[0] = np.roll(logits[0], 1)
    found = Outputs.of(logits, examples, "accuracy")
    assert found.statistics.shape == (6, 2)
    assert score(found).value == 1 - 1 / len(logits)


@pytest.mark.parametrize("metric", ["accuracy", "f1", "perplexity"])
def test_resamples_are_of_examples_and_not_of_their_positions(metric: str) -> None:
    """A sentence is right or wrong as a whole here: the interval is as wide as that of so many sentences."""
    rng, count, length = np.random.default_rng(0), 60, 20
    right = np.repeat(rng.random(count) < 0.7, length)
    labels = rng.integers(2, size=count * length).astype(np.int32)
    examples = TokenExamples(np.zeros(len(labels), dtype=np.int32), np.arange(0, len(labels) + 1, length), labels)
    logits = 4 * np.eye(2)[np.where(right, labels, 1 - labels)]
    found = Outputs.of(logits, examples, metric)
    low, high = bootstrap_interval(found, seed=0, resamples=2000)
    draws = rng.integers(count, size=(1000, count))
    slow = [score(Outputs(metric, found.statistics[draw])).value for draw in draws]
    assert (low, high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=0.03)
    narrow = TokenExamples(examples.tokens, np.arange(len(labels) + 1), labels)
    of_positions = bootstrap_interval(Outputs.of(logits, narrow, metric), seed=0)
    assert high - low > 2 * (of_positions[1] - of_positions[0])


def test_positions_of_few_sentences_are_no_proof() -> None:
    """Nine of 200 positions differ, all in one sentence: as single examples they would tell the models apart."""
    labels = np.zeros(200, dtype=np.int32)
    better = np.eye(2)[labels]
    worse = better.copy()
    worse[:9] = worse[:9, ::-1]
    of_ten = TokenExamples(labels, np.arange(0, 201, 20), labels)
    alone = TokenExamples(labels, np.arange(201), labels)
    assert tied(Outputs.of(better, of_ten, "accuracy"), Outputs.of(worse, of_ten, "accuracy"), seed=0)
    assert not tied(Outputs.of(better, alone, "accuracy"), Outputs.of(worse, alone, "accuracy"), seed=0)
