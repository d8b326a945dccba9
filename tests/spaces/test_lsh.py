"""Attention by locality-sensitive hashing: the contract, and the chunks token by token."""

from itertools import product
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from greenfront.config import SpaceConfig
from greenfront.spaces import METHODS, Method
from greenfront.spaces.lsh import BUCKETS, LshAttention
from greenfront.spaces.plan import Value
from tests.spaces.attention import (
    asked,
    assert_same_where_valid,
    dot,
    ragged,
    random_heads,
    run,
    slow_softmax,
    tokens_of,
)
from tests.spaces.method_contract import MethodContract


class TestContract(MethodContract):
    method: ClassVar[Method] = METHODS["lsh"]
    models: ClassVar[tuple[str, ...]] = ("bert", "roberta", "albert", "vit")
    config: ClassVar[SpaceConfig] = SpaceConfig(methods=("lsh",), lsh=(1, 2))
    out_of_range: ClassVar[tuple[Value, ...]] = (0, -3, 4.0, "4")


def chunks(tokens: Tensor, places: list[int], rotations: list[list[float]], size: int) -> dict[int, int]:
    """The chunk of every valid token (of L x D), by the loop."""
    mean = [sum(float(tokens[t, d]) for t in places) / len(places) for d in range(tokens.shape[1])]
    order = []
    for t in places:
        less = [float(x) - m for x, m in zip(tokens[t], mean, strict=True)]
        turned = [dot(less, direction) for direction in rotations]
        both = [*turned, *(-x for x in turned)]
        order.append((both.index(max(both)), t))
    return {t: rank // size for rank, (_, t) in enumerate(sorted(order))}


@given(valid=ragged(), size=st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_chunks_are_the_loop(valid: Tensor, size: int, seed: int) -> None:
    triple = random_heads(len(valid), 2, valid.shape[1], 3, seed=seed)
    made = LshAttention(size, 3, seed).double()
    rotations = made.rotations.T.tolist()
    assert len(rotations) == BUCKETS // 2
    of_query, of_key = (
        {
            (b, h): chunks(each[b, h], tokens_of(valid, b), rotations, size)
            for b, h in product(range(len(valid)), (0, 1))
        }
        for each in triple[:2]
    )
    short = valid.shape[1] <= size  # one chunk

    def attended(b: int, h: int, q: int) -> list[int]:
        if q not in of_query[b, h]:
            return []
        return [k for k, chunk in of_key[b, h].items() if short or abs(chunk - of_query[b, h][q]) <= 1]

    assert_same_where_valid(run(made, triple, valid), slow_softmax(triple, attended), valid)


@pytest.mark.parametrize("tokens", [1, 8])
def test_one_chunk_is_exact(tokens: int) -> None:
    triple = random_heads(1, 2, tokens, 3, seed=0)
    assert LshAttention(8, 3, 0).double()(asked(triple)) is None
    assert torch.equal(run(LshAttention(8, 3, 0).double(), triple), scaled_dot_product_attention(*triple))


@given(valid=ragged(), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_two_chunks_are_exact_too(valid: Tensor, seed: int) -> None:
    """Each is the other's neighbour; also beside longer inputs."""
    triple = random_heads(len(valid), 2, valid.shape[1], 3, seed=seed)
    fits = valid.sum(1) <= 6
    exact = scaled_dot_product_attention(*triple, attn_mask=valid[:, None, None])
    assert_same_where_valid(run(LshAttention(3, 3, 0).double(), triple, valid)[fits], exact[fits], valid[fits])


def test_the_seed_decides() -> None:
    first, again, other = (LshAttention(4, 8, seed).rotations for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_like_tokens_meet() -> None:
    """Heaps of tokens far apart: whoever attends within its heap is nearly exact, wherever its members stand."""
    generator = torch.Generator().manual_seed(0)
    heaps = 30 * torch.eye(4, dtype=torch.float64).repeat(8, 1)  # 32 tokens of 4 heaps, shuffled
    heaps = heaps[torch.randperm(32, generator=generator)][None, None]
    triple = (heaps, heaps, random_heads(1, 1, 32, 4, seed=0)[2])
    exact = scaled_dot_product_attention(*triple)
    torch.testing.assert_close(run(LshAttention(8, 4, 0).double(), triple), exact, rtol=1e-6, atol=1e-6)
