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


def behind_padding(triple: Triple, count: int, matches: int, *, causal: bool = False) -> Tensor:
    """What the tokens of one text get with so many places of padding before them."""
    batch, heads, _, width = triple[0].shape
    padding = random_heads(batch, heads, count, width, seed=count)
    query, key, value = (torch.cat(pair, dim=2) for pair in zip(padding, triple, strict=True))
    valid = torch.arange(query.shape[2])[None] >= count
    return run(SignMatchingAttention(matches), (query, key, value), valid, causal=causal)[:, :, count:]


@given(tokens=st.integers(1, 80), matches=st.integers(1, 12), blocks=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_whole_blocks_of_padding_before_a_text_change_nothing(tokens: int, matches: int, blocks: int) -> None:
    triple = random_heads(1, 2, tokens, 4, seed=tokens)
    alone = run(SignMatchingAttention(matches), triple)
    torch.testing.assert_close(behind_padding(triple, blocks * BLOCK, matches), alone, rtol=1e-7, atol=1e-7)


@given(tokens=st.integers(1, 40), matches=st.integers(1, 12), count=st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_where_attention_is_causal_no_padding_changes_anything(tokens: int, matches: int, count: int) -> None:
    triple = random_heads(1, 2, tokens, 4, seed=tokens)
    alone = run(SignMatchingAttention(matches), triple, causal=True)
    torch.testing.assert_close(behind_padding(triple, count, matches, causal=True), alone, rtol=1e-7, atol=1e-7)


def test_padding_that_cuts_a_text_into_other_blocks_changes_what_they_choose() -> None:
    """A single block stays one, as long as it has no boundary inside."""
    short, long = random_heads(1, 2, 20, 4, seed=0), random_heads(1, 2, 70, 4, seed=0)
    alone = [run(SignMatchingAttention(3), triple) for triple in (short, long)]
    torch.testing.assert_close(behind_padding(short, BLOCK - 20, 3), alone[0], rtol=1e-7, atol=1e-7)
    assert (behind_padding(short, BLOCK - 10, 3) - alone[0]).abs().max() > 1e-2
    assert (behind_padding(long, 7, 3) - alone[1]).abs().max() > 1e-2


@pytest.mark.parametrize("tokens", [1, 4])
def test_short_inputs_run_the_exact_attention(tokens: int) -> None:
    triple = random_heads(1, 2, tokens, 3, seed=0)
    assert SignMatchingAttention(4)(asked(triple)) is None
    assert torch.equal(run(SignMatchingAttention(4), triple), scaled_dot_product_attention(*triple))
