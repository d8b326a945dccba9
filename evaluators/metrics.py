"""Metrics under their `evaluate` names, as `evaluate.Metric` subclasses that need no script from the hub.

Every built-in metric is a function of three counts per class, so that a thousand bootstrap resamples are one
array operation. Undefined ratios (0 / 0) are 0, as in scikit-learn. With two labels, precision, recall and f1
are those of label id 1, as `evaluate`'s defaults have it; with more they are macro averages over the classes
that occur in labels or predictions, which `evaluate` would refuse without `average=`.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import evaluate
import numpy as np

from greenfront.errors import ConfigError
from greenfront.evaluators.names import nearest, reason
from greenfront.evaluators.quiet import quiet

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Counts:
    """Per class, (..., C) each: correct predictions, all predictions, all labels."""

    correct: Array
    predicted: Array
    actual: Array

    @classmethod
    def of(cls, predictions: Array, labels: Array, classes: int) -> "Counts":
        """The counts of (N,) predictions and labels, each in 0..classes - 1."""
        hits = labels[predictions == labels]
        counted = (np.bincount(ids, minlength=classes) for ids in (hits, predictions, labels))
        return cls(*counted)


class CountMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate carries no types
    """A metric of the counts. `compute(predictions=ids, references=ids)` works as in `evaluate`."""

    metric_name: str
    summary: str

    def __init__(self) -> None:
        super().__init__(keep_in_memory=True)

    @abstractmethod
    def value(self, counts: Counts) -> Array:
        """The metric, (...), from counts of shape (..., C)."""

    def _build_data_dir(self) -> str:
        # The base creates a folder in the user's cache, which may be read-only and is never used in memory.
        return ""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.summary,
            citation="",
            inputs_description="predictions, references: class ids; num_labels: C (default: largest id + 1)",
            features=datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}),
        )

    def _compute(
        self, predictions: list[int], references: list[int], num_labels: int | None = None
    ) -> dict[str, float]:
        guesses, labels = np.asarray(predictions), np.asarray(references)
        classes = num_labels or max(2, int(guesses.max()) + 1, int(labels.max()) + 1)
        return {self.metric_name: float(self.value(Counts.of(guesses, labels, classes)))}


class Accuracy(CountMetric):
    """Share of correct predictions."""

    metric_name = "accuracy"
    summary = "Share of correct predictions."

    def value(self, counts: Counts) -> Array:
        """Correct predictions over all."""
        return _ratio(counts.correct.sum(-1), counts.actual.sum(-1))


class Precision(CountMetric):
    """Share of predictions of a class that are correct."""

    metric_name = "precision"
    summary = "Share of a class's predictions that are correct; of label 1 for two labels, else the macro average."

    def value(self, counts: Counts) -> Array:
        """Of label 1 where C is 2, else the macro average."""
        return _binary_or_macro(counts, _ratio(counts.correct, counts.predicted))


class Recall(CountMetric):
    """Share of examples of a class that are found."""

    metric_name = "recall"
    summary = "Share of a class's examples that are found; of label 1 for two labels, else the macro average."

    def value(self, counts: Counts) -> Array:
        """Of label 1 where C is 2, else the macro average."""
        return _binary_or_macro(counts, _ratio(counts.correct, counts.actual))


class F1(CountMetric):
    """Harmonic mean of precision and recall."""

    metric_name = "f1"
    summary = "Harmonic mean of precision and recall; of label 1 for two labels, else the macro average."

    def value(self, counts: Counts) -> Array:
        """Of label 1 where C is 2, else the macro average."""
        return _binary_or_macro(counts, _ratio(2 * counts.correct, counts.predicted + counts.actual))


class MatthewsCorrelation(CountMetric):
    """Correlation of predictions and labels (Gorodkin 2004 for more than two classes)."""

    metric_name = "matthews_correlation"
    summary = "Matthews correlation coefficient, for any number of classes."

    def value(self, counts: Counts) -> Array:
        """Covariance of labels and predictions over the root of both variances."""
        predicted, actual = counts.predicted.astype(np.float64), counts.actual.astype(np.float64)
        total = actual.sum(-1)
        covariance = counts.correct.sum(-1) * total - (predicted * actual).sum(-1)
        variances = (total**2 - (predicted**2).sum(-1)) * (total**2 - (actual**2).sum(-1))
        return _ratio(covariance, np.sqrt(variances))


_BUILT_IN: tuple[type[CountMetric], ...] = (Accuracy, F1, Precision, Recall, MatthewsCorrelation)
_MAKERS: dict[str, Callable[[], CountMetric]] = {kind.metric_name: kind for kind in _BUILT_IN}
METRICS: tuple[str, ...] = tuple(_MAKERS)
"""The names of the built-in metrics; of all of them more is better."""


def get_metric(name: str) -> evaluate.Metric:
    """The metric of this `evaluate` name, or of a metric script's local path; more must be better.

    Raises:
        ConfigError: neither a built-in name nor a path, or a script that doesn't load.
    """
    if name in _MAKERS:
        return _MAKERS[name]()
    if not Path(name).exists():
        raise ConfigError(
            f"data.metric: must be one of {', '.join(METRICS)}, or the path of a metric script, "
            f"but got {name!r}{nearest(name, METRICS)}"
        )
    try:
        with quiet():
            return evaluate.load(name)
    except Exception as error:  # a script may raise anything
        raise ConfigError(f"data.metric: the script {name!r} can't be loaded ({reason(error)})") from error


def _ratio(above: Array, below: Array) -> Array:
    quotient: Array = np.divide(above, below, out=np.zeros(np.shape(above)), where=np.asarray(below) != 0)
    return quotient


def _binary_or_macro(counts: Counts, per_class: Array) -> Array:
    if per_class.shape[-1] == 2:
        return np.asarray(per_class[..., 1])
    occurs = counts.predicted + counts.actual > 0
    return _ratio(np.where(occurs, per_class, 0.0).sum(-1), occurs.sum(-1))
