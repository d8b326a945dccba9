"""The projection against loops over batch, head, query and slot."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from greenfront.errors import PlanError
from greenfront.spaces.attention import attention_forward
from greenfront.spaces.linformer import LinformerProjection
from tests.spaces.attention import Attention, asked, ragged, random_heads, run


def projection(length: int, positions: int, *, shared: bool = True, seed: int | None = None) -> LinformerProjection:
    """A projection in float64, with a random correction where a seed is given."""
    made = LinformerProjection(length, positions, shared=shared).double()
    if seed is not None:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for correction in made.parameters():
                correction.copy_(0.3 * torch.randn(correction.shape, generator=generator, dtype=torch.float64))
    return made


def oracle(made: LinformerProjection, heads: tuple[Tensor, Tensor, Tensor], valid: Tensor) -> Tensor:
    """The same, slot by slot and token by token."""
    query, key, value = heads
    outputs = torch.zeros_like(query)
    key_correction = made.key_correction.detach()
    value_correction = key_correction if made.value_correction is None else made.value_correction.detach()
    for b, h in product(range(query.shape[0]), range(query.shape[1])):
        tokens = [t for t in range(query.shape[2]) if valid[b, t]]
        m = len(tokens)
        slots: list[tuple[Tensor, Tensor, int]] = []
        for k in range(made.length):
            members = [t for p, t in enumerate(tokens) if p * made.length // m == k]
            if not members:
                continue  # an empty slot is masked
            slot_key = sum((key[b, h, t] for t in members), torch.zeros(())) / len(members)
            slot_value = sum((value[b, h, t] for t in members), torch.zeros(())) / len(members)
            if m > made.length:
                for p, t in enumerate(tokens):
                    column = math.floor((p + 0.5) * made.positions / m)
                    slot_key = slot_key + key_correction[k, column] * made.positions / m * key[b, h, t]
                    slot_value = slot_value + value_correction[k, column] * made.positions / m * value[b, h, t]
            slots.append((slot_key, slot_value, len(members)))
        for q in range(query.shape[2]):
            scores = [
                math.exp(float(query[b, h, q] @ slot_key) / math.sqrt(query.shape[3]) + math.log(count))
                for slot_key, _, count in slots
            ]
            for score, (_, slot_value, _) in zip(scores, slots, strict=True):
                outputs[b, h, q] += score / sum(scores) * slot_value
    return outputs


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, int, Tensor]:
    """Tokens L, projected length K below L, valid tokens (B, L): padding on either side, anywhere, or all."""
    valid = draw(ragged(9, least=0))
    return valid.shape[1], draw(st.integers(1, valid.shape[1] - 1)), valid


@given(case=cases(), positions=st.integers(1, 12), shared=st.booleans(), seed=st.none() | st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_projection_is_the_loop(case: tuple[int, int, Tensor], positions: int, shared: bool, seed: int | None) -> None:
    tokens, length, valid = case
    made, heads = (
        projection(length, positions, shared=shared, seed=seed),
        random_heads(len(valid), 2, tokens, 3, 1),
    )
    torch.testing.assert_close(run(made, heads, valid), oracle(made, heads, valid), rtol=1e-5, atol=1e-5)


@given(case=cases(), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_rows_that_fit_into_the_slots_are_exact(case: tuple[int, int, Tensor], seed: int) -> None:
    """Whatever the correction says, and whatever the longer rows of the same batch need."""
    tokens, length, valid = case
    fits = (valid.sum(1) <= length) & valid.any(1)
    made, heads = projection(length, 16, seed=seed), random_heads(len(valid), 2, tokens, 3, seed)
    exact = scaled_dot_product_attention(*heads, attn_mask=valid[:, None, None])
    torch.testing.assert_close(run(made, heads, valid)[fits], exact[fits], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tokens", [1, 3, 4])
def test_short_inputs_run_the_exact_attention(tokens: int) -> None:
    made, heads = projection(4, 8, seed=0), random_heads(2, 2, tokens, 3, 0)
    assert made(asked(heads)) is None
    assert torch.equal(run(made, heads), scaled_dot_product_attention(*heads))


def test_a_traced_short_input_is_exact_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph serves every length, so while tracing the projection may not leave itself out."""
    made, heads = projection(4, 8, seed=0), random_heads(2, 2, 3, 3, 0)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert made(asked(heads)) is not None
    torch.testing.assert_close(run(made, heads), scaled_dot_product_attention(*heads), rtol=1e-9, atol=1e-9)


def test_without_a_mask_every_token_is_valid() -> None:
    made, heads = projection(3, 8, seed=0), random_heads(2, 2, 7, 3, 0)
    everything = torch.ones(2, 7, dtype=torch.bool)
    torch.testing.assert_close(run(made, heads), run(made, heads, everything), rtol=1e-12, atol=1e-12)


def test_additive_masks_mean_the_same() -> None:
    made, heads = projection(3, 8, seed=0), random_heads(1, 2, 7, 3, 0)
    valid = torch.tensor([[True] * 5 + [False] * 2])
    additive = (~valid).double()[:, None, None].expand(-1, 1, 7, -1) * -1e300
    with torch.no_grad():
        outputs, _ = attention_forward(Attention(made), *heads, additive)
    torch.testing.assert_close(outputs.transpose(1, 2), run(made, heads, valid), rtol=1e-12, atol=1e-12)


def test_the_correction_starts_as_pooling() -> None:
    heads, valid = random_heads(2, 2, 7, 3, 0), torch.tensor([[True] * 7, [True] * 5 + [False] * 2])
    plain, corrected = projection(3, 8), projection(3, 8, seed=0)
    assert not any(parameter.any() for parameter in plain.parameters())
    assert (run(plain, heads, valid) - run(corrected, heads, valid)).abs().max() > 0.01


def test_log_counts_make_equal_keys_exact() -> None:
    """A softmax over slots of uneven size weighs each by its tokens."""
    query, _, value = random_heads(1, 1, 7, 3, 0)
    key = torch.ones_like(query)  # 7 tokens in 3 slots: 3, 2, 2
    projected = run(projection(3, 8), (query, key, value))
    torch.testing.assert_close(projected, scaled_dot_product_attention(query, key, value), rtol=1e-6, atol=1e-6)


def test_a_position_bias_is_refused() -> None:
    heads = random_heads(1, 1, 7, 3, 0)
    with pytest.raises(PlanError, match="position bias"):
        attention_forward(Attention(projection(3, 8)), *heads, None, position_bias=torch.zeros(1, 1, 7, 7))
