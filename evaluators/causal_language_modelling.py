"""Causal language modelling: the next token of running text."""

from typing import Any

import numpy as np
from transformers import AutoModelForCausalLM, PretrainedConfig

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import DataError
from greenfront.evaluators.examples import Examples, pick
from greenfront.evaluators.labels import NO_LABELS, Labels
from greenfront.evaluators.splits import Keys, hashed
from greenfront.evaluators.tables import Table, texts
from greenfront.evaluators.task import Task
from greenfront.evaluators.text_examples import pack
from greenfront.evaluators.token_examples import TokenExamples
from greenfront.evaluators.tokenizer import layout, load_tokenizer
from greenfront.spaces.answers import UNCOUNTED


class CausalLanguageModelling(Task):
    """Any `AutoModelForCausalLM`; the rows' texts one after the other, cut into blocks of `data.max_length` tokens.

    Every token but the first of a block is predicted. Examples are blocks: they are split off, drawn and resampled.
    """

    name = "causal-language-modelling"
    head = "ForCausalLM"
    auto_class = AutoModelForCausalLM
    metrics = ("perplexity", "accuracy")
    takes_scripts = False

    def columns(self, data: DataConfig) -> dict[str, str]:
        """The text."""
        return {"data.text": data.text}

    def processor(self, model: ModelConfig, config: PretrainedConfig, data: DataConfig) -> Any:
        """The tokenizer."""
        return load_tokenizer(model, config, data)

    def labels(self, table: Table, data: DataConfig, config: PretrainedConfig) -> Labels:
        """None: the labels are tokens."""
        return NO_LABELS

    def encode(
        self, table: Table, labels: Labels, data: DataConfig, processor: Any, config: PretrainedConfig
    ) -> TokenExamples:
        """Blocks of tokens, each labelled with the next one; raises DataError for less than two tokens."""
        encoded = processor(texts(table, data.text), return_attention_mask=False, verbose=False)
        tokens, _ = pack(encoded["input_ids"], np.int32)
        if len(tokens) < 2:
            raise DataError(f"{table.source}: must have two tokens or more to predict one, but has {len(tokens)}")
        if len(tokens) % data.max_length == 1:
            tokens = tokens[:-1]  # a block of one token predicts nothing
        offsets = np.append(np.arange(0, len(tokens), data.max_length), len(tokens))
        following = np.append(tokens[1:], UNCOUNTED).astype(np.int32)
        following[offsets[1:] - 1] = UNCOUNTED
        return TokenExamples(tokens, offsets, following, **layout(processor))

    def keys(self, table: Table, data: DataConfig, examples: Examples) -> Keys:
        """A hash of the block's tokens."""
        assert isinstance(examples, TokenExamples)
        blocks = (examples.tokens[pick(examples.offsets, np.array([i]))] for i in range(len(examples)))
        return hashed(block.tobytes() for block in blocks)
