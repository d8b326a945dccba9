"""Token classification: a list of words, a label for each (named entities, parts of speech)."""

from typing import Any

import datasets
import numpy as np
from transformers import AutoModelForTokenClassification, PretrainedConfig

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import ConfigError
from greenfront.evaluators.entity_metric import is_iob2
from greenfront.evaluators.examples import Examples
from greenfront.evaluators.labels import Labels, head_names, resolve_labels
from greenfront.evaluators.named_metrics import METRICS
from greenfront.evaluators.names import listed
from greenfront.evaluators.splits import Keys, text_keys
from greenfront.evaluators.tables import Table, values
from greenfront.evaluators.task import Task
from greenfront.evaluators.text_examples import pack, pack_types
from greenfront.evaluators.token_examples import TokenExamples
from greenfront.evaluators.tokenizer import layout, load_fast_tokenizer
from greenfront.spaces.answers import UNCOUNTED


class TokenClassification(Task):
    """Any `AutoModelForTokenClassification`; words and labels as lists, or as text with spaces between them.

    A word's label is asked of its first token; words beyond `data.max_length` tokens, and those that the tokenizer
    makes nothing of, are asked nothing.
    """

    name = "token-classification"
    head = "ForTokenClassification"
    auto_class = AutoModelForTokenClassification
    metrics = (*METRICS, "entity_f1")
    takes_scripts = False

    def columns(self, data: DataConfig) -> dict[str, str]:
        """The words and their labels."""
        return {"data.text": data.text, "data.label": data.label}

    def processor(self, model: ModelConfig, config: PretrainedConfig, data: DataConfig) -> Any:
        """The tokenizer, which has to be a fast one."""
        return load_fast_tokenizer(model, config, data)

    def labels(self, table: Table, data: DataConfig, config: PretrainedConfig) -> Labels:
        """The labels of all words, as those of a text are resolved; raises ConfigError where entities need others."""
        found = resolve_labels(_one_per_row(table, data.label), data.label, head_names(config, self.head))
        others = [name for name in found.names if not is_iob2(name)]
        if data.metric == "entity_f1" and others:
            raise ConfigError(
                f"data.metric: entity_f1 must have labels such as 'O', 'B-PER', 'I-PER', but {table.source} has "
                f"{listed(map(repr, others))}; accuracy and f1 take any labels"
            )
        return found

    def encode(
        self, table: Table, labels: Labels, data: DataConfig, processor: Any, config: PretrainedConfig
    ) -> TokenExamples:
        """Token sequences cut to `data.max_length`; raises DataError naming a row whose words can't be labelled."""
        words, counts = _words(table, data), [len(of_row) for of_row in _lists(table, data.label)]
        for row, (own, count) in enumerate(zip(words, counts, strict=True)):
            if len(own) != count:
                raise table.row_error(
                    row,
                    f"there must be one label a word, but column {data.text!r} has {len(own)} words and column "
                    f"{data.label!r} {count} labels",
                )
        ids = np.split(labels.encode(_one_per_row(table, data.label), data.label), np.cumsum(counts)[:-1])
        encoded = processor(
            words, is_split_into_words=True, truncation=True, max_length=data.max_length, return_attention_mask=False,
            verbose=False,
        )  # fmt: skip
        asked = []
        for row, right in enumerate(ids):
            places = encoded.word_ids(row)
            first = [word is not None and word != before for word, before in zip(places, [None, *places], strict=False)]
            if not any(first):
                raise table.row_error(row, f"the tokenizer makes nothing of the words in column {data.text!r}")
            asked.append([int(right[word]) if new else UNCOUNTED for word, new in zip(places, first, strict=True)])
        tokens, offsets = pack(encoded["input_ids"], np.int32)
        types = pack_types(encoded.get("token_type_ids", []))
        return TokenExamples(tokens, offsets, pack(asked, np.int32)[0], labels.names, types=types, **layout(processor))

    def keys(self, table: Table, data: DataConfig, examples: Examples) -> Keys:
        """A hash of the words."""
        return text_keys(_words(table, data))


def _words(table: Table, data: DataConfig) -> list[list[str]]:
    found = _lists(table, data.text)
    for row, words in enumerate(found):
        if not words:
            raise table.row_error(row, f"no words in column {data.text!r}")
        wrong = [word for word in words if not isinstance(word, str)]
        if wrong:
            raise table.row_error(row, f"column {data.text!r} must hold words, but has {wrong[0]!r}")
    return found


def _lists(table: Table, column: str) -> list[list[Any]]:
    """A column of lists; text is cut at its spaces."""
    found = []
    for row, value in enumerate(values(table, column)):
        if isinstance(value, str):
            value = value.split()
        if not isinstance(value, list):
            what = f"column {column!r} must hold a list, or text with spaces between the words, but has {value!r}"
            raise table.row_error(row, what)
        found.append(value)
    return found


def _one_per_row(table: Table, column: str) -> Table:
    """The labels of all words, one a row, of the type that the lists have."""
    lists = _lists(table, column)
    for row, labels in enumerate(lists):
        for word, label in enumerate(labels, start=1):
            if not isinstance(label, str | int):
                what = "has none" if label is None else f"has {label!r}"
                rule = f"the label of word {word} must be text or a whole number"
                raise table.row_error(row, f"{rule}, but column {column!r} {what}")
    inner = getattr(table.rows.features[column], "feature", None)
    features = datasets.Features({column: inner}) if isinstance(inner, datasets.ClassLabel) else None
    flat = datasets.Dataset.from_dict({column: [label for labels in lists for label in labels]}, features=features)
    return Table(table.split, table.source, flat)
