"""Scores, their intervals and paired comparison."""

import math
import time
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from greenfront.errors import ConfigError, DataError, Diverged
from greenfront.evaluators import (
    METRICS,
    Outputs,
    TextExamples,
    bootstrap_interval,
    kl_divergence,
    mcnemar_p,
    score,
    tied,
)

Array = np.ndarray[Any, np.dtype[Any]]


def outputs(logits: Array, labels: Array, metric: str, teacher_logits: Array | None = None) -> Outputs:
    """Of examples that have one label each, and of which nothing else matters."""
    count = len(labels)
    examples = TextExamples(np.zeros(count, dtype=np.int32), np.arange(count + 1), labels)
    return Outputs.of(logits, examples, metric, teacher_logits)


def noisy(labels: Array, classes: int, right: float, seed: int = 0) -> Array:
    """Logits whose largest is the label with about this probability."""
    rng = np.random.default_rng(seed)
    guesses = np.where(rng.random(len(labels)) < right, labels, rng.integers(classes, size=len(labels)))
    return (np.eye(classes)[guesses] + 0.1 * rng.random((len(labels), classes))).astype(np.float32)


def test_divergence_is_torchs_and_zero_for_equal_logits() -> None:
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(2, 50, 7)) * 4
    expected = torch.nn.functional.kl_div(
        torch.tensor(student).log_softmax(-1), torch.tensor(teacher).softmax(-1), reduction="none"
    ).sum(-1)
    assert kl_divergence(teacher, student) == pytest.approx(expected.numpy(), rel=1e-9)
    assert (kl_divergence(teacher, teacher + 5) < 1e-12).all()  # a constant shift changes no probability
    assert (kl_divergence(teacher, student) >= 0).all()
    huge = np.array([[1e4, 0.0]], dtype=np.float32)
    assert kl_divergence(huge, huge) == pytest.approx(0.0)


def test_score_holds_metric_divergence_and_size() -> None:
    labels = np.array([0, 1, 1, 0])
    logits = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], dtype=np.float32)
    plain = score(outputs(logits, labels, "accuracy"))
    assert (plain.metric, plain.value, plain.divergence, plain.examples) == ("accuracy", 0.75, None, 4)
    against = score(outputs(logits, labels, "f1", teacher_logits=-logits))
    assert against.value == pytest.approx(2 / 3)
    p = 1 / (1 + math.e)
    assert against.divergence == pytest.approx(1 - 2 * p)  # sum p log(p/q) with p and q exchanged


def test_what_can_not_be_scored_is_said() -> None:
    labels = np.array([0, 1])
    with pytest.raises(Diverged, match="logits of 1 of 2 answers are NaN or infinite"):
        outputs(np.array([[0.0, np.nan], [1.0, 0.0]]), labels, "accuracy")
    with pytest.raises(DataError, match=r"got \(3, 2\) for 2 labels"):
        outputs(np.zeros((3, 2)), labels, "accuracy")
    with pytest.raises(DataError, match="for 0 labels"):
        outputs(np.zeros((0, 2)), labels[:0], "accuracy")
    with pytest.raises(DataError, match=r"shape \(2, 2\), but have \(2, 3\)"):
        outputs(np.zeros((2, 2)), labels, "accuracy", teacher_logits=np.zeros((2, 3)))
    with pytest.raises(ConfigError, match="did you mean 'recall'"):
        outputs(np.zeros((2, 2)), labels, "recal")


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("classes", [2, 4])
def test_interval_is_that_of_drawing_examples(name: str, classes: int) -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(classes, size=300)
    logits = noisy(labels, classes, 0.7)
    low, high = bootstrap_interval(outputs(logits, labels, name), seed=0, resamples=4000)
    draws = rng.integers(300, size=(1500, 300))
    slow = [score(outputs(logits[draw], labels[draw], name)).value for draw in draws]
    expected = np.quantile(slow, [0.025, 0.975])
    assert (low, high) == pytest.approx(tuple(expected), abs=0.012)
    assert low < score(outputs(logits, labels, name)).value < high


def test_interval_is_seeded_and_widens_with_its_level() -> None:
    labels = np.random.default_rng(0).integers(3, size=200)
    found = outputs(noisy(labels, 3, 0.8), labels, "f1")
    assert bootstrap_interval(found, seed=5) == bootstrap_interval(found, seed=5)
    narrow = bootstrap_interval(found, seed=5, level=0.5)
    wide = bootstrap_interval(found, seed=5, level=0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    perfect = np.eye(3)[labels]
    assert bootstrap_interval(outputs(perfect, labels, "accuracy"), seed=0) == (1.0, 1.0)


@pytest.mark.parametrize(("name", "classes"), [("accuracy", 10), ("f1", 100)])
def test_a_thousand_resamples_of_two_thousand_examples_take_a_moment(name: str, classes: int) -> None:
    labels = np.random.default_rng(0).integers(classes, size=2000)
    found = outputs(noisy(labels, classes, 0.9), labels, name)
    start = time.process_time()
    bootstrap_interval(found, seed=0)
    assert time.process_time() - start < 0.2


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 5))
def test_mcnemar_is_the_exact_binomial(only_a: int, only_b: int, both: int) -> None:
    right_a = np.array([True] * (only_a + both) + [False] * (only_b + 1))
    right_b = np.array([False] * only_a + [True] * (both + only_b) + [False])
    labels = np.zeros(len(right_a), dtype=np.int64)
    logits = [np.stack([right, ~right], axis=1).astype(np.float32) for right in (right_a, right_b)]
    a, b = (outputs(each, labels, "accuracy") for each in logits)
    total = only_a + only_b
    expected = min(1.0, 2 * binom.cdf(min(only_a, only_b), total, 0.5)) if total else 1.0
    assert mcnemar_p(right_a.astype(float), right_b.astype(float)) == pytest.approx(expected)
    assert mcnemar_p(right_b.astype(float), right_a.astype(float)) == pytest.approx(expected)
    assert tied(a, b, seed=0) == (expected > 0.05)


def test_ties_are_of_the_metric_and_not_of_accuracy() -> None:
    """Thirty positives in a thousand: finding none of them costs 2% of accuracy, and all of F1."""
    labels = np.array([1] * 30 + [0] * 970)
    nothing = np.zeros((1000, 2), dtype=np.float32)
    nothing[:, 0] = 1
    half = nothing.copy()
    half[:20] = half[:20, ::-1]
    half[30:50] = half[30:50, ::-1]
    assert tied(outputs(half, labels, "accuracy"), outputs(nothing, labels, "accuracy"), seed=0)
    assert not tied(outputs(half, labels, "f1"), outputs(nothing, labels, "f1"), seed=0)
    assert tied(outputs(half, labels, "f1"), outputs(half, labels, "f1"), seed=0)
    with pytest.raises(DataError, match="of one metric on the same examples, but got f1 on 1000 and accuracy on 1000"):
        tied(outputs(half, labels, "f1"), outputs(half, labels, "accuracy"), seed=0)
