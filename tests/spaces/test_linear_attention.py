"""Linear attention: the contract, and the kernel key by key."""

import math
from itertools import product
from typing import ClassVar

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from greenfront.config import SpaceConfig
from greenfront.spaces import METHODS, Method
from greenfront.spaces.linear_attention import LinearAttention
from greenfront.spaces.plan import Value
from tests.spaces.attention import assert_same_where_valid, dot, ragged, random_heads, run, tokens_of
from tests.spaces.method_contract import MethodContract


class TestContract(MethodContract):
    method: ClassVar[Method] = METHODS["linear_attention"]
    models: ClassVar[tuple[str, ...]] = ("bert", "roberta", "albert", "vit")
    config: ClassVar[SpaceConfig] = SpaceConfig(methods=("linear_attention",))
    out_of_range: ClassVar[tuple[Value, ...]] = (0, -3, 2, 4.0, "4")


def feature(x: float) -> float:
    """elu(x) + 1."""
    return x + 1 if x > 0 else math.exp(x)


@given(valid=ragged(80, sides=["right", "left"]), causal=st.booleans())
@example(valid=torch.ones(1, 80, dtype=torch.bool), causal=True)
@settings(max_examples=15, deadline=None)
def test_the_kernel_is_the_loop(valid: Tensor, causal: bool) -> None:
    """Also over more than one block of causal attention."""
    triple = random_heads(len(valid), 1, valid.shape[1], 3, seed=0)
    query, key = (each[:, 0].tolist() for each in triple[:2])
    expected = torch.zeros_like(triple[0])
    for b, q in product(range(len(valid)), range(valid.shape[1])):
        features = [feature(x) for x in query[b][q]]
        keys = [k for k in tokens_of(valid, b) if not (causal and k > q)]
        weights = [dot(features, [feature(x) for x in key[b][k]]) for k in keys]
        for weight, k in zip(weights, keys, strict=True):
            expected[b, 0, q] += weight / sum(weights) * triple[2][b, 0, k]
    assert_same_where_valid(run(LinearAttention(), triple, valid, causal=causal), expected, valid)


def test_constant_values_stay() -> None:
    """Weights sum to one."""
    query, key, value = random_heads(2, 2, 9, 3, seed=0)
    torch.testing.assert_close(run(LinearAttention(), (query, key, torch.full_like(value, 5.0))), 5.0 + 0 * value)
