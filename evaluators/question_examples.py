"""Questions about contexts: each asked of every window of its context."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from greenfront.evaluators.examples import Examples, Indices, offsets_of, pick
from greenfront.evaluators.text_examples import TextExamples

Spans = np.ndarray[Any, np.dtype[np.int32]]
LONGEST_ANSWER = 30
"""Tokens, as in the scripts for SQuAD."""


class QuestionExamples(Examples):
    """N questions in W windows of at most L tokens: two rows of L logits a window, where the answer starts and ends.

    An answer that a window doesn't hold whole starts and ends at its first token. All windows are padded to the same
    L, so that a column of the logits is the same position in every batch.

    Attributes:
        windows: the W inputs.
        first: (N + 1,) int64: `first[i]:first[i + 1]` are the windows of question i.
        characters: (T, 2) int32 beside the windows' tokens: where a token of the context starts and ends in it;
            -1 for tokens of the question and special ones.
        spans: (W, 2) int64, the tokens at which the answer starts and ends.
        answers: the right answers of each question, at least one.
    """

    def __init__(
        self,
        windows: TextExamples,
        first: Indices,
        characters: Spans,
        spans: Indices,
        contexts: Sequence[str],
        answers: Sequence[tuple[str, ...]],
        width: int,
    ) -> None:
        self.windows = windows
        self.first = first
        self.characters = characters
        self.spans = spans
        self.contexts = list(contexts)
        self.answers = list(answers)
        self.width = width
        self.labels = np.zeros(len(first) - 1, dtype=np.int64)
        self.lengths = np.add.reduceat(windows.lengths, first[:-1]) if len(first) > 1 else self.labels

    @property
    def targets(self) -> Indices:
        """(2 W,) start and end of every window."""
        return self.spans.reshape(-1)

    @property
    def rows(self) -> Indices:
        """(N + 1,) two rows a window."""
        return 2 * self.first

    def batch(self, indices: Indices) -> dict[str, torch.Tensor]:
        """The windows of B questions, (at least B, L) each."""
        return self.windows.batch(pick(self.first, indices), width=self.width)

    def subset(self, indices: Indices) -> "QuestionExamples":
        """These questions alone, in the order of the indices."""
        chosen = pick(self.first, indices)
        return QuestionExamples(
            self.windows.subset(chosen),
            offsets_of(np.diff(self.first)[indices]),
            self.characters[pick(self.windows.offsets, chosen)],
            self.spans[chosen],
            [self.contexts[index] for index in indices],
            [self.answers[index] for index in indices],
            self.width,
        )

    def digest(self) -> bytes:
        """SHA-256 of windows, contexts and answers."""
        text = repr((self.contexts, self.answers)).encode(errors="surrogatepass")
        return hashlib.sha256(self.windows.digest() + self.spans.tobytes() + text).digest()

    def predictions(self, logits: np.ndarray[Any, np.dtype[Any]], indices: Indices) -> list[str]:
        """The answer to each of B questions from the rows (P, L) of its windows: the likeliest stretch of the context.

        The score of a stretch is the sum of the logits of its start and its end; it has at most `LONGEST_ANSWER` tokens
        and lies in one window. Of several with the same score, the shortest and first.
        """
        found = []
        spans = logits.reshape(-1, 2, logits.shape[-1])
        for index, own in zip(indices, np.split(spans, np.cumsum(np.diff(self.first)[indices])[:-1]), strict=True):
            best, text = -np.inf, ""
            for window, (start, end) in zip(range(self.first[index], self.first[index + 1]), own, strict=True):
                score, characters = self._best(window, start, end)
                if score > best:
                    best, text = score, self.contexts[index][characters[0] : characters[1]]
            found.append(text)
        return found

    def _best(
        self, window: int, start: np.ndarray[Any, np.dtype[Any]], end: np.ndarray[Any, np.dtype[Any]]
    ) -> tuple[float, tuple[int, int]]:
        """The best stretch of a window: its score and its characters in the context."""
        characters = self.characters[self.windows.offsets[window] : self.windows.offsets[window + 1]]
        # Positions in the padded window: with padding on the left, tokens stand at its right end.
        shift = self.width - len(characters) if self.windows.pad_left else 0
        inside = np.flatnonzero(characters[:, 0] >= 0)
        start, end = start[inside + shift], end[inside + shift]
        best, place = -np.inf, (0, 0)
        for length in range(min(LONGEST_ANSWER, len(inside))):
            scores = start[: len(inside) - length] + end[length:]
            at = int(scores.argmax())
            if scores[at] > best:
                best, place = float(scores[at]), (at, at + length)
        if not len(inside):
            return best, place
        first, last = inside[place[0]], inside[place[1]]
        return best, (int(characters[first, 0]), int(characters[last, 1]))
