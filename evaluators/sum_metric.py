"""Metrics of sums: what a metric has to know of an example is a few numbers that add up over examples.

So a resample of the examples is a weighted sum, and nothing that was predicted need be kept.
"""

from abc import abstractmethod
from typing import Any

import datasets
import evaluate
import numpy as np

from greenfront.evaluators.examples import Examples, Indices

Array = np.ndarray[Any, np.dtype[Any]]
Logits = np.ndarray[Any, np.dtype[Any]]


class SumMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate carries no types
    """A metric that is a function of sums over examples; more is better."""

    metric_name: str
    summary: str
    inputs: str
    """What `compute` takes."""
    features: datasets.Features

    def __init__(self) -> None:
        super().__init__(keep_in_memory=True)

    @abstractmethod
    def statistics(self, logits: Logits, examples: Examples, indices: Indices) -> Array:
        """(B, K) what adds up, from the rows (P, C) of the B chosen examples in their order."""

    @abstractmethod
    def of_sums(self, sums: Array) -> Array:
        """The metric, (...), from sums of shape (..., K)."""

    def _build_data_dir(self) -> str:
        # The base creates a folder in the user's cache, which may be read-only and is never used in memory.
        return ""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.summary, citation="", inputs_description=self.inputs, features=self.features
        )


def per_example(values: Array, of_example: Indices, examples: int) -> Array:
    """(P, K) values of rows summed over each example's: (examples, K)."""
    sums = np.zeros((examples, values.shape[1]))
    np.add.at(sums, of_example, values)
    return sums
