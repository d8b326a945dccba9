"""Vocabulary trimming: a model whose table has the rows of some tokens alone."""

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from greenfront.errors import ConfigError
from greenfront.spaces.sites import embedding_is_tied, embedding_site

_KEY = "space.embeddings.trim"


def check_trimmable(model: PreTrainedModel) -> None:
    """Raise ConfigError unless the model has a table of its own that can lose rows."""
    name = type(model).__name__
    if embedding_site(model) is None:
        raise ConfigError(f"{_KEY}: must be false for a {name}, which has no table of tokens")
    if model.get_output_embeddings() is not None:
        raise ConfigError(f"{_KEY}: must be false for a {name}, whose output layer has a row for every token")
    if embedding_is_tied(model):
        raise ConfigError(f"{_KEY}: must be false for this {name}: another layer is tied to its table of tokens")


def trim_model(model: PreTrainedModel, kept: Sequence[int]) -> PreTrainedModel:
    """A new model whose token i is the given one's `kept[i]`; its configuration names its special tokens anew.

    `kept` ascends and holds `named_tokens`. Tokens that the table has no row for (a mask that was never trained) have
    none afterwards: they come last.

    Raises:
        ConfigError: a model that can't lose rows.
    """
    check_trimmable(model)
    assert named_tokens(model) <= set(kept)
    table = model.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    numbers = [number for number in kept if number < table.num_embeddings]
    position = {number: place for place, number in enumerate(numbers)}
    rows = nn.Embedding.from_pretrained(
        table.weight.detach()[torch.tensor(numbers)],
        freeze=False,
        padding_idx=None if table.padding_idx is None else position[table.padding_idx],
    )
    # Whatever refers to the table refers to the new one in the copy.
    trimmed: PreTrainedModel = copy.deepcopy(model, {id(table): rows})
    trimmed.train(model.training)
    for config in _configs(trimmed):
        if hasattr(config, "vocab_size"):
            config.vocab_size = len(numbers)
        for key, named in _token_ids(config):  # an id without a row (defaults of other vocabularies) means nothing
            renumbered = [position.get(number, number) for number in named]
            setattr(config, key, renumbered if isinstance(getattr(config, key), list) else renumbered[0])
    return trimmed


def named_tokens(model: PreTrainedModel) -> set[int]:
    """The tokens that a model's configuration or table names, among those with a row."""
    table = model.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    found = set() if table.padding_idx is None else {table.padding_idx}
    for config in _configs(model):
        found.update(*(numbers for _, numbers in _token_ids(config)))
    return {number for number in found if number < table.num_embeddings}


def _configs(model: PreTrainedModel) -> list[PretrainedConfig]:
    """The model's configuration and, where it is another one, that of its text part."""
    whole, text = model.config, model.config.get_text_config()
    return [whole] if text is whole else [whole, text]


def _token_ids(config: PretrainedConfig) -> Iterator[tuple[str, list[int]]]:
    """The settings that name tokens: `pad_token_id`, `eos_token_id` (also several), ..."""
    for key, value in list(config.to_dict().items()):
        numbers = value if isinstance(value, list) else [value]
        if key.endswith("_token_id") and numbers and all(type(number) is int for number in numbers):
            yield key, numbers
