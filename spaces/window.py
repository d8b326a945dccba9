"""Local attention: every token attends to the tokens around it (Beltagy et al. 2020, 2004.05150, section 3.1).

Computed in blocks of as many queries as the window has tokens to one side, each between its neighbouring blocks:
O(L w) instead of a masked O(L^2).

Dimension letters: B batch, N blocks, S tokens of a block, K keys of a block.
"""

import torch
from torch import Tensor, nn

from greenfront.config import SpaceConfig
from greenfront.spaces.approximation import AttentionMethod, amounts, whole_number
from greenfront.spaces.attention import Heads, exact_flops, tracing
from greenfront.spaces.plan import Settings
from greenfront.spaces.token_blocks import attend, blocks_of, from_blocks, in_blocks, with_neighbours


class WindowAttention(nn.Module):
    """Exact attention to the `tokens` nearest on each side (before, where it is causal)."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens

    def forward(self, heads: Heads) -> Tensor | None:
        """(B, H, L, D); inputs that fit into the window are exact."""
        length, size = heads.query.shape[2], self.tokens
        if length <= size + 1 and not tracing():
            return None
        valid = heads.valid_tokens()[:, None, :, None]
        query = in_blocks(heads.query, size)
        key, value, valid = (
            with_neighbours(in_blocks(each, size), ahead=not heads.causal) for each in (heads.key, heads.value, valid)
        )
        mask = valid.transpose(3, 4) & self._near(key.shape[3], heads)
        return from_blocks(attend(query, key, value, mask, heads), length)

    def _near(self, keys: int, heads: Heads) -> Tensor:
        """(S, K): which keys of its blocks a query of the middle block sees; the first key is `tokens` before it."""
        query = torch.arange(self.tokens, device=heads.query.device)[:, None]
        distance = torch.arange(keys, device=heads.query.device) - self.tokens - query
        return distance.abs() <= self.tokens if not heads.causal else (distance <= 0) & (distance >= -self.tokens)

    def flops(self, length: int, width: int, *, causal: bool) -> int:
        """Every block's attention to itself and its neighbours."""
        if length <= self.tokens + 1:
            return exact_flops(length, length, width)
        return exact_flops(blocks_of(length, self.tokens) * self.tokens, (2 if causal else 3) * self.tokens, width)

    def extra_repr(self) -> str:
        return f"tokens={self.tokens}"


class Window(AttentionMethod):
    """Chooses how far each attention sees, in tokens to each side."""

    name = "window"
    keys = ("window",)

    def offered(self, space: SpaceConfig, sequence_length: int) -> list[Settings]:
        return amounts("window", space.window, sequence_length, (16, 8))

    def approximation(self, path: str, settings: Settings, width: int) -> nn.Module:
        return WindowAttention(whole_number(path, settings, "window"))
