"""Text classification: one text or a pair of texts, one label."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PretrainedConfig

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import ConfigError, DataError
from greenfront.evaluators.checkpoints import load
from greenfront.evaluators.examples import Indices
from greenfront.evaluators.splits import Keys
from greenfront.evaluators.tables import Table, values
from greenfront.evaluators.task import Task
from greenfront.evaluators.text_examples import TextExamples, pack

# Texts tokenized at once: enough for the tokenizer's own threads, little memory in Python lists.
_CHUNK = 1000
# RoBERTa and its kin reserve up to this many positions before the first token.
_RESERVED_POSITIONS = 4


class TextClassification(Task):
    """Any `AutoModelForSequenceClassification`, with the checkpoint's own tokenizer."""

    name = "text-classification"
    head = "ForSequenceClassification"
    auto_class = AutoModelForSequenceClassification

    def columns(self, data: DataConfig) -> dict[str, str]:
        """The text, its partner where there is one, and the label."""
        pair = {} if data.text_pair is None else {"data.text_pair": data.text_pair}
        return {"data.text": data.text, **pair, "data.label": data.label}

    def processor(self, model: ModelConfig, config: PretrainedConfig, data: DataConfig) -> Any:
        """The tokenizer; one without a padding token gets the end-of-text token for it."""
        tokenizer = load(AutoTokenizer, model)
        if len(tokenizer) <= len(tokenizer.all_special_tokens):
            # Without its files, Transformers makes a tokenizer that knows no word, and says nothing.
            raise DataError(f"model.path: {model.path!r} has no tokenizer, such as a tokenizer.json")
        if tokenizer.pad_token_id is None:
            if tokenizer.eos_token_id is None:
                raise DataError(f"model.path: the tokenizer of {model.path!r} has neither a padding nor an end token")
            tokenizer.pad_token = tokenizer.eos_token
        limit = _positions(config, tokenizer.model_max_length)
        if limit is not None and data.max_length > limit:
            raise ConfigError(
                f"data.max_length: must be at most {limit}, the positions of {model.path!r}, but got {data.max_length}"
            )
        return tokenizer

    def keys(self, table: Table, data: DataConfig) -> Keys:
        """A hash of the text, or of both texts."""
        rows = zip(*self._texts(table, data), strict=True)
        digests = [hashlib.blake2b("\0".join(row).encode(errors="surrogatepass"), digest_size=8) for row in rows]
        return np.frombuffer(b"".join(digest.digest() for digest in digests), dtype=np.uint64)

    def encode(
        self, table: Table, labels: Indices, data: DataConfig, processor: Any, config: PretrainedConfig
    ) -> TextExamples:
        """Token sequences cut to `data.max_length`."""
        tokens: list[list[int]] = []
        types: list[list[int]] = []
        for chunk in self._chunks(table, data):
            encoded = processor(
                *chunk,
                truncation=True,
                max_length=data.max_length,
                return_attention_mask=False,
                verbose=False,
            )
            tokens += encoded["input_ids"]
            types += encoded.get("token_type_ids", [])
        # A model can't be asked about nothing: an empty sequence becomes one padding token that it attends
        # to.
        empty = [row for row, sequence in enumerate(tokens) if not sequence]
        for row in empty:
            tokens[row] = [processor.pad_token_id]
            if types:
                types[row] = [processor.pad_token_type_id]
        flat, offsets = pack(tokens, np.int32)
        flat_types = pack(types, np.int8)[0] if types else None
        return TextExamples(
            flat,
            offsets,
            labels,
            types=flat_types if flat_types is not None and flat_types.any() else None,
            pad_token=processor.pad_token_id,
            pad_type=processor.pad_token_type_id,
            pad_left=processor.padding_side == "left",
        )

    def _chunks(self, table: Table, data: DataConfig) -> Iterator[list[list[str]]]:
        texts = self._texts(table, data)
        for start in range(0, len(texts[0]), _CHUNK):
            yield [column[start : start + _CHUNK] for column in texts]

    def _texts(self, table: Table, data: DataConfig) -> list[list[str]]:
        names = [data.text] if data.text_pair is None else [data.text, data.text_pair]
        columns = [list(values(table, name)) for name in names]
        for name, column in zip(names, columns, strict=True):
            for row, text in enumerate(column):
                if text is None:
                    raise table.row_error(row, f"no text in column {name!r}")
                if not isinstance(text, str):
                    raise table.row_error(row, f"column {name!r} must hold text, but has {text!r}")
        return columns


def _positions(config: PretrainedConfig, tokenizer_limit: int) -> int | None:
    """The longest input in tokens, where the model has a limit."""
    positions: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    if positions is not None and 0 < positions - tokenizer_limit <= _RESERVED_POSITIONS:
        return tokenizer_limit
    return positions if positions is not None and positions > 0 else None
