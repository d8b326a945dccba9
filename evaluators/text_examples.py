"""Tokenized text, kept as one flat array and padded only when a batch is asked for."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from greenfront.evaluators.examples import Examples, Indices, offsets_of, pick


class TextExamples(Examples):
    """N token sequences: `tokens[offsets[i]:offsets[i + 1]]` is sequence i, without padding.

    `types` holds the token types (which of two texts a token belongs to) in the same layout, or None where
    all are zero, which is what models assume without them.
    """

    def __init__(
        self,
        tokens: np.ndarray[Any, np.dtype[np.int32]],
        offsets: Indices,
        labels: Indices,
        *,
        types: np.ndarray[Any, np.dtype[np.int8]] | None = None,
        pad_token: int = 0,
        pad_type: int = 0,
        pad_left: bool = False,
    ) -> None:
        self.tokens = tokens
        self.offsets = offsets
        self.labels = labels
        self.lengths = np.diff(offsets)
        self.types = types
        self.pad_token = pad_token
        self.pad_type = pad_type
        self.pad_left = pad_left

    def batch(self, indices: Indices, width: int = 1) -> dict[str, torch.Tensor]:
        """`input_ids`, `attention_mask` (and `token_type_ids`), (B, L) int64; L is the longest, at least `width`."""
        lengths = self.lengths[indices]
        longest = int(lengths.max(initial=width))
        position = np.arange(longest)
        filled = position >= longest - lengths[:, None] if self.pad_left else position < lengths[:, None]
        inputs = {
            "input_ids": self._padded(self.tokens, indices, filled, self.pad_token),
            "attention_mask": torch.from_numpy(filled.astype(np.int64)),
        }
        if self.types is not None:
            inputs["token_type_ids"] = self._padded(self.types, indices, filled, self.pad_type)
        return inputs

    def subset(self, indices: Indices) -> "TextExamples":
        """These examples alone, in the order of the indices."""
        return TextExamples(
            self._flat(self.tokens, indices),
            offsets_of(self.lengths[indices]),
            self.labels[indices],
            types=None if self.types is None else self._flat(self.types, indices),
            pad_token=self.pad_token,
            pad_type=self.pad_type,
            pad_left=self.pad_left,
        )

    def digest(self) -> bytes:
        """SHA-256 of tokens, types, lengths and labels."""
        types = () if self.types is None else (self.types,)
        parts: tuple[np.ndarray[Any, Any], ...] = (self.tokens, self.offsets, self.labels, *types)
        return hashlib.sha256(b"".join(hashlib.sha256(part.tobytes()).digest() for part in parts)).digest()

    def _flat(self, values: np.ndarray[Any, Any], indices: Indices) -> np.ndarray[Any, Any]:
        return values[pick(self.offsets, indices)]

    def _padded(
        self, values: np.ndarray[Any, Any], indices: Indices, filled: np.ndarray[Any, Any], pad: int
    ) -> torch.Tensor:
        rows = np.full(filled.shape, pad, dtype=np.int64)
        rows[filled] = self._flat(values, indices)
        return torch.from_numpy(rows)


def pack(sequences: Iterable[Sequence[int]], dtype: type[np.generic]) -> tuple[np.ndarray[Any, Any], Indices]:
    """Sequences as one flat array of `dtype` and its (N + 1,) offsets."""
    arrays = [np.asarray(sequence, dtype=dtype) for sequence in sequences]
    flat = np.concatenate(arrays) if arrays else np.empty(0, dtype=dtype)
    return flat, offsets_of(np.array([len(array) for array in arrays], dtype=np.int64))


def pack_types(types: Sequence[Sequence[int]]) -> np.ndarray[Any, np.dtype[np.int8]] | None:
    """Token types as one flat array; None where there are none or all are zero."""
    flat = pack(types, np.int8)[0]
    return flat if flat.any() else None
