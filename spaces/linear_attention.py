"""Linear attention (Katharopoulos et al. 2020, 2006.16236, section 3): the softmax's kernel replaced by a product.

`exp(q k)` becomes `f(q) f(k)` with `f(x) = elu(x) + 1`, so that keys and values can be summed once for all queries:
O(L D^2). Causal attention sums what stands before, block by block.

Dimension letters: B batch, H heads, L sequence, D head width, F features, N blocks, S tokens of a block.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from greenfront.config import SpaceConfig
from greenfront.errors import PlanError
from greenfront.spaces.approximation import AttentionMethod
from greenfront.spaces.attention import Heads, tracing
from greenfront.spaces.plan import Settings
from greenfront.spaces.token_blocks import blocks_of, from_blocks, in_blocks

BLOCK = 32


class LinearAttention(nn.Module):
    """Attention with the kernel of elu(x) + 1."""

    def forward(self, heads: Heads) -> Tensor:
        """(B, H, L, D)."""
        return kernel_attention(F.elu(heads.query) + 1, F.elu(heads.key) + 1, heads)

    def flops(self, length: int, width: int, *, causal: bool) -> int:
        """As many features as the head is wide."""
        return kernel_flops(length, width, width, causal=causal)


def kernel_attention(query: Tensor, key: Tensor, heads: Heads) -> Tensor:
    """Features of queries and keys (B, H, L, F), none negative -> (B, H, L, D).

    A query whose kernel with every key is zero (padding before the first token of a causal input) gets zeros.
    """
    if heads.valid is not None:
        key = key * heads.valid[:, None, :, None]
    # One more value, 1 for every key, sums up what the outputs are divided by.
    value = torch.cat([heads.value, torch.ones_like(heads.value[..., :1])], dim=3)
    sums = _causal(query, key, value) if heads.causal else query @ (key.transpose(2, 3) @ value)
    return sums[..., :-1] / sums[..., -1:].clamp(min=torch.finfo(sums.dtype).tiny)


def kernel_flops(length: int, features: int, width: int, *, causal: bool) -> int:
    """Of `kernel_attention` for one head and one input, in closed form."""
    if not causal:
        return 4 * length * features * (width + 1)
    size = min(BLOCK, length)
    tokens = blocks_of(length, size) * size
    inside = 2 * tokens * size * (features + width + 1)
    return inside + 4 * tokens * features * (width + 1)


def _causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """For every query the sum over the keys up to its own place: whole blocks before it, then its own block's part."""
    length = query.shape[2]
    size = BLOCK if tracing() else min(BLOCK, length)
    queries, keys, values = (in_blocks(each, size) for each in (query, key, value))  # (B, N, H, S, ...)
    own = (queries @ keys.transpose(3, 4)).tril() @ values
    states = keys.transpose(3, 4) @ values  # (B, N, H, F, D + 1)
    before = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], dim=1).cumsum(1)
    return from_blocks(own + queries @ before, length)


class Linear(AttentionMethod):
    """Chooses where attention is linear; there is nothing else to choose, so its amount is 1."""

    name = "linear_attention"
    keys = ("linear_attention",)

    def offered(self, space: SpaceConfig, sequence_length: int) -> list[Settings]:
        return [{"linear_attention": 1}]

    def approximation(self, path: str, settings: Settings, width: int) -> nn.Module:
        amount = settings.get("linear_attention")
        if not isinstance(amount, int) or amount != 1:
            raise PlanError(f"{path}: linear_attention must be 1, but got {amount!r}")
        return LinearAttention()
