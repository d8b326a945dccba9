"""What a model is timed on: one full batch, no padding, from a fixed seed."""

import inspect

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from greenfront.errors import ConfigError, MeasureError
from greenfront.hardware_profiles.target import Target


def workload(model: PreTrainedModel, target: Target, seed: int = 0) -> dict[str, Tensor]:
    """A model's keyword inputs for one batch of a target.

    Texts: random ids (B, L), never padding, with a mask of ones; of models with a decoder the last one, and no other,
    is the end token, where T5's and BART's heads read their answer. Images: standard normal pixels (B, C, H, W).

    Raises:
        ConfigError: a sequence longer than the model's positions.
        MeasureError: a model whose main input is neither ids nor pixels.
    """
    generator = torch.Generator().manual_seed(seed)
    if model.main_input_name == "input_ids":
        return _text(model, target, generator)
    if model.main_input_name == "pixel_values":
        return {"pixel_values": _pixels(model, target, generator)}
    raise MeasureError(
        f"{type(model).__name__} takes {model.main_input_name!r}; what can be measured takes input_ids or pixel_values"
    )


def _text(model: PreTrainedModel, target: Target, generator: torch.Generator) -> dict[str, Tensor]:
    check_length(model, target)
    config = model.config.get_text_config()
    shape = (target.batch_size, target.sequence_length)
    end = getattr(config, "eos_token_id", None) if getattr(model.config, "is_encoder_decoder", False) else None
    special = [token for token in (getattr(config, "pad_token_id", None), end) if isinstance(token, int)]
    tokens = torch.arange(config.vocab_size)
    usual = tokens[~torch.isin(tokens, torch.tensor(special, dtype=torch.long))]
    ids = usual[torch.randint(0, len(usual), shape, generator=generator)]
    if isinstance(end, int):
        ids[:, -1] = end
    inputs = {"input_ids": ids, "attention_mask": torch.ones(shape, dtype=torch.long)}
    if getattr(config, "type_vocab_size", 0) > 1 and "token_type_ids" in inspect.signature(model.forward).parameters:
        inputs["token_type_ids"] = torch.zeros(shape, dtype=torch.long)
    return inputs


def check_length(model: PreTrainedModel, target: Target) -> None:
    """Raise ConfigError for a sequence longer than the model's positions; images have none."""
    positions = _positions(model) if model.main_input_name == "input_ids" else None
    if positions is not None and positions < target.sequence_length:
        raise ConfigError(
            f"hardware {target.name!r}: sequence_length must be at most {positions}, "
            f"the positions of {type(model).__name__}, but got {target.sequence_length}"
        )


def _positions(model: PreTrainedModel) -> int | None:
    """The longest input in tokens; None where the model has no limit.

    RoBERTa and its kin count positions from behind the padding id: the table's first rows serve no token.
    """
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if not isinstance(positions, int) or positions < 1:
        return None
    tables = (module for name, module in model.named_modules() if "position" in name)
    padding = [table.padding_idx for table in tables if isinstance(table, nn.Embedding)]
    return positions - 1 - padding[0] if padding and padding[0] is not None else positions


def _pixels(model: PreTrainedModel, target: Target, generator: torch.Generator) -> Tensor:
    channels, size = getattr(model.config, "num_channels", None), getattr(model.config, "image_size", None)
    if channels is None or size is None:
        raise MeasureError(f"{type(model).__name__}: its config must say num_channels and image_size to be measured")
    height, width = (size, size) if isinstance(size, int) else size
    return torch.randn(target.batch_size, channels, height, width, generator=generator).to(model.dtype)
