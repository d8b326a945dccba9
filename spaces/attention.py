"""The one place where attention is exchanged: a function in Transformers' AttentionInterface.

A model whose `_attn_implementation` is `greenfront` runs exact fused attention in every attention module,
except where the module carries an `approximation`: that one answers in its place.
Masks come as Transformers makes them for fused attention: None, or boolean (B, 1, Q, L), True = may attend.
"""

from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from greenfront.errors import PlanError

IMPLEMENTATION = "greenfront"


@dataclass(frozen=True)
class Heads:
    """What one attention is asked: B inputs of L tokens, H heads of width D."""

    query: Tensor
    """(B, H, L, D), as are key and value."""
    key: Tensor
    value: Tensor
    valid: Tensor | None
    """(B, L), True for a token and False for padding; None where all are tokens."""
    scale: float
    """Of the scores, before the softmax."""
    causal: bool = False
    """Whether a token may attend to itself and what stands before it alone."""
    dropout: float = 0.0

    def valid_tokens(self) -> Tensor:
        """(B, L): `valid`, made where it is None."""
        if self.valid is not None:
            return self.valid
        batch, _, tokens, _ = self.query.shape
        return torch.ones(batch, tokens, dtype=torch.bool, device=self.query.device)


class Approximation(Protocol):
    """Anything that answers for an attention module."""

    def __call__(self, heads: Heads) -> Tensor | None:
        """The outputs (B, H, L, D); None where exact attention is the same and cheaper."""

    def flops(self, length: int, width: int, *, causal: bool) -> int:
        """Of the products for one head of this width and one input of this many tokens, in closed form."""


def exact_flops(queries: int, keys: int, width: int) -> int:
    """Of one head's exact attention: its scores and their product with the values."""
    return 4 * queries * keys * width


def attention_forward(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """Query (B, H, Q, D), key and value (B, H, L, D) -> outputs (B, Q, H, D), with the module's approximation.

    Raises:
        PlanError: an approximated attention that is asked with a position bias, a soft cap, or a cache of keys.
    """
    approximation = cast("Approximation | None", getattr(module, "approximation", None))
    if approximation is not None:
        approximated = approximation(_asked(module, query, key, value, attention_mask, **kwargs))
        if approximated is not None:
            return approximated.transpose(1, 2).contiguous(), None
    outputs: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    return outputs


def valid_keys(attention_mask: Tensor | None) -> Tensor | None:
    """The keys (B, L) that are no padding: those that the last query may attend to, causal or not."""
    if attention_mask is None:
        return None
    row = attention_mask[:, 0, -1]
    return row if row.dtype == torch.bool else row >= 0


def tracing() -> bool:
    """Whether a graph is being recorded, which must hold for any length."""
    return torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None


def use_hook(model_or_module: nn.Module) -> None:
    """Switch a model, or an attention module standing alone, to this implementation."""
    if isinstance(model_or_module, PreTrainedModel):
        model_or_module.set_attn_implementation(IMPLEMENTATION)
    else:
        config = cast("Any", model_or_module).config
        config._attn_implementation = IMPLEMENTATION


def _asked(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    position_bias: Tensor | None = None,
    softcap: float | None = None,
    **_: Any,
) -> Heads:
    if position_bias is not None or softcap is not None:
        what = "a position bias to" if softcap is None else "a soft cap to"
        raise PlanError(f"{type(module).__name__} adds {what} its scores, which approximations don't have")
    if query.shape[2] != key.shape[2]:
        raise PlanError(
            f"{type(module).__name__} is approximated over whole sequences, "
            f"but got {query.shape[2]} queries for {key.shape[2]} keys; run it without a cache of keys"
        )
    groups = getattr(module, "num_key_value_groups", 1)
    return Heads(
        query,
        repeat_kv(key, groups),
        repeat_kv(value, groups),
        valid_keys(attention_mask),
        query.shape[-1] ** -0.5 if scaling is None else scaling,
        bool(getattr(module, "is_causal", False)) if is_causal is None else is_causal,
        dropout,
    )


AttentionInterface.register(IMPLEMENTATION, attention_forward)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)
