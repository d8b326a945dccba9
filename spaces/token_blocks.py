"""Cutting sequences into blocks, so that attention inside and between them is ordinary attention on many short inputs.

Zeros are attached by `torch.cat`, not `pad`: the ONNX exporter warns about the graphs that it makes of that.

Dimension letters: B batch, H heads, L sequence, W width, N blocks, S tokens of a block, K keys of a block.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from greenfront.spaces.attention import Heads, tracing


def in_blocks(tokens: Tensor, size: int) -> Tensor:
    """(B, H, L, W) -> (B, N, H, S, W), the last block filled up with zeros."""
    batch, heads, length, width = tokens.shape
    missing = -length % size
    if tracing() or missing:
        tokens = torch.cat([tokens, tokens.new_zeros(batch, heads, missing, width)], dim=2)
    return tokens.reshape(batch, heads, -1, size, width).transpose(1, 2)


def blocks_of(length: int, size: int) -> int:
    """How many blocks `in_blocks` makes."""
    return -(-length // size)


def from_blocks(blocks: Tensor, length: int) -> Tensor:
    """(B, N, H, S, W) -> (B, H, L, W), without what filled up the last block."""
    return blocks.transpose(1, 2).flatten(2, 3)[:, :, :length]


def with_neighbours(blocks: Tensor, *, ahead: bool) -> Tensor:
    """(B, N, H, S, W) -> (B, N, H, 2 S or 3 S, W): every block after the one before it, and before the next one.

    Zeros stand where there is none.
    """
    nothing = torch.zeros_like(blocks[:, :1])
    around = [torch.cat([nothing, blocks[:, :-1]], dim=1), blocks]
    if ahead:
        around.append(torch.cat([blocks[:, 1:], nothing], dim=1))
    return torch.cat(around, dim=3)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, heads: Heads) -> Tensor:
    """Query (B, N, H, S, W), key and value (B, N, H, K, W), mask to (B, N, 1 or H, S, K) -> (B, N, H, S, W)."""
    batch, _, count, size, _ = query.shape
    outputs = F.scaled_dot_product_attention(
        query.flatten(0, 1),
        key.flatten(0, 1),
        value.flatten(0, 1),
        attn_mask=mask.expand(-1, -1, -1, size, -1).flatten(0, 1),
        dropout_p=heads.dropout,
        scale=heads.scale,
    )
    return outputs.reshape(batch, -1, count, size, value.shape[4])


def rows(tokens: Tensor, places: Tensor) -> Tensor:
    """Tokens (B, H, L, W) at places (B, H, ...) of their own head -> (B, H, ..., W)."""
    batch, heads, length, width = tokens.shape
    first = length * torch.arange(batch * heads, device=tokens.device).view(batch, heads, *[1] * (places.dim() - 2))
    picked = tokens.reshape(-1, width).index_select(0, (places + first).flatten())
    return picked.view(*places.shape, width)
