"""Candidates that have lost little are distilled slowly or not at all, so that training makes none of them worse."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertForSequenceClassification, PreTrainedModel

from greenfront.config import DataConfig, ModelConfig
from greenfront.evaluators import Stretch, TaskData, distill, load_data, predict
from greenfront.evaluators.peak_rate import FULL, NEGLIGIBLE, PROBED, share_of_peak
from tests.evaluators.conftest import bert_config

Quick = Callable[..., Any]


@pytest.fixture
def data(save_bert: Callable[..., ModelConfig], data_config: DataConfig) -> TaskData:
    """Reviews."""
    return load_data(save_bert(), data_config, 0)[0]


def original() -> PreTrainedModel:
    """Random weights of a size that tells words apart."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertForSequenceClassification(bert_config(initializer_range=0.3))
    model.train(False)
    return model


def disturbed(by: float) -> PreTrainedModel:
    """The original with noise on every matrix, of this share of its entries' size."""
    model = original()
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.add_(by * 0.3 * torch.randn(parameter.shape, generator=noise))
    return model


def softened(model: PreTrainedModel, data: TaskData, teacher: np.ndarray[Any, Any], count: int) -> float:
    """The distillation loss over the first examples, by the definition."""
    examples = data.train.subset(np.arange(count))
    p, q = (
        np.exp(logits / 2) / np.exp(logits / 2).sum(-1, keepdims=True)
        for logits in (teacher[:count].astype(np.float64), predict(model, examples).astype(np.float64))
    )
    return float(4 * (p * np.log(p / q)).sum(-1).mean())


@given(st.floats(1e-9, 1e3), st.floats(1e-9, 1e3))
def test_the_less_is_lost_the_slower(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0 <= share_of_peak(low) <= share_of_peak(high) <= 1
    if NEGLIGIBLE <= low <= high <= FULL:
        assert (share_of_peak(high) / share_of_peak(low)) ** 2 == pytest.approx(high / low)


def test_the_whole_rate_and_none() -> None:
    assert share_of_peak(FULL) == share_of_peak(5.0) == 1
    assert share_of_peak(0.99 * NEGLIGIBLE) == share_of_peak(0.0) == 0
    assert share_of_peak(None) == share_of_peak(math.nan) == share_of_peak(math.inf) == 1  # training says what is wrong


def test_who_lost_little_does_not_lose_more_by_training(data: TaskData, quick: Quick) -> None:
    """At the configured rate it does: a step is as long for a small gradient as for a large one."""
    teacher, count = predict(original(), data.train), len(data.train)
    model = disturbed(0.012)
    before = softened(model, data, teacher, count)
    assert NEGLIGIBLE < before < 0.1 * FULL
    log = distill(model, data.train, teacher, quick(steps=20, learning_rate=5e-4), seed=0)
    assert log.steps == 20
    assert softened(model, data, teacher, count) < before


def test_the_loss_before_is_that_of_the_first_batches(data: TaskData, quick: Quick) -> None:
    teacher, model = predict(original(), data.train), disturbed(0.5)
    first = data.train.subset(np.arange(8 * PROBED))
    before = softened(model, data, teacher, len(first))
    assert before > NEGLIGIBLE
    log = distill(model, first, teacher[: len(first)], quick(steps=2), seed=0)  # one pass, in any order
    assert log.before == pytest.approx(before, rel=1e-3)


def test_who_lost_nothing_is_not_trained(data: TaskData, quick: Quick) -> None:
    teacher, model = predict(original(), data.train), original()
    log = distill(model, data.train, teacher, quick(steps=9, learning_rate=0.1), seed=0)
    assert (log.steps, log.examples, log.losses) == (0, 0, ())
    assert log.before == pytest.approx(0, abs=1e-6)
    expected = original().state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in model.state_dict().items())


def test_a_stretch_goes_on_at_the_rate_of_the_first(data: TaskData, quick: Quick) -> None:
    teacher, config = predict(original(), data.train), quick(steps=6, learning_rate=3e-3)
    whole, parts = disturbed(0.012), disturbed(0.012)
    losses = distill(whole, data.train, teacher, config, seed=0).losses
    first = distill(parts, data.train, teacher, config, seed=0, stretch=Stretch(0, 2))
    rest = Stretch(2, 6, first.moments, first.before)
    assert first.losses + distill(parts, data.train, teacher, config, seed=0, stretch=rest).losses == losses


def test_what_was_paused_at_the_whole_rate_goes_on_with_it(data: TaskData, quick: Quick) -> None:
    """As a version left it that took that rate for everyone, and wrote no loss down."""
    teacher, config = predict(original(), data.train), quick(steps=6, learning_rate=3e-3)

    def gone_on(before: float | None, *, full_rate: bool = False) -> dict[str, torch.Tensor]:
        model = disturbed(0.012)
        stretch = Stretch(4, 6, before=before)
        log = distill(model, data.train, teacher, config, seed=0, stretch=stretch, full_rate=full_rate)
        assert (log.steps, log.before) == (2, before)
        return model.state_dict()

    def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
        return all(torch.equal(weight, b[name]) for name, weight in a.items())

    assert equal(gone_on(None), gone_on(None, full_rate=True))
    assert not equal(gone_on(None), gone_on(0.1 * FULL))


def test_the_full_rate_is_taken_where_it_is_asked_for(data: TaskData, quick: Quick) -> None:
    teacher, count, config = predict(original(), data.train), len(data.train), quick(steps=20, learning_rate=5e-4)
    slow, fast = disturbed(0.012), disturbed(0.012)
    distill(slow, data.train, teacher, config, seed=0)
    log = distill(fast, data.train, teacher, config, seed=0, full_rate=True)
    assert (log.steps, log.before) == (20, None)
    assert softened(fast, data, teacher, count) > 2 * softened(slow, data, teacher, count)
