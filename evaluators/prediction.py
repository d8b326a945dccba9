"""Prediction: a model's answers to examples, as logits or as what its metric needs of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from transformers import PreTrainedModel

from greenfront.errors import DataError
from greenfront.evaluators.examples import Examples, Indices, batches, pick
from greenfront.evaluators.outputs import Collected, Outputs
from greenfront.evaluators.precision import autocast, resolve_precision
from greenfront.spaces.answers import answer_rows

Logits = np.ndarray[Any, np.dtype[np.float32]]
Teacher = Logits | PreTrainedModel
"""The original's answers: its rows (P, C) on all examples, or the original itself where those would be too many."""

BATCH = 64
LARGEST_NUMBERS = 2**24
"""Logits of one batch that is scored: 64 MB, and four times as much while a divergence is computed."""


def predict(
    model: PreTrainedModel,
    examples: Examples,
    *,
    batch_size: int = BATCH,
    precision: Literal["auto", "bfloat16", "float32"] = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> Logits:
    """The float32 logits (P, C) of all rows, in the order of the examples, on the model's device.

    The model is in eval mode meanwhile and back in its own mode afterwards. `progress` counts examples.
    """
    rows = examples.rows
    logits = np.empty((int(rows[-1]), int(model.config.num_labels or 0)), dtype=np.float32)
    done = 0
    with _at_rest(model):
        for indices in batches(examples, batch_size):
            found = _rows(model, examples, indices, precision)
            if logits.shape[1] != found.shape[1]:  # before the first batch, nothing but a model's labels says how many
                logits = np.empty((len(logits), found.shape[1]), dtype=np.float32)
            logits[pick(rows, indices)] = found
            done += len(indices)
            if progress is not None:
                progress(done, len(examples))
    return logits


def answer(
    model: PreTrainedModel,
    examples: Examples,
    metric: str,
    teacher: Teacher | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Outputs:
    """A model's outputs for a metric, in float32; against the original's where a teacher is given.

    The logits of one batch are there at a time: a language model's are as many as tokens times its vocabulary.

    Raises:
        Diverged: a logit is NaN or infinite.
        DataError: no examples, or a teacher of other rows or columns.
        ConfigError: an unknown metric.
    """
    if len(examples) == 0:
        raise DataError("scoring must have at least one example, but got none")
    collected, done = Collected(metric, examples), 0
    size = fitting(model, examples, BATCH, LARGEST_NUMBERS)
    with _at_rest(model):
        for indices in batches(examples, size):
            logits = _rows(model, examples, indices, "float32")
            if isinstance(teacher, PreTrainedModel):
                with _at_rest(teacher):
                    against: Logits | None = _rows(teacher, examples, indices, "float32")
            else:
                against = None if teacher is None else teacher[pick(examples.rows, indices)]
            collected.add(indices, logits, against)
            done += len(indices)
            if progress is not None:
                progress(done, len(examples))
    return collected.outputs()


def fitting(model: PreTrainedModel, examples: Examples, most: int, numbers: int) -> int:
    """How many examples, at most `most` and at least one, have no more than so many logits on average."""
    return max(1, min(most, numbers * max(len(examples), 1) // max(answer_numbers(model, examples), 1)))


def answer_numbers(model: PreTrainedModel, examples: Examples) -> int:
    """How many logits the answers to all examples hold: rows times columns."""
    if len(examples) == 0:
        return 0
    with _at_rest(model):
        columns: int = _rows(model, examples, np.zeros(1, dtype=np.int64), "float32").shape[1]
    return int(examples.rows[-1]) * columns


@contextmanager
def _at_rest(model: PreTrainedModel) -> Iterator[None]:
    """Eval mode without gradients, and the model's own mode afterwards."""
    was_training = model.training
    model.train(False)
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


def _rows(
    model: PreTrainedModel, examples: Examples, indices: Indices, precision: Literal["auto", "bfloat16", "float32"]
) -> Logits:
    device = next(model.parameters()).device
    inputs = {key: value.to(device) for key, value in examples.batch(indices).items()}
    with autocast(resolve_precision(precision, device), device):
        found: Logits = answer_rows(model, inputs).float().cpu().numpy()
    return found
