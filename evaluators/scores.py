"""Scores: how good outputs are, and how sure one can be."""

from dataclasses import dataclass
from typing import Any

import evaluate
import numpy as np
import scipy.stats

from greenfront.errors import DataError
from greenfront.evaluators.named_metrics import get_metric
from greenfront.evaluators.outputs import Outputs, Statistics
from greenfront.evaluators.sum_metric import SumMetric

Values = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Score:
    """A metric on a set of examples.

    Attributes:
        metric: its name.
        value: the metric; more is better.
        divergence: mean KL(original || candidate) on the same answers in nats; None without the original's
        logits.
        examples: how many there were.
    """

    metric: str
    value: float
    divergence: float | None
    examples: int


def score(outputs: Outputs) -> Score:
    """The score of a model's outputs; raises ConfigError for an unknown metric."""
    value = _value(get_metric(outputs.metric), outputs.statistics)
    return Score(outputs.metric, value, outputs.divergence, len(outputs.statistics))


def bootstrap_interval(
    outputs: Outputs, *, seed: int, level: float = 0.95, resamples: int = 1000
) -> tuple[float, float]:
    """The percentile bootstrap interval of a metric over examples drawn with replacement (Efron 1979).

    Examples are drawn, not answers: those within one example (a sentence's tokens) depend on each other. Examples that
    look the same to the metric are drawn together, since their numbers in a resample are multinomial.
    """
    rng = np.random.default_rng(seed)
    metric, statistics = get_metric(outputs.metric), outputs.statistics
    if isinstance(metric, SumMetric):
        kinds, sizes = np.unique(statistics, axis=0, return_counts=True)
        drawn = rng.multinomial(len(statistics), sizes / len(statistics), size=resamples)
        values: Values = metric.of_sums(drawn @ kinds)
    else:
        draws = (rng.integers(len(statistics), size=len(statistics)) for _ in range(resamples))
        values = np.array([_value(metric, statistics[draw]) for draw in draws])
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mcnemar_p(right_a: Values, right_b: Values) -> float:
    """Two-sided p of the exact McNemar test that two models are equally often right (N,) on the same examples.

    Only examples that exactly one of them gets right count (McNemar 1947); without any, p is 1.
    """
    only_a, only_b = int((right_a > right_b).sum()), int((right_b > right_a).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(scipy.stats.binomtest(only_a, only_a + only_b).pvalue)


def tied(a: Outputs, b: Outputs, *, seed: int, level: float = 0.05) -> bool:
    """Whether the same N examples can't tell two models apart by a metric.

    By McNemar's test for accuracy of one answer an example; otherwise by a paired bootstrap over examples, tied when
    the interval of the difference holds 0.

    Raises:
        DataError: outputs for other metrics, or on other numbers of examples.
    """
    if (a.metric, len(a.statistics)) != (b.metric, len(b.statistics)):
        raise DataError(
            f"outputs to compare must be of one metric on the same examples, but got {a.metric} on "
            f"{len(a.statistics)} and {b.metric} on {len(b.statistics)}"
        )
    if a.metric == "accuracy" and (a.statistics[:, 1] == 1).all():
        return mcnemar_p(a.statistics[:, 0], b.statistics[:, 0]) > level
    metric, rng, count = get_metric(a.metric), np.random.default_rng(seed), len(a.statistics)
    if isinstance(metric, SumMetric):
        weights = rng.multinomial(count, np.full(count, 1 / count), size=_PAIRED)
        differences = metric.of_sums(weights @ a.statistics) - metric.of_sums(weights @ b.statistics)
    else:
        draws = [rng.integers(count, size=count) for _ in range(_PAIRED)]
        pairs = [(_value(metric, a.statistics[draw]), _value(metric, b.statistics[draw])) for draw in draws]
        differences = np.array([of_a - of_b for of_a, of_b in pairs])
    low, high = np.quantile(differences, [level / 2, 1 - level / 2])
    return bool(low <= 0 <= high)


_PAIRED = 500
"""Resamples of a paired comparison."""


def _value(metric: evaluate.Metric, statistics: Statistics) -> float:
    if isinstance(metric, SumMetric):
        return float(metric.of_sums(statistics.sum(0)))
    predictions, labels = statistics.astype(np.int64).T
    result = metric.compute(predictions=predictions, references=labels)
    return float(next(iter(result.values())))
