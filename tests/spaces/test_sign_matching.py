"""Sign-matching attention: the contract, and the agreements sign by sign."""

from typing import ClassVar

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from greenfront.config import SpaceConfig
from greenfront.spaces import METHODS, Method
from greenfront.spaces.plan import Value
from greenfront.spaces.sign_matching import BLOCK, SignMatchingAttention
from tests.spaces.attention import (
    Triple,
    asked,
    assert_same_where_valid,
    ragged,
    random_heads,
    run,
    slow_softmax,
    tokens_of,
)
from tests.spaces.method_contract import MethodContract


class TestContract(MethodContract):
    method: ClassVar[Method] = METHODS["sign_matching"]
    models: ClassVar[tuple[str, ...]] = ("bert", "roberta", "albert", "vit", "gpt2")
    config: ClassVar[SpaceConfig] = SpaceConfig(methods=("sign_matching",), sign_matching=(2, 4))
    out_of_range: ClassVar[tuple[Value, ...]] = (0, -3, 4.0, "4")


def best_keys(
    triple: Triple, valid: Tensor, matches: int, block: int, *, causal: bool
) -> dict[tuple[int, ...], list[int]]:
    """The keys that the queries of (b, h, block) attend to, counted sign by sign."""
    query, key = ((each >= 0).tolist() for each in triple[:2])
    found: dict[tuple[int, ...], list[int]] = {}
    for b in range(len(valid)):
        tokens = tokens_of(valid, b)
        for h in range(triple[0].shape[1]):
            for n in range(-(-valid.shape[1] // block)):
                asking = [q for q in tokens if q // block == n]
                agreements = {
                    k: sum(x == y for q in asking for x, y in zip(query[b][h][q], key[b][h][k], strict=True))
                    for k in tokens
                    if not (causal and k > n)
                }
                found[b, h, n] = sorted(agreements, key=lambda k: (agreements[k], k))[-matches:]
    return found


@given(valid=ragged(80, sides=["right", "left"]), matches=st.integers(1, 12))
@example(valid=torch.arange(80)[None] < 70, matches=9)
@settings(max_examples=15, deadline=None)
def test_a_block_attends_to_the_keys_that_agree_most(valid: Tensor, matches: int) -> None:
    triple = random_heads(len(valid), 1, valid.shape[1], 4, seed=matches)
    best = best_keys(triple, valid, matches, BLOCK, causal=False)
    expected = slow_softmax(triple, lambda b, h, q: best[b, h, q // BLOCK])
    assert_same_where_valid(run(SignMatchingAttention(matches), triple, valid), expected, valid)


@given(valid=ragged(20), matches=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_causal_queries_choose_alone_among_what_stands_before(valid: Tensor, matches: int) -> None:
    triple = random_heads(len(valid), 2, valid.shape[1], 4, seed=matches)
    best = best_keys(triple, valid, matches, 1, causal=True)
    # A short input runs exact attention, which is the same: no query has more keys than it may attend to.
    expected = slow_softmax(triple, lambda b, h, q: best[b, h, q])
    assert_same_where_valid(run(SignMatchingAttention(matches), triple, valid, causal=True), expected, valid)


@given(valid=ragged(), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_inputs_of_no_more_tokens_than_matches_are_exact(valid: Tensor, seed: int) -> None:
    """Also beside longer ones."""
    triple = random_heads(len(valid), 2, valid.shape[1], 3, seed=seed)
    fits = valid.sum(1) <= 4
    exact = scaled_dot_product_attention(*triple, attn_mask=valid[:, None, None])
    outputs = run(SignMatchingAttention(4), triple, valid)
    assert_same_where_valid(outputs[fits], exact[fits], valid[fits])


@pytest.mark.parametrize("tokens", [1, 4])
def test_short_inputs_run_the_exact_attention(tokens: int) -> None:
    triple = random_heads(1, 2, tokens, 3, seed=0)
    assert SignMatchingAttention(4)(asked(triple)) is None
    assert torch.equal(run(SignMatchingAttention(4), triple), scaled_dot_product_attention(*triple))
