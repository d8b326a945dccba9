"""Tokenized text whose positions have labels of their own."""

import hashlib
from typing import Any

import numpy as np
import torch

from greenfront.evaluators.examples import Indices, offsets_of
from greenfront.evaluators.text_examples import TextExamples
from greenfront.spaces.answers import UNCOUNTED


class TokenExamples(TextExamples):
    """N token sequences with a label at every position that counts: a row of logits each.

    Attributes:
        position_labels: (T,) int32 beside `tokens`: the label of a position, or `UNCOUNTED`.
        names: the labels' names; empty where labels are tokens.
    """

    def __init__(
        self,
        tokens: np.ndarray[Any, np.dtype[np.int32]],
        offsets: Indices,
        position_labels: np.ndarray[Any, np.dtype[np.int32]],
        names: tuple[str, ...] = (),
        **layout: Any,
    ) -> None:
        """`layout`: the types and the padding, as `TextExamples` takes them."""
        super().__init__(tokens, offsets, np.zeros(len(offsets) - 1, dtype=np.int64), **layout)
        self.position_labels = position_labels
        self.names = names

    @property
    def targets(self) -> Indices:
        """(P,) the labels of the positions that count, sequence by sequence."""
        counted: Indices = self.position_labels[self.position_labels != UNCOUNTED].astype(np.int64)
        return counted

    @property
    def rows(self) -> Indices:
        """(N + 1,) where the rows of each sequence begin."""
        counted = offsets_of((self.position_labels != UNCOUNTED).astype(np.int64))
        begins: Indices = counted[self.offsets]
        return begins

    def batch(self, indices: Indices, width: int = 1) -> dict[str, torch.Tensor]:
        """As of a text, and `labels` (B, L), `UNCOUNTED` where no answer is asked for."""
        inputs = super().batch(indices, width)
        filled = inputs["attention_mask"].numpy().astype(bool)
        return {**inputs, "labels": self._padded(self.position_labels, indices, filled, UNCOUNTED)}

    def subset(self, indices: Indices) -> "TokenExamples":
        """These examples alone, in the order of the indices."""
        part = super().subset(indices)
        return TokenExamples(
            part.tokens,
            part.offsets,
            self._flat(self.position_labels, indices),
            self.names,
            types=part.types,
            pad_token=self.pad_token,
            pad_type=self.pad_type,
            pad_left=self.pad_left,
        )

    def digest(self) -> bytes:
        """SHA-256 of tokens, types, lengths and labels."""
        return hashlib.sha256(super().digest() + self.position_labels.tobytes()).digest()
