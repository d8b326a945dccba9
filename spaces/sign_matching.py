"""Sign-matching attention (AxFormer, Nagarajan et al. 2020, 2010.03688): exact, to the best-matching keys alone.

A key matches a query in as many components as their signs agree. The queries of a block choose together: the K keys
that agree most with all of them, of equal ones the later. Choosing for every query by itself, as causal attention
has to, takes 9 to 25 times as long as exact attention; choosing for 32 raises the error from 0.34 to 0.45 (relative,
of the outputs of a fine-tuned MiniLM at 512 tokens with K = 64).

Blocks are counted from the first place, padding or not. So padding on the left cuts a text into other blocks, which
choose other keys, unless it fills whole blocks: its tokens get the same answers only then, where all of them stand in
one block, and where attention is causal. Padding is never chosen, wherever it stands.

Dimension letters: B batch, H heads, L sequence, D head width, N blocks, S queries of a block, K keys chosen.
"""

import torch
from torch import Tensor, nn

from greenfront.config import SpaceConfig
from greenfront.spaces.approximation import AttentionMethod, amounts, whole_number
from greenfront.spaces.attention import Heads, exact_flops, tracing
from greenfront.spaces.plan import Settings
from greenfront.spaces.token_blocks import attend, blocks_of, from_blocks, in_blocks, rows

BLOCK = 32


class SignMatchingAttention(nn.Module):
    """Exact attention of each block of queries to its K best-matching keys."""

    def __init__(self, matches: int) -> None:
        super().__init__()
        self.matches = matches

    def forward(self, heads: Heads) -> Tensor | None:
        """(B, H, L, D); inputs of no more than K tokens are exact."""
        length = heads.query.shape[2]
        if length <= self.matches and not tracing():
            return None
        matches = torch.clamp(length, max=self.matches) if isinstance(length, Tensor) else min(length, self.matches)
        best = self._ranking(heads).topk(matches, dim=3, sorted=False)  # (B, H, N, K)
        query = in_blocks(heads.query, _block(heads))
        key, value = (rows(each, best.indices).transpose(1, 2) for each in (heads.key, heads.value))
        mask = (best.values >= 0).transpose(1, 2)[:, :, :, None]
        return from_blocks(attend(query, key, value, mask, heads), length)

    def _ranking(self, heads: Heads) -> Tensor:
        """(B, H, N, L): agreements of a block with a key, then the key's place; -1 where it may not be attended to."""
        valid = heads.valid_tokens()
        key, block = heads.key.sign(), _block(heads)
        votes = in_blocks(heads.query.sign() * valid[:, None, :, None], block).sum(3).transpose(1, 2)  # (B, H, N, D)
        agreements = (votes @ key.transpose(2, 3)).long()  # less the disagreements
        length = key.shape[2]
        place = torch.arange(length, device=key.device)
        allowed = valid[:, None, None]
        if heads.causal:
            allowed = allowed & (place <= place[:, None])
        return torch.where(allowed, (agreements + block * key.shape[3]) * length + place, -1)

    def flops(self, length: int, width: int, *, causal: bool) -> int:
        """Every block's agreements with all keys, then its attention to those it chose."""
        if length <= self.matches:
            return exact_flops(length, length, width)
        block = 1 if causal else BLOCK
        blocks = blocks_of(length, block)
        return 2 * blocks * length * width + exact_flops(blocks * block, self.matches, width)

    def extra_repr(self) -> str:
        return f"matches={self.matches}"


def _block(heads: Heads) -> int:
    """How many queries choose together: later ones may not have a say for earlier ones where attention is causal."""
    return 1 if heads.causal else BLOCK


class SignMatching(AttentionMethod):
    """Chooses how many keys a query attends to."""

    name = "sign_matching"
    keys = ("sign_matching",)

    def offered(self, space: SpaceConfig, sequence_length: int) -> list[Settings]:
        return amounts("sign_matching", space.sign_matching, sequence_length, (16, 8))

    def approximation(self, path: str, settings: Settings, width: int) -> nn.Module:
        return SignMatchingAttention(whole_number(path, settings, "sign_matching"))
