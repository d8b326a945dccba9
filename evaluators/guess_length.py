"""How many tokens a model should read: what holds nearly all texts whole."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from greenfront.config import DataConfig
from greenfront.evaluators.columns import Column
from greenfront.guess import Guess

KEY = "data.max_length"
STEP = 16
WHOLE = 0.95
"""The share of texts that are to fit."""
LONG_WINDOW, BLOCK = 384, 128
"""Of questions with their contexts, longer ones of which are read in parts anyway; of running text."""
TEXTS = 1000
CHARACTERS = 50_000
"""Of a text, at most: no model here reads as much."""


def guess_length(columns: Sequence[Column], data: DataConfig, task: str, tokenizer: Any, most: int | None) -> Guess:
    """`data.max_length` for the texts in these columns; `most`: the positions that the model has, where it says so."""
    if task == "causal-language-modelling":
        value = min(BLOCK, most or BLOCK)
        of = f" of the model's {most}" if most else ""
        return Guess(KEY, value, f"blocks of {value}{of} tokens", "longer blocks show more context, and cost more")
    lengths = token_lengths(columns, data, task, tokenizer)
    median, high = np.quantile(lengths, [0.5, WHOLE], method="higher").astype(int)
    limit = min(most or LONG_WINDOW, LONG_WINDOW) if task == "question-answering" else most
    value = _rounded(high)
    spread = f"half of the texts have at most {median} tokens, 95% at most {high}"
    if limit is not None and value > limit:
        beyond = "are read in parts" if task == "question-answering" else "are cut"
        whose = "the model reads no more" if limit == most else "a usual window"
        return Guess(KEY, limit, f"{whose}; {np.mean(lengths > limit):.0%} of the texts {beyond}; {spread}")
    shorter = _rounded(median)
    if value <= 2 * shorter:
        return Guess(KEY, value, spread)
    cut = np.mean(lengths > shorter)
    doubt = f"{shorter} would be faster and cut {cut:.0%} of the texts, whose start may be enough"
    return Guess(KEY, value, spread, doubt)


def token_lengths(columns: Sequence[Column], data: DataConfig, task: str, tokenizer: Any) -> np.ndarray[Any, Any]:
    """(N,) tokens of up to `TEXTS` inputs, special ones among them."""
    named = {column.name: column.values for column in columns}
    if task == "question-answering":
        names = [data.question, data.context]
    else:
        names = [data.text] if data.text_pair is None else [data.text, data.text_pair]
    chosen = [_some(named[name]) for name in names]
    if task == "token-classification":
        words = [value if isinstance(value, list) else str(value).split() for value in chosen[0]]
        encoded = tokenizer(words, is_split_into_words=True, return_attention_mask=False, verbose=False)
    else:
        both = zip(*chosen, strict=False)  # without nulls, one column may be shorter
        inputs = zip(*([str(text)[:CHARACTERS] for text in texts] for texts in both), strict=True)
        encoded = tokenizer(*map(list, inputs), return_attention_mask=False, verbose=False)
    return np.array([len(ids) for ids in encoded["input_ids"]])


def _some(values: Sequence[Any]) -> list[Any]:
    chosen = np.linspace(0, len(values) - 1, min(TEXTS, len(values))).astype(int)
    return [values[index] for index in np.unique(chosen)]


def _rounded(tokens: int) -> int:
    return max(STEP, -(-int(tokens) // STEP) * STEP)
