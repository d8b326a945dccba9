"""Attention by itself, as Transformers' hook sees it: random heads, ragged inputs, and an exact oracle in loops."""

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import cast

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from greenfront.spaces.attention import Heads, attention_forward

Triple = tuple[Tensor, Tensor, Tensor]


class Attention(nn.Module):
    """An attention module as the hook sees it."""

    def __init__(
        self, approximation: nn.Module | None = None, *, causal: bool = False, key_value_groups: int = 1
    ) -> None:
        super().__init__()
        self.approximation = approximation
        self.is_causal = causal
        self.num_key_value_groups = key_value_groups


def random_heads(batch: int, heads: int, tokens: int, width: int, seed: int) -> Triple:
    """Queries, keys and values (B, H, L, D) in float64."""
    generator = torch.Generator().manual_seed(seed)
    shape = (3, batch, heads, tokens, width)
    query, key, value = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return query, key, value


def run(approximation: nn.Module, triple: Triple, valid: Tensor | None = None, *, causal: bool = False) -> Tensor:
    """What the attention hook answers (B, H, L, D) under a padding mask (B, L)."""
    batch, _, tokens, _ = triple[0].shape
    mask = None if valid is None else valid[:, None, None, :].expand(batch, 1, tokens, -1)
    if causal and mask is not None:
        mask = mask & torch.ones(tokens, tokens, dtype=torch.bool).tril()
    with torch.no_grad():
        outputs, weights = attention_forward(Attention(approximation, causal=causal), *triple, mask)
    assert weights is None
    return outputs.transpose(1, 2)


def asked(triple: Triple, valid: Tensor | None = None, *, causal: bool = False) -> Heads:
    """What the hook asks of an approximation."""
    return Heads(*triple, valid, triple[0].shape[-1] ** -0.5, causal)


def slow_softmax(triple: Triple, attended: Callable[[int, int, int], Sequence[int]]) -> Tensor:
    """Exact attention of every query, token by token, to the keys that `attended(b, h, q)` names; zeros for none."""
    query, key, value = (cast("list[list[list[list[float]]]]", each.tolist()) for each in triple)
    outputs = torch.zeros(*triple[0].shape[:3], triple[2].shape[3], dtype=triple[0].dtype)
    for b, h, q in product(*(range(size) for size in triple[0].shape[:3])):
        keys = attended(b, h, q)
        scale = 1 / math.sqrt(len(query[b][h][q]))
        weights = [math.exp(scale * dot(query[b][h][q], key[b][h][k])) for k in keys]
        for weight, k in zip(weights, keys, strict=True):
            for d, number in enumerate(value[b][h][k]):
                outputs[b, h, q, d] += weight / sum(weights) * number
    return outputs


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """The sum of the products."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def tokens_of(valid: Tensor, b: int) -> list[int]:
    """The places of an input's valid tokens."""
    return [place for place, is_valid in enumerate(valid[b].tolist()) if is_valid]


def assert_same_where_valid(outputs: Tensor, expected: Tensor, valid: Tensor) -> None:
    """Outputs (B, H, L, D) are finite everywhere, and as expected for all that is no padding."""
    assert outputs.isfinite().all()
    places = valid[:, None, :, None]
    torch.testing.assert_close(outputs * places, expected * places, rtol=1e-7, atol=1e-7)


@st.composite
def ragged(
    draw: st.DrawFn, most: int = 12, *, least: int = 1, sides: Sequence[str] = ("right", "left", "anywhere")
) -> Tensor:
    """The valid tokens (B, L) of up to three inputs of up to `most` tokens, padded on a side, or anywhere."""
    tokens = draw(st.integers(2, most))
    rows = []
    for _ in range(draw(st.integers(1, 3))):
        count = draw(st.integers(least, tokens))
        row = [True] * count + [False] * (tokens - count)
        where = draw(st.sampled_from(sides))
        rows.append({"right": row, "left": row[::-1]}.get(where) or draw(st.permutations(row)))
    return torch.tensor(rows)
