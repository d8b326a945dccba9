"""The checkpoint's own tokenizer."""

from typing import Any

from transformers import AutoTokenizer, PretrainedConfig

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import ConfigError, DataError
from greenfront.evaluators.checkpoints import load

# RoBERTa and its kin reserve up to this many positions before the first token.
_RESERVED_POSITIONS = 4


def load_tokenizer(model: ModelConfig, config: PretrainedConfig, data: DataConfig, **options: Any) -> Any:
    """The tokenizer; one without a padding token gets the end-of-text token for it.

    Raises:
        DataError: no tokenizer, or one that can't pad.
        ConfigError: `data.max_length` above the model's positions.
    """
    tokenizer = load(AutoTokenizer, model, **options)
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        # Without its files, Transformers makes a tokenizer that knows no word, and says nothing.
        raise DataError(f"model.path: {model.path!r} has no tokenizer, such as a tokenizer.json")
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise DataError(f"model.path: the tokenizer of {model.path!r} has neither a padding nor an end token")
        tokenizer.pad_token = tokenizer.eos_token
    limit = positions(config, tokenizer.model_max_length)
    if limit is not None and data.max_length > limit:
        raise ConfigError(
            f"data.max_length: must be at most {limit}, the positions of {model.path!r}, but got {data.max_length}"
        )
    return tokenizer


def load_fast_tokenizer(model: ModelConfig, config: PretrainedConfig, data: DataConfig) -> Any:
    """A tokenizer that says where its tokens stand in the text.

    Byte-level ones are told to take the first of a list of words as a word like the others.

    Raises:
        DataError: as `load_tokenizer`, or a tokenizer that can't say so.
    """
    tokenizer = load_tokenizer(model, config, data)
    if not tokenizer.is_fast:
        raise DataError(
            f"model.path: the tokenizer of {model.path!r} must be a fast one, which says where tokens stand "
            f"(a tokenizer.json), but is a {type(tokenizer).__name__}"
        )
    if getattr(tokenizer, "add_prefix_space", None) is False:
        tokenizer = load_tokenizer(model, config, data, add_prefix_space=True)
    return tokenizer


def layout(tokenizer: Any) -> dict[str, Any]:
    """How a tokenizer pads, as `TextExamples` takes it."""
    return {
        "pad_token": tokenizer.pad_token_id,
        "pad_type": tokenizer.pad_token_type_id,
        "pad_left": tokenizer.padding_side == "left",
    }


def positions(config: PretrainedConfig, tokenizer_limit: int) -> int | None:
    """The longest input in tokens, where the model has a limit."""
    count: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    if count is not None and 0 < count - tokenizer_limit <= _RESERVED_POSITIONS:
        return tokenizer_limit
    return count if count is not None and count > 0 else None
