"""Clustered attention: the contract, and the clusters key by key."""

import math
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
from greenfront.spaces.clustered import ClusteredAttention
from greenfront.spaces.plan import Value
from tests.spaces.attention import (
    Triple,
    asked,
    assert_same_where_valid,
    ragged,
    random_heads,
    run,
    tokens_of,
)
from tests.spaces.method_contract import MethodContract


class TestContract(MethodContract):
    method: ClassVar[Method] = METHODS["clustered"]
    models: ClassVar[tuple[str, ...]] = ("bert", "roberta", "albert", "vit")
    config: ClassVar[SpaceConfig] = SpaceConfig(methods=("clustered",), clustered=(2, 4))
    out_of_range: ClassVar[tuple[Value, ...]] = (0, -3, 4.0, "4")


def oracle(triple: Triple, valid: Tensor, clusters: int) -> Tensor:
    """Every valid key joins the nearest of the evenly spaced ones; every query attends to the joined."""
    query, key, value = triple
    outputs = torch.zeros_like(query)
    for b, h in product(range(query.shape[0]), range(query.shape[1])):
        tokens = tokens_of(valid, b)
        seeds = [tokens[k * len(tokens) // clusters] for k in range(clusters)]
        members: dict[int, list[int]] = {}
        for t in tokens:
            distances = [float((key[b, h, t] - key[b, h, seed]).square().sum()) for seed in seeds]
            members.setdefault(seeds[distances.index(min(distances))], []).append(t)
        means = [(key[b, h, own].mean(0), value[b, h, own].mean(0), len(own)) for own in members.values()]
        for q in range(query.shape[2]):
            scores = [n * math.exp(float(query[b, h, q] @ mean) / math.sqrt(key.shape[3])) for mean, _, n in means]
            for score, (_, mean, _) in zip(scores, means, strict=True):
                outputs[b, h, q] += score / sum(scores) * mean
    return outputs


@given(valid=ragged(), clusters=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_clusters_are_the_loop(valid: Tensor, clusters: int) -> None:
    triple = random_heads(len(valid), 2, valid.shape[1], 3, seed=clusters)
    assert_same_where_valid(run(ClusteredAttention(clusters), triple, valid), oracle(triple, valid, clusters), valid)


@given(valid=ragged(), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_inputs_of_no_more_tokens_than_clusters_are_exact(valid: Tensor, seed: int) -> None:
    """Also beside longer ones."""
    triple = random_heads(len(valid), 2, valid.shape[1], 3, seed=seed)
    fits = valid.sum(1) <= 4
    exact = scaled_dot_product_attention(*triple, attn_mask=valid[:, None, None])
    torch.testing.assert_close(run(ClusteredAttention(4), triple, valid)[fits], exact[fits], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tokens", [1, 4])
def test_short_inputs_run_the_exact_attention(tokens: int) -> None:
    triple = random_heads(1, 2, tokens, 3, seed=0)
    assert ClusteredAttention(4)(asked(triple)) is None
    assert torch.equal(run(ClusteredAttention(4), triple), scaled_dot_product_attention(*triple))


def test_well_separated_keys_lose_nothing() -> None:
    """Keys that stand in as many heaps as there are clusters are their centroids."""
    query, heaps, value = random_heads(1, 1, 16, 3, seed=0)
    key = heaps[:, :, torch.arange(16) // 4 * 4]
    clustered = run(ClusteredAttention(4), (query, key, value))
    torch.testing.assert_close(clustered, scaled_dot_product_attention(query, key, value), rtol=1e-9, atol=1e-9)
