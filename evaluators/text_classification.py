"""Text classification: one text or a pair of texts, one label."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from transformers import AutoModelForSequenceClassification, PretrainedConfig

from greenfront.config import DataConfig, ModelConfig
from greenfront.evaluators.examples import Examples
from greenfront.evaluators.labels import Labels
from greenfront.evaluators.splits import Keys, text_keys
from greenfront.evaluators.tables import Table, texts
from greenfront.evaluators.task import Task
from greenfront.evaluators.text_examples import TextExamples, pack, pack_types
from greenfront.evaluators.tokenizer import layout, load_tokenizer

# Texts tokenized at once: enough for the tokenizer's own threads, little memory in Python lists.
_CHUNK = 1000


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
        """The tokenizer."""
        return load_tokenizer(model, config, data)

    def encode(
        self, table: Table, labels: Labels, data: DataConfig, processor: Any, config: PretrainedConfig
    ) -> TextExamples:
        """Token sequences cut to `data.max_length`."""
        ids = labels.encode(table, data.label)
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
        return TextExamples(flat, offsets, ids, types=pack_types(types), **layout(processor))

    def keys(self, table: Table, data: DataConfig, examples: Examples) -> Keys:
        """A hash of the text, or of both texts."""
        return text_keys(zip(*self._texts(table, data), strict=True))

    def _chunks(self, table: Table, data: DataConfig) -> Iterator[list[list[str]]]:
        columns = self._texts(table, data)
        for start in range(0, len(columns[0]), _CHUNK):
            yield [column[start : start + _CHUNK] for column in columns]

    def _texts(self, table: Table, data: DataConfig) -> list[list[str]]:
        names = [data.text] if data.text_pair is None else [data.text, data.text_pair]
        return [texts(table, name) for name in names]
