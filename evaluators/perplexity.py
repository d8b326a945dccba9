"""Perplexity: how many equally likely tokens a language model seems to choose from at every position."""

import datasets
import numpy as np

from greenfront.evaluators.examples import Examples, Indices
from greenfront.evaluators.metrics import answered
from greenfront.evaluators.sum_metric import Array, Logits, SumMetric, per_example

_LARGEST = 690.0
"""Nats: the largest cross-entropy whose inverse perplexity is a number above zero."""


class Perplexity(SumMetric):
    """The exponential of the mean cross-entropy over all predicted tokens, kept as its inverse (`direction.py`).

    The inverse is the geometric mean of the right tokens' probabilities: between 0 and 1, and more is better.
    """

    metric_name = "perplexity"
    summary = "Exponential of the mean cross-entropy of the right tokens."
    inputs = "predictions: the log-probability, in nats, of each right token"
    features = datasets.Features({"predictions": datasets.Value("float64")})

    def statistics(self, logits: Logits, examples: Examples, indices: Indices) -> Array:
        """(B, 2): the summed cross-entropy of a block's tokens in nats, and how many there are."""
        _, labels, of_example = answered(logits, examples, indices)
        wide = np.asarray(logits, dtype=np.float64)
        most = wide.max(-1)
        lost = most + np.log(np.exp(wide - most[:, None]).sum(-1)) - wide[np.arange(len(labels)), labels]
        return per_example(np.stack([lost, np.ones(len(labels))], axis=1), of_example, len(indices))

    def of_sums(self, sums: Array) -> Array:
        """The inverse of the perplexity."""
        return np.asarray(np.exp(-np.minimum(sums[..., 0] / sums[..., 1], _LARGEST)))

    def _compute(self, predictions: list[float]) -> dict[str, float]:
        return {self.metric_name: float(np.exp(-np.mean(predictions)))}  # the perplexity itself, as in `evaluate`
