"""The tokenizer of a task's data with the tokens that these data use, checked on every one of their texts."""

import copy
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import AutoTokenizer

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import ConfigError
from greenfront.evaluators.data import TaskData, load_data
from greenfront.evaluators.examples import Examples
from greenfront.evaluators.question_examples import QuestionExamples
from greenfront.evaluators.quiet import quiet
from greenfront.evaluators.text_examples import TextExamples
from greenfront.evaluators.vocabulary import kept_tokens, trimmed_tokenizer

_WHOLE = 2**20
"""Tokens to which texts are read whole: how one is cut at its end depends on what follows."""
_SOURCES = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
"""What else a vocabulary may stand in, beside tokenizer.json."""


def check_tokenizer(tokenizer: Any) -> None:
    """Raise ConfigError, naming what it is, for a tokenizer that can't be trimmed."""
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigError(
            "space.embeddings.trim: must be false without a fast tokenizer (a tokenizer.json), "
            f"but this is a {type(tokenizer).__name__}"
        )
    kept_tokens(_json(tokenizer), ())


def used_tokens(model: ModelConfig, data: DataConfig, seed: int, read: TaskData, tokenizer: Any) -> set[int]:
    """The tokens of the training and validation texts, as they were read and uncut, and the special ones.

    The test split's aren't among them.
    """
    uncut = data.model_copy(update={"max_length": _WHOLE})
    whole, _ = load_data(model, uncut, seed, processor=copy.deepcopy(tokenizer))  # it remembers how it cut
    parts = (read.train, read.validation, whole.train, whole.validation)
    return set(tokenizer.all_special_ids).union(*(np.unique(token_ids(part)).tolist() for part in parts))


def save_trimmed(tokenizer: Any, used: Collection[int], folder: Path) -> list[int]:
    """Write the tokenizer with these tokens, and those that they need, into a folder; gives their ids, ascending."""
    found = _json(tokenizer)
    kept = kept_tokens(found, used)
    tokenizer.save_pretrained(folder)
    for name in _SOURCES:
        (folder / name).unlink(missing_ok=True)
    trimmed = json.dumps(trimmed_tokenizer(found, kept), ensure_ascii=False)
    (folder / "tokenizer.json").write_text(trimmed, encoding="utf-8")
    return kept


def load_trimmed(folder: Path) -> Any:
    """The tokenizer that `save_trimmed` wrote, as it is loaded anywhere."""
    with quiet():
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def check_trimmed(before: TaskData, after: TaskData, kept: Sequence[int]) -> None:
    """Raise ConfigError unless every training and validation text is read as the same tokens, but for their numbers."""
    position = np.full(kept[-1] + 1, -1)
    position[list(kept)] = np.arange(len(kept))
    for split in ("train", "validation"):
        old, new = (_texts(getattr(data, split)) for data in (before, after))
        if not np.array_equal(old.offsets, new.offsets) or not np.array_equal(position[old.tokens], new.tokens):
            raise ConfigError(
                f"space.embeddings.trim: must be false for this tokenizer: without the tokens that the data don't use, "
                f"it reads {split} texts otherwise"
            )


def lost_tokens(examples: Examples, kept: Sequence[int]) -> tuple[int, int]:
    """How many tokens of examples, as they were read before, aren't kept, and how many there are."""
    tokens = token_ids(examples)
    return int((~np.isin(tokens, kept)).sum()), len(tokens)


def token_ids(examples: Examples) -> NDArray[np.int32]:
    """Every token of examples of text, one after the other."""
    return _texts(examples).tokens


def _texts(examples: Examples) -> TextExamples:
    texts = examples.windows if isinstance(examples, QuestionExamples) else examples
    assert isinstance(texts, TextExamples)
    return texts


def _json(tokenizer: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return found
