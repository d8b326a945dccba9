"""Scores: how good predictions are, how far from the original's, and how sure one can be."""

from dataclasses import dataclass
from typing import Any

import evaluate
import numpy as np
import scipy.stats

from greenfront.errors import DataError, Diverged
from greenfront.evaluators.examples import Indices
from greenfront.evaluators.metrics import CountMetric, Counts, get_metric

Logits = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Score:
    """A metric on a set of examples.

    Attributes:
        metric: its name.
        value: the metric; more is better.
        divergence: mean KL(original || candidate) on the same examples in nats; None without the original's
        logits.
        examples: how many there were.
    """

    metric: str
    value: float
    divergence: float | None
    examples: int


def score(logits: Logits, labels: Indices, metric: str, teacher_logits: Logits | None = None) -> Score:
    """Score (N, C) logits against (N,) labels and, where given, against the original's (N, C) logits.

    Raises:
        Diverged: a logit is NaN or infinite.
        DataError: no examples, or arrays of different N or C.
        ConfigError: an unknown metric.
    """
    _check(logits, labels)
    divergence = None if teacher_logits is None else float(kl_divergence(teacher_logits, logits).mean())
    return Score(metric, _value(get_metric(metric), logits, labels), divergence, len(labels))


def kl_divergence(teacher_logits: Logits, logits: Logits) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(N,) KL(teacher || candidate) in nats of each example, from (N, C) logits, in float64.

    Raises:
        DataError: the shapes differ.
    """
    if np.shape(teacher_logits) != np.shape(logits):
        raise DataError(
            f"the original's logits must have the candidate's shape {np.shape(logits)}, "
            f"but have {np.shape(teacher_logits)}"
        )
    teacher, candidate = _log_softmax(teacher_logits), _log_softmax(logits)
    divergence: np.ndarray[Any, np.dtype[np.float64]] = (np.exp(teacher) * (teacher - candidate)).sum(-1)
    return divergence.clip(min=0.0)  # rounding can leave -1e-17


def bootstrap_interval(
    logits: Logits, labels: Indices, metric: str, *, seed: int, level: float = 0.95, resamples: int = 1000
) -> tuple[float, float]:
    """The percentile bootstrap interval of a metric over examples drawn with replacement (Efron 1979).

    Built-in metrics depend on counts alone, and the counts of a resample are multinomial: drawing those
    directly is the same distribution without ever touching the examples.

    Raises:
        As `score`.
    """
    _check(logits, labels)
    rng = np.random.default_rng(seed)
    computed = get_metric(metric)
    predictions = np.asarray(logits).argmax(-1)
    if isinstance(computed, CountMetric):
        values = computed.value(_resampled_counts(predictions, labels, np.shape(logits)[-1], resamples, rng))
    else:
        draws = (rng.integers(len(labels), size=len(labels)) for _ in range(resamples))
        values = np.array([_value(computed, logits[draw], labels[draw]) for draw in draws])
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mcnemar_p(logits_a: Logits, logits_b: Logits, labels: Indices) -> float:
    """Two-sided p of the exact McNemar test that two models are equally often right on the same N examples.

    Only examples that exactly one of them gets right count (McNemar 1947); without any, p is 1.

    Raises:
        DataError, Diverged: as `score`.
    """
    _check(logits_a, labels)
    _check(logits_b, labels)
    right_a, right_b = (np.asarray(logits).argmax(-1) == labels for logits in (logits_a, logits_b))
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(scipy.stats.binomtest(only_a, only_a + only_b).pvalue)


def tied(logits_a: Logits, logits_b: Logits, labels: Indices, metric: str, *, seed: int, level: float = 0.05) -> bool:
    """Whether the same N examples can't tell two models apart by a metric.

    By McNemar's test for accuracy; otherwise by a paired bootstrap, tied when the interval of the difference holds 0.

    Raises:
        ConfigError, DataError, Diverged: as `score`.
    """
    if metric == "accuracy":
        return mcnemar_p(logits_a, logits_b, labels) > level
    computed, rng = get_metric(metric), np.random.default_rng(seed)
    draws = [rng.integers(len(labels), size=len(labels)) for _ in range(500)]
    differences = [
        _value(computed, logits_a[draw], labels[draw]) - _value(computed, logits_b[draw], labels[draw])
        for draw in draws
    ]
    low, high = np.quantile(differences, [level / 2, 1 - level / 2])
    return bool(low <= 0 <= high)


def _resampled_counts(
    predictions: Indices, labels: Indices, classes: int, resamples: int, rng: np.random.Generator
) -> Counts:
    """Counts of shape (resamples, classes)."""
    cells, sizes = np.unique(labels * classes + predictions, return_counts=True)
    drawn = rng.multinomial(len(labels), sizes / len(labels), size=resamples)
    actual, predicted = cells // classes, cells % classes
    hit = actual == predicted

    def per_class(cell_class: Indices, sizes: Indices) -> Indices:
        total = np.zeros((classes, resamples), dtype=np.int64)
        np.add.at(total, cell_class, sizes.T)
        return total.T

    return Counts(per_class(actual[hit], drawn[:, hit]), per_class(predicted, drawn), per_class(actual, drawn))


def _value(metric: evaluate.Metric, logits: Logits, labels: Indices) -> float:
    predictions = np.asarray(logits).argmax(-1)
    if isinstance(metric, CountMetric):
        return float(metric.value(Counts.of(predictions, labels, np.shape(logits)[-1])))
    result = metric.compute(predictions=predictions, references=labels)
    return float(next(iter(result.values())))


def _check(logits: Logits, labels: Indices) -> None:
    if np.ndim(logits) != 2 or len(logits) != len(labels) or len(labels) == 0:
        raise DataError(
            f"logits must be (N, C) with one row for each of N >= 1 labels, "
            f"but got {np.shape(logits)} for {len(labels)} labels"
        )
    bad = int((~np.isfinite(logits)).any(-1).sum())
    if bad:
        raise Diverged(f"the logits of {bad} of {len(labels)} examples are NaN or infinite")


def _log_softmax(logits: Logits) -> np.ndarray[Any, np.dtype[np.float64]]:
    wide = np.asarray(logits, dtype=np.float64)
    shifted = wide - wide.max(-1, keepdims=True)
    normal: np.ndarray[Any, np.dtype[np.float64]] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return normal
