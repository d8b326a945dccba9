"""Local attention: the contract, and the window query by query."""

from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from greenfront.config import SpaceConfig
from greenfront.spaces import METHODS, Method
from greenfront.spaces.plan import Value
from greenfront.spaces.window import WindowAttention
from tests.spaces.attention import (
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
    method: ClassVar[Method] = METHODS["window"]
    models: ClassVar[tuple[str, ...]] = ("bert", "roberta", "albert", "vit", "gpt2")
    config: ClassVar[SpaceConfig] = SpaceConfig(methods=("window",), window=(1, 3))
    out_of_range: ClassVar[tuple[Value, ...]] = (0, -3, 4.0, "4")


@given(valid=ragged(), tokens=st.integers(1, 12), causal=st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_query_sees_its_window(valid: Tensor, tokens: int, causal: bool) -> None:
    triple = random_heads(len(valid), 2, valid.shape[1], 3, seed=tokens)
    places = [tokens_of(valid, b) for b in range(len(valid))]
    expected = slow_softmax(
        triple, lambda b, _, q: [k for k in places[b] if abs(q - k) <= tokens and not (causal and k > q)]
    )
    assert_same_where_valid(run(WindowAttention(tokens), triple, valid, causal=causal), expected, valid)


@pytest.mark.parametrize("tokens", [6, 7, 20])
def test_inputs_within_the_window_run_the_exact_attention(tokens: int) -> None:
    triple = random_heads(1, 2, 7, 3, seed=0)
    assert WindowAttention(tokens)(asked(triple)) is None
    assert torch.equal(run(WindowAttention(tokens), triple), scaled_dot_product_attention(*triple))


def test_its_work_grows_with_the_length_not_with_its_square() -> None:
    short, long = random_heads(1, 1, 64, 4, seed=0), random_heads(1, 1, 256, 4, seed=0)
    flops = []
    for triple in (short, long):
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            run(WindowAttention(8), triple)
        flops.append(counter.get_total_flops())
    assert flops[1] == 4 * flops[0] > 0
