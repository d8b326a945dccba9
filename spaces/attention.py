"""The one place where attention is exchanged: a function in Transformers' AttentionInterface.

A model whose `_attn_implementation` is `greenfront` runs exact fused attention in every attention module,
except where the module carries an `approximation`: that one replaces keys, values and mask first.
Masks come as Transformers makes them for fused attention: None, or boolean (B, 1, Q, L), True = may attend.
"""

from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from greenfront.errors import PlanError

IMPLEMENTATION = "greenfront"


class Approximation(Protocol):
    """Anything that turns keys and values (B, H, L, D) and valid (B, L) or None into shorter ones and a bias."""

    def __call__(self, key: Tensor, value: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor] | None:
        """Keys and values (B, H, K, D) and an additive bias (B, 1, 1, K); None where exact attention is cheaper."""


def attention_forward(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """Query (B, H, Q, D), key and value (B, H, L, D) -> outputs (B, Q, H, D), with the module's approximation."""
    approximation = cast("Approximation | None", getattr(module, "approximation", None))
    if approximation is not None:
        if kwargs.get("position_bias") is not None:
            raise PlanError(f"{type(module).__name__} adds a position bias per key, which projected keys don't have")
        shorter = approximation(key, value, valid_keys(attention_mask))
        if shorter is not None:
            key, value, bias = shorter
            attention_mask = bias.to(query.dtype).expand(query.shape[0], 1, query.shape[2], key.shape[2])
            kwargs["is_causal"] = False
    outputs: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    return outputs


def valid_keys(attention_mask: Tensor | None) -> Tensor | None:
    """The keys (B, L) that any query may attend to, from a mask that is the same for every query (padding)."""
    if attention_mask is None:
        return None
    row = attention_mask[:, 0, 0]
    return row if row.dtype == torch.bool else row >= 0


def use_hook(model_or_module: nn.Module) -> None:
    """Switch a model, or an attention module standing alone, to this implementation."""
    if isinstance(model_or_module, PreTrainedModel):
        model_or_module.set_attn_implementation(IMPLEMENTATION)
    else:
        config = cast("Any", model_or_module).config
        config._attn_implementation = IMPLEMENTATION


AttentionInterface.register(IMPLEMENTATION, attention_forward)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)
