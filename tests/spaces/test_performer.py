"""Performer: the contract, the features key by key, and that they estimate the softmax."""

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
from greenfront.spaces.performer import PerformerAttention, orthogonal_directions
from greenfront.spaces.plan import Value
from tests.spaces.attention import assert_same_where_valid, dot, ragged, random_heads, run, tokens_of
from tests.spaces.method_contract import MethodContract


class TestContract(MethodContract):
    method: ClassVar[Method] = METHODS["performer"]
    models: ClassVar[tuple[str, ...]] = ("bert", "roberta", "albert", "vit")
    config: ClassVar[SpaceConfig] = SpaceConfig(methods=("performer",), performer=(2, 4))
    out_of_range: ClassVar[tuple[Value, ...]] = (0, -3, 4.0, "4")


@given(valid=ragged(), features=st.integers(1, 7), causal=st.booleans())
@settings(max_examples=40, deadline=None)
def test_features_are_the_loop(valid: Tensor, features: int, causal: bool) -> None:
    triple = random_heads(len(valid), 2, valid.shape[1], 3, seed=features)
    made = PerformerAttention(features, 3, seed=1).double()
    directions = made.directions.tolist()

    def positive(x: list[float]) -> list[float]:
        scaled = [number * 3**-0.25 for number in x]
        return [math.exp(dot(w, scaled) - dot(scaled, scaled) / 2) / math.sqrt(features) for w in directions]

    expected = torch.zeros_like(triple[0])
    for b, h in product(range(len(valid)), range(2)):
        on_query, on_key = ([positive(token) for token in each[b, h].tolist()] for each in triple[:2])
        for q in range(valid.shape[1]):
            keys = [k for k in tokens_of(valid, b) if not (causal and k > q)]
            weights = [dot(on_query[q], on_key[k]) for k in keys]
            for weight, k in zip(weights, keys, strict=True):
                expected[b, h, q] += weight / sum(weights) * triple[2][b, h, k]
    assert_same_where_valid(run(made, triple, valid, causal=causal), expected, valid)


def test_many_features_come_close_to_the_softmax() -> None:
    query, key, value = random_heads(1, 2, 20, 4, seed=0)
    triple = (query / 4, key / 4, value)
    exact = scaled_dot_product_attention(*triple)

    def error(features: int) -> float:
        outputs = [run(PerformerAttention(features, 4, seed).double(), triple) for seed in range(8)]
        return torch.stack([(each - exact).norm() / exact.norm() for each in outputs]).mean().item()

    few, many = error(16), error(4096)
    assert many < 0.06
    assert 8 < few / many < 32  # a random estimate's error falls with the root of their number: by 16


@pytest.mark.parametrize(("features", "width"), [(3, 8), (8, 8), (20, 8)])
def test_directions_are_orthogonal_and_as_long_as_normal_ones(features: int, width: int) -> None:
    directions = orthogonal_directions(features, width, seed=0)
    assert directions.shape == (features, width)
    for block in directions.split(width):
        products = block @ block.T
        torch.testing.assert_close(products, products.diag().diag(), rtol=0, atol=1e-5)
    squares = orthogonal_directions(4000, width, seed=0).square().sum(1)
    assert abs(squares.mean() - width) < 0.3  # chi-squared: its mean is the width, its variance twice the width
    assert abs(squares.var() - 2 * width) < 2


def test_the_seed_decides() -> None:
    first, again, other = (orthogonal_directions(16, 8, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("size", [1e-3, 30.0, 1e3])
def test_large_and_small_heads_give_numbers(size: int) -> None:
    """Without overflow, and without a sum of nothing."""
    query, key, value = (each.float() for each in random_heads(1, 2, 40, 8, seed=0))
    outputs = run(PerformerAttention(16, 8, 0), (size * query, size * key, value))
    assert outputs.isfinite().all()
    assert (outputs <= value.amax(2, keepdim=True) + 1e-4).all()
    assert (outputs >= value.amin(2, keepdim=True) - 1e-4).all()
