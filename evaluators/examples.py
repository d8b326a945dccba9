"""Examples: one split, ready for the model, and how it is cut into batches."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from greenfront.errors import DataError

Indices = np.ndarray[Any, np.dtype[np.int64]]


class Examples(ABC):
    """N labelled examples in arrays that pickle compactly (Ray shares them between workers without copies).

    A model answers an example in one or several rows of logits: one where the example has one label, one for each
    position that counts where positions have labels. Everything that is compared is compared row by row; everything
    that is drawn (batches, splits, resamples) is drawn example by example.

    Attributes:
        labels: (N,) int64, the class that splits keep the shares of; zeros where an example has no class.
        lengths: (N,) int64, tokens of each example; constant for images.
    """

    labels: Indices
    lengths: Indices

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def targets(self) -> Indices:
        """(P,) int64, the right column of every row."""
        return self.labels

    @property
    def rows(self) -> Indices:
        """(N + 1,) int64: `rows[i]:rows[i + 1]` are the rows of example i."""
        return np.arange(len(self) + 1)

    @abstractmethod
    def batch(self, indices: Indices) -> dict[str, torch.Tensor]:
        """What `answer_rows` takes for B examples, in the order of the indices.

        Text: `input_ids`, `attention_mask` (and `token_type_ids` where they matter), (B, L) int64, padded to
        the longest of the batch; where positions have labels, `labels` (B, L) as well. Images: `pixel_values`,
        (B, C, height, width) float32.
        """

    @abstractmethod
    def subset(self, indices: Indices) -> "Examples":
        """These examples alone, in the order of the indices."""

    @abstractmethod
    def digest(self) -> bytes:
        """SHA-256 of the contents, labels included."""


def pick(offsets: Indices, indices: Indices) -> Indices:
    """The places of the chosen stretches `offsets[i]:offsets[i + 1]`, one after the other."""
    lengths = np.diff(offsets)[indices]
    before = np.cumsum(lengths) - lengths
    return np.repeat(offsets[indices] - before, lengths) + np.arange(int(lengths.sum()))


def offsets_of(lengths: Indices) -> Indices:
    """(N + 1,) where each of N stretches of these lengths begins, and where the last ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


# Random batches are grouped by length inside windows of this many batches: little padding, yet every pass
# differs.
WINDOW = 32


def batches(examples: Examples, batch_size: int, *, seed: int | None = None) -> Iterator[Indices]:
    """Cut examples into index arrays of at most `batch_size`, each example once, neighbours of similar
    length.

    Without a seed the longest come first (what doesn't fit in memory fails at once); with a seed the batches
    are shuffled, the same way for the same seed.
    """
    if seed is None:
        order = np.argsort(-examples.lengths, kind="stable")
        yield from (order[start : start + batch_size] for start in range(0, len(order), batch_size))
        return
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(examples))
    cut = []
    for start in range(0, len(order), batch_size * WINDOW):
        window = order[start : start + batch_size * WINDOW]
        window = window[np.argsort(examples.lengths[window], kind="stable")]
        cut += [window[first : first + batch_size] for first in range(0, len(window), batch_size)]
    yield from (cut[position] for position in rng.permutation(len(cut)))


def endless_batches(examples: Examples, batch_size: int, *, seed: int) -> Iterator[Indices]:
    """Shuffled batches without end: every pass over the examples is a new shuffle.

    Raises:
        DataError: there are no examples, at the first batch.
    """
    if len(examples) == 0:
        raise DataError("training must have at least one example, but got none")
    passes = np.random.default_rng(seed)
    while True:
        yield from batches(examples, batch_size, seed=int(passes.integers(2**63)))
