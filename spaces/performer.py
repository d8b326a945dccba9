"""Performer (Choromanski et al. 2021, 2009.14794, sections 2.3 and 2.4): the softmax's kernel by random features.

FAVOR+: `exp(q k) = E[f(q) f(k)]` with the positive features `f(x) = exp(w x - |x|^2 / 2)`, w normal; the w of a
block of D are orthogonal, which lowers the variance. The estimate has no bias, only noise.

Dimension letters: B batch, H heads, L sequence, D head width, F features.
"""

import torch
from torch import Tensor, nn

from greenfront.config import SpaceConfig
from greenfront.spaces.approximation import AttentionMethod, amounts, seed_of, whole_number
from greenfront.spaces.attention import Heads
from greenfront.spaces.linear_attention import kernel_attention, kernel_flops
from greenfront.spaces.plan import Settings


class PerformerAttention(nn.Module):
    """Attention with the kernel of positive orthogonal random features."""

    directions: Tensor

    def __init__(self, features: int, width: int, seed: int) -> None:
        super().__init__()
        self.features = features
        directions = orthogonal_directions(features, width, seed)
        self.register_buffer("directions", directions.to(torch.get_default_device()))

    def forward(self, heads: Heads) -> Tensor:
        """(B, H, L, D)."""
        directions = self.directions.to(heads.query.dtype).T * heads.scale**0.5
        half_squares = heads.key.square().sum(3, keepdim=True) * (heads.scale / 2)
        if heads.valid is not None:
            half_squares = half_squares.masked_fill(~heads.valid[:, None, :, None], torch.finfo(half_squares.dtype).max)
        on_key = heads.key @ directions - half_squares
        # Every feature less its largest among the keys, and every query's features in shares of their sum: nothing
        # overflows, and |q|^2 / 2 need not be known. What that multiplies, numerator and denominator have in common.
        largest = on_key.amax(2, keepdim=True)
        on_query = (heads.query @ directions + largest).softmax(3)
        return kernel_attention(on_query, (on_key - largest).exp(), heads)

    def flops(self, length: int, width: int, *, causal: bool) -> int:
        """The features of queries and keys, and what is done with them."""
        return 4 * length * width * self.features + kernel_flops(length, self.features, width, causal=causal)

    def extra_repr(self) -> str:
        return f"features={self.features}"


def orthogonal_directions(features: int, width: int, seed: int) -> Tensor:
    """(F, D): orthogonal in blocks of D rows, each row as long as a normal vector; of this seed, on the CPU."""
    generator = torch.Generator("cpu").manual_seed(seed)
    blocks = []
    for _ in range(0, features, width):
        block, triangle = torch.linalg.qr(torch.randn(width, width, generator=generator, device="cpu"))
        blocks.append(block * triangle.diagonal().sign())  # else Householder's signs favour some directions
    lengths = torch.randn(features, width, generator=generator, device="cpu").norm(dim=1, keepdim=True)
    directions: Tensor = torch.cat(blocks)[:features] * lengths
    return directions


class Performer(AttentionMethod):
    """Chooses each attention's number of features."""

    name = "performer"
    keys = ("performer", "performer_seed")

    def offered(self, space: SpaceConfig, sequence_length: int) -> list[Settings]:
        return amounts("performer", space.performer, sequence_length, (16, 8), seed=space.random_seed)

    def approximation(self, path: str, settings: Settings, width: int) -> nn.Module:
        seed = seed_of(path, settings, "performer_seed")
        return PerformerAttention(whole_number(path, settings, "performer"), width, seed)
