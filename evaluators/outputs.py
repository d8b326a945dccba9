"""Outputs: what is kept of a model's answers to a set of examples, so that scores and comparisons need no more."""

from dataclasses import dataclass

import evaluate
import numpy as np

from greenfront.errors import DataError, Diverged
from greenfront.evaluators.examples import Examples, Indices, pick
from greenfront.evaluators.named_metrics import get_metric
from greenfront.evaluators.sum_metric import Array, Logits, SumMetric

Statistics = np.ndarray[tuple[int, int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Outputs:
    """The answers of one model to N examples.

    Attributes:
        metric: the name of the metric that they are kept for.
        statistics: (N, K) what the metric has to know of each example (`SumMetric.statistics`); of a metric script
            the prediction and the label.
        divergence: mean KL(original || model) over all rows in nats; None without the original's logits.
    """

    metric: str
    statistics: Statistics
    divergence: float | None = None

    @classmethod
    def of(cls, logits: Logits, examples: Examples, metric: str, teacher_logits: Logits | None = None) -> "Outputs":
        """From the rows (P, C) of all examples, and where given those of the original.

        Raises:
            Diverged: a logit is NaN or infinite.
            DataError: no examples, or arrays of different P or C.
            ConfigError: an unknown metric.
        """
        collected = Collected(metric, examples)
        collected.add(np.arange(len(examples)), logits, teacher_logits)
        return collected.outputs()


class Collected:
    """Outputs in the making, batch by batch: no more than one batch of logits need be there at a time."""

    def __init__(self, metric: str, examples: Examples) -> None:
        self._name, self._metric, self._examples = metric, get_metric(metric), examples
        self._places: list[Indices] = []
        self._statistics: list[Array] = []
        self._divergence: list[Array] = []

    def add(self, indices: Indices, logits: Logits, teacher_logits: Logits | None) -> None:
        """Take the rows (P, C) of some examples in; raises as `Outputs.of`."""
        rows = len(pick(self._examples.rows, indices))
        if np.ndim(logits) != 2 or len(logits) != rows or rows == 0:
            raise DataError(
                f"logits must be (P, C) with one row for each of P >= 1 labels, "
                f"but got {np.shape(logits)} for {rows} labels"
            )
        bad = int((~np.isfinite(logits)).any(-1).sum())
        if bad:
            raise Diverged(f"the logits of {bad} of {rows} answers are NaN or infinite")
        if teacher_logits is not None:
            self._divergence.append(kl_divergence(teacher_logits, logits))
        self._places.append(indices)
        self._statistics.append(_statistics(self._metric, np.asarray(logits), self._examples, indices))

    def outputs(self) -> Outputs:
        """What all batches came to, in the order of the examples."""
        order = np.argsort(np.concatenate(self._places))
        statistics = np.concatenate(self._statistics).astype(np.float64)[order]
        divergence = float(np.concatenate(self._divergence).mean()) if self._divergence else None
        return Outputs(self._name, statistics, divergence)


def kl_divergence(teacher_logits: Logits, logits: Logits) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(P,) KL(teacher || candidate) in nats of each row, from (P, C) logits, in float64.

    Raises:
        DataError: the shapes differ.
    """
    if np.shape(teacher_logits) != np.shape(logits):
        raise DataError(
            f"the original's logits must have the candidate's shape {np.shape(logits)}, "
            f"but have {np.shape(teacher_logits)}"
        )
    teacher, candidate = _log_softmax(teacher_logits), _log_softmax(logits)
    divergence: np.ndarray[tuple[int], np.dtype[np.float64]] = (np.exp(teacher) * (teacher - candidate)).sum(-1)
    return divergence.clip(min=0.0)  # rounding can leave -1e-17


def _statistics(metric: evaluate.Metric, logits: Logits, examples: Examples, indices: Indices) -> Array:
    if isinstance(metric, SumMetric):
        return metric.statistics(logits, examples, indices)
    return np.stack([logits.argmax(-1), examples.labels[indices]], axis=1)


def _log_softmax(logits: Logits) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    wide = np.asarray(logits, dtype=np.float64)
    shifted = wide - wide.max(-1, keepdims=True)
    normal: np.ndarray[tuple[int, int], np.dtype[np.float64]] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return normal
