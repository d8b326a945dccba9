"""Attention by locality-sensitive hashing (Reformer, Kitaev et al. 2020, 2001.04451, section 2).

Queries and keys are sorted by their hash and cut into chunks of S; a chunk of queries attends to the chunk of keys
at its place and to its two neighbours. The hash of x is the largest of [x R, -x R] for random directions R. In
Reformer queries and keys are one projection; in a trained model they are two, so each are hashed less their mean:
otherwise most keys fall into one bucket (relative error on a fine-tuned MiniLM at 512 tokens: 0.55 -> 0.49 for S = 64).

Dimension letters: B batch, H heads, L sequence, D head width, N chunks, S tokens of a chunk.
"""

import torch
from torch import Tensor, nn

from greenfront.config import SpaceConfig
from greenfront.spaces.approximation import AttentionMethod, amounts, seed_of, whole_number
from greenfront.spaces.attention import Heads, exact_flops, tracing
from greenfront.spaces.plan import Settings
from greenfront.spaces.token_blocks import attend, blocks_of, from_blocks, in_blocks, rows, with_neighbours

BUCKETS = 16
"""Not a setting: from 4 to 32 the errors differ by less than 0.03."""


class LshAttention(nn.Module):
    """Exact attention inside chunks of tokens with like hashes, and to their neighbours."""

    rotations: Tensor

    def __init__(self, chunk: int, width: int, seed: int) -> None:
        super().__init__()
        self.chunk = chunk
        generator = torch.Generator("cpu").manual_seed(seed)
        rotations = torch.randn(width, BUCKETS // 2, generator=generator, device="cpu")
        self.register_buffer("rotations", rotations.to(torch.get_default_device()))

    def forward(self, heads: Heads) -> Tensor | None:
        """(B, H, L, D); inputs of no more tokens than a chunk are exact."""
        length, size = heads.query.shape[2], self.chunk
        if length <= size and not tracing():
            return None
        valid = heads.valid_tokens()
        order = self._order(heads.query, valid)
        query = in_blocks(rows(heads.query, order), size)
        by_hash = in_blocks(self._order(heads.key, valid)[..., None], size)
        places = with_neighbours(by_hash, ahead=True)[..., 0].transpose(1, 2)  # (B, H, N, 3 S)
        key, value = (rows(each, places).transpose(1, 2) for each in (heads.key, heads.value))
        # What is valid comes first in every order, so its number tells where it ends.
        sorted_valid = torch.arange(length, device=valid.device) < valid.sum(1, keepdim=True)
        mask = with_neighbours(in_blocks(sorted_valid[:, None, :, None], size), ahead=True).transpose(3, 4)
        outputs = from_blocks(attend(query, key, value, mask, heads), length)
        back = torch.zeros_like(order).scatter(2, order, torch.arange(length, device=valid.device).expand_as(order))
        return rows(outputs, back)

    def _order(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """(B, H, L): the places of the tokens by hash, those of one hash as they stand, padding last."""
        weights = valid[:, None, :, None].to(tokens.dtype)
        mean = (tokens * weights).sum(2, keepdim=True) / weights.sum(2, keepdim=True).clamp(min=1)
        turned = (tokens - mean) @ self.rotations.to(tokens.dtype)
        bucket = torch.cat([turned, -turned], dim=3).argmax(3)
        length = tokens.shape[2]
        bucket = torch.where(valid[:, None], bucket, BUCKETS)
        return (bucket * length + torch.arange(length, device=tokens.device)).argsort(2)

    def flops(self, length: int, width: int, *, causal: bool) -> int:
        """Queries and keys hashed, then every chunk's attention to itself and its neighbours."""
        if length <= self.chunk:
            return exact_flops(length, length, width)
        hashing = 2 * length * width * BUCKETS
        return hashing + exact_flops(blocks_of(length, self.chunk) * self.chunk, 3 * self.chunk, width)

    def extra_repr(self) -> str:
        return f"chunk={self.chunk}"


class Lsh(AttentionMethod):
    """Chooses each attention's chunk, in tokens."""

    name = "lsh"
    keys = ("lsh", "lsh_seed")
    offered_from = 1024  # at 256 and 512 tokens it took as long as exact attention, or longer
    leaks = "which tokens share a chunk depends on all of them"

    def offered(self, space: SpaceConfig, sequence_length: int) -> list[Settings]:
        return amounts("lsh", space.lsh, sequence_length, (16, 8), seed=space.random_seed)

    def approximation(self, path: str, settings: Settings, width: int) -> nn.Module:
        return LshAttention(whole_number(path, settings, "lsh"), width, seed_of(path, settings, "lsh_seed"))
