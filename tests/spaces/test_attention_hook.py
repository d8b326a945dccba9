"""What the attention hook asks of an approximation."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from greenfront.errors import PlanError
from greenfront.spaces.attention import Heads, attention_forward
from greenfront.spaces.window import WindowAttention
from tests.spaces.attention import Attention, random_heads, run


class Recorder(nn.Module):
    """Keeps what it is asked, and leaves the answer to exact attention."""

    asked: Heads

    def forward(self, heads: Heads) -> None:
        self.asked = heads


def asked_with(causal: bool = False, mask: Tensor | None = None, **options: Any) -> Heads:
    recorder = Recorder()
    attention_forward(Attention(recorder, causal=causal), *random_heads(2, 2, 5, 4, seed=0), mask, **options)
    return recorder.asked


def test_the_scale_and_the_dropout_are_the_modules() -> None:
    assert asked_with().scale == 0.5
    found = asked_with(scaling=0.1, dropout=0.2)
    assert (found.scale, found.dropout) == (0.1, 0.2)


@pytest.mark.parametrize("causal", [False, True])
def test_valid_keys_are_those_that_are_no_padding(causal: bool) -> None:
    valid = torch.tensor([[True] * 5, [False, False, True, True, True]])
    mask = valid[:, None, None].expand(2, 1, 5, 5)
    mask = mask & torch.ones(5, 5, dtype=torch.bool).tril() if causal else mask
    found = asked_with(causal, mask)
    assert found.causal == causal
    assert found.valid is not None
    assert torch.equal(found.valid, valid)


def test_without_a_mask_every_token_is_valid() -> None:
    found = asked_with()
    assert found.valid is None
    assert torch.equal(found.valid_tokens(), torch.ones(2, 5, dtype=torch.bool))


def test_keys_that_several_queries_share_are_repeated() -> None:
    query, key, value = random_heads(2, 4, 9, 3, seed=0)
    shared = Attention(WindowAttention(2), key_value_groups=2)
    with torch.no_grad():
        outputs, _ = attention_forward(shared, query, key[:, ::2], value[:, ::2], None)
    expected = run(WindowAttention(2), (query, key[:, [0, 0, 2, 2]], value[:, [0, 0, 2, 2]]))
    torch.testing.assert_close(outputs.transpose(1, 2), expected)


@pytest.mark.parametrize(("options", "message"), [
    ({"position_bias": torch.zeros(1, 2, 5, 5)}, "Attention adds a position bias"),
    ({"softcap": 30.0}, "Attention adds a soft cap"),
])  # fmt: skip
def test_scores_that_are_more_than_products_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        asked_with(**options)


def test_fewer_queries_than_keys_are_refused() -> None:
    query, key, value = random_heads(1, 2, 5, 4, seed=0)
    with pytest.raises(PlanError, match="1 queries for 5 keys"):
        attention_forward(Attention(WindowAttention(2), causal=True), query[:, :, -1:], key, value, None)
