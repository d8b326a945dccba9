"""Metrics of labels under their `evaluate` names, as `evaluate.Metric` subclasses that need no script from the hub.

Each is a function of three counts per class. Undefined ratios (0 / 0) are 0, as in scikit-learn. With two labels,
precision, recall and f1 are those of label id 1, as `evaluate`'s defaults have it; with more they are macro averages
over the classes that occur in labels or predictions, which `evaluate` would refuse without `average=`.
"""

from abc import abstractmethod
from dataclasses import dataclass

import datasets
import numpy as np

from greenfront.evaluators.examples import Examples, Indices, pick
from greenfront.evaluators.sum_metric import Array, Logits, SumMetric, per_example


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


class CountMetric(SumMetric):
    """A metric of the counts. `compute(predictions=ids, references=ids)` works as in `evaluate`."""

    inputs = "predictions, references: class ids; num_labels: C (default: largest id + 1)"
    features = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})

    @abstractmethod
    def value(self, counts: Counts) -> Array:
        """The metric, (...), from counts of shape (..., C)."""

    def statistics(self, logits: Logits, examples: Examples, indices: Indices) -> Array:
        """(B, 3 C): the three counts, one after the other."""
        predictions, labels, of_example, classes = *answered(logits, examples, indices), logits.shape[-1]
        hit = predictions == labels
        cells = (of_example[hit], labels[hit]), (of_example, predictions), (of_example, labels)
        counts = [np.bincount(i * classes + ids, minlength=len(indices) * classes) for i, ids in cells]
        return np.concatenate([count.reshape(len(indices), classes) for count in counts], axis=1)

    def of_sums(self, sums: Array) -> Array:
        """The metric of (..., 3 C) sums."""
        return self.value(Counts(*np.split(sums, 3, axis=-1)))

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

    def statistics(self, logits: Logits, examples: Examples, indices: Indices) -> Array:
        """(B, 2): correct rows, rows. As many counts as classes would be too many where classes are tokens."""
        predictions, labels, of_example = answered(logits, examples, indices)
        return per_example(np.stack([predictions == labels, np.ones(len(labels))], axis=1), of_example, len(indices))

    def of_sums(self, sums: Array) -> Array:
        """Correct rows over all."""
        return _ratio(sums[..., 0], sums[..., 1])


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


COUNT_METRICS: tuple[type[CountMetric], ...] = (Accuracy, F1, Precision, Recall, MatthewsCorrelation)


def answered(logits: Logits, examples: Examples, indices: Indices) -> tuple[Indices, Indices, Indices]:
    """Of the chosen examples' rows: (P,) predictions, (P,) labels, and (P,) which of the examples each belongs to."""
    labels = examples.targets[pick(examples.rows, indices)]
    of_example = np.repeat(np.arange(len(indices)), np.diff(examples.rows)[indices])
    return logits.argmax(-1), labels, of_example


def _ratio(above: Array, below: Array) -> Array:
    quotient: Array = np.divide(above, below, out=np.zeros(np.shape(above)), where=np.asarray(below) != 0)
    return quotient


def _binary_or_macro(counts: Counts, per_class: Array) -> Array:
    if per_class.shape[-1] == 2:
        return np.asarray(per_class[..., 1])
    occurs = counts.predicted + counts.actual > 0
    return _ratio(np.where(occurs, per_class, 0.0).sum(-1), occurs.sum(-1))
