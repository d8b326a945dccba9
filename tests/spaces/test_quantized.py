"""Rounded modules against explicit arithmetic: whole numbers, one product at a time."""

import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from greenfront.spaces.quantized import (
    BFloat16Linear,
    QuantizedEmbedding,
    QuantizedLinear,
    WeightOnlyLinear,
    dynamic_linear,
    quantize_rows,
    rounded,
    unrounded_inputs,
)


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """The same inputs whatever runs before."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def linear(inputs: int, outputs: int, *, seed: int, bias: bool = True) -> tuple[Tensor, Tensor | None]:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(outputs, inputs, generator=generator)
    return weight, torch.randn(outputs, generator=generator) if bias else None


def on_levels(tokens: int, inputs: int, *, zero: int, step: float, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs (N, I) that are surely nearest to one of the 256 levels, and how many steps that is from zero (int64)."""
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(1, 255, (tokens, inputs), generator=generator)
    levels[0, 0], levels[-1, -1] = 0, 255
    off = 0.6 * torch.rand(tokens, inputs, generator=generator) - 0.3
    off[0, 0] = off[-1, -1] = 0  # the least and the largest input decide the step
    return ((levels - zero + off).double() * step).float(), levels - zero


@given(
    tokens=st.integers(2, 9), inputs=st.integers(1, 40), outputs=st.integers(1, 20), seed=st.integers(0, 10**6),
    bias=st.booleans(), zero=st.sampled_from([0, 1, 127, 128, 200, 255]), step=st.sampled_from([1e-6, 0.02, 1e3]),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_it_is_the_product_of_whole_numbers(
    tokens: int, inputs: int, outputs: int, seed: int, bias: bool, zero: int, step: float
) -> None:
    check_products(tokens, inputs, outputs, zero=zero, step=step, seed=seed, bias=bias)


@pytest.mark.parametrize(("inputs", "outputs"), [(384, 1536), (1536, 384), (384, 96), (1, 384)])
def test_so_it_is_at_the_size_of_a_model(inputs: int, outputs: int) -> None:
    check_products(64, inputs, outputs, zero=100, step=0.02, seed=0, bias=True)


def check_products(tokens: int, inputs: int, outputs: int, *, zero: int, step: float, seed: int, bias: bool) -> None:
    weight, offset = linear(inputs, outputs, seed=seed, bias=bias)
    values, scale = quantize_rows(weight)
    given, levels = on_levels(tokens, inputs, zero=zero, step=step, seed=seed)
    expected = (levels @ values.long().T).double() * scale.double() * step
    if offset is not None:
        expected = expected + offset
    found = QuantizedLinear(weight, offset)(given)
    assert found.dtype == torch.float32
    largest = expected.abs().max().item() + 127 * 255 * scale.max().item() * step
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-6 * largest)


@pytest.mark.parametrize("shape", [(5,), (2, 5), (3, 1, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("kind", [QuantizedLinear, WeightOnlyLinear, BFloat16Linear])
def test_inputs_may_have_any_shape(kind: type[nn.Module], shape: tuple[int, ...]) -> None:
    weight, bias = linear(5, 7, seed=0)
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    outputs = kind(weight, bias)(inputs)
    assert outputs.shape == (*shape[:-1], 7)
    torch.testing.assert_close(outputs, F.linear(inputs, weight, bias), rtol=0.05, atol=0.1)
    turned = inputs.transpose(0, -2) if inputs.dim() > 1 else inputs
    torch.testing.assert_close(kind(weight, bias)(turned), kind(weight, bias)(turned.contiguous()))


@given(weight=st.integers(0, 10**6).map(lambda seed: linear(11, 6, seed=seed)[0]))
@settings(max_examples=20, deadline=None)
def test_weights_are_within_half_a_step(weight: Tensor) -> None:
    values, scale = quantize_rows(weight)
    assert values.dtype == torch.int8
    assert values.abs().amax(1).eq(127).all()
    assert ((values * scale[:, None] - weight).abs() <= 0.5001 * scale[:, None]).all()
    module = QuantizedLinear(weight, None)
    torch.testing.assert_close(module.weight, values * scale[:, None])
    assert torch.equal(module.sums, values.long().sum(1).float())


def test_rows_and_inputs_of_zeros_give_the_bias() -> None:
    weight, bias = linear(5, 3, seed=0)
    weight[1] = 0
    module = QuantizedLinear(weight, bias)
    assert bias is not None
    assert module(torch.randn(2, 5))[:, 1].eq(bias[1]).all()
    torch.testing.assert_close(module(torch.zeros(2, 5)), bias.expand(2, 3))
    assert QuantizedEmbedding(torch.zeros(2, 3), None)(torch.tensor([1])).eq(0).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_not_hidden(bad: float) -> None:
    weight, bias = linear(5, 3, seed=0)
    inputs = torch.randn(2, 5)
    inputs[0, 2] = bad
    assert QuantizedLinear(weight, bias)(inputs).isnan().all()


@given(seed=st.integers(0, 10**6), zero=st.sampled_from([0, 100, 255]))
@settings(max_examples=30, deadline=None)
def test_floats_give_what_whole_numbers_do(seed: int, zero: int) -> None:
    """Where a gradient is wanted, and on other devices."""
    weight, bias = linear(24, 8, seed=seed)
    inputs, _ = on_levels(6, 24, zero=zero, step=0.03, seed=seed)
    module = QuantizedLinear(weight, bias)
    torch.testing.assert_close(module(inputs.clone().requires_grad_()), module(inputs), rtol=1e-4, atol=1e-4)


def test_the_gradient_passes_the_rounding() -> None:
    weight, bias = linear(6, 4, seed=0)
    module = QuantizedLinear(weight, bias)
    inputs = torch.randn(3, 6, requires_grad=True)
    module(inputs).sum().backward()
    torch.testing.assert_close(inputs.grad, module.weight.sum(0).expand(3, 6))
    assert module.bias is not None
    torch.testing.assert_close(module.bias.grad, torch.full((4,), 3.0))
    assert module.values.grad is None


def test_rounded_inputs_are_within_half_a_step_and_zero_stays() -> None:
    inputs = torch.tensor([[0.0, -1.3, 2.7, 0.011, 5.0]])
    step = 6.3 / 255
    assert rounded(inputs)[0, 0] == 0
    assert ((rounded(inputs) - inputs).abs() <= 0.5001 * step).all()


def test_without_rounding_weights_alone_are_rounded() -> None:
    weight, bias = linear(6, 4, seed=0)
    module, inputs = QuantizedLinear(weight, bias), torch.randn(3, 6)
    with unrounded_inputs():
        torch.testing.assert_close(module(inputs), F.linear(inputs, module.weight, bias))
        torch.testing.assert_close(WeightOnlyLinear(weight, bias)(inputs), module(inputs))
        halves = BFloat16Linear(weight, bias)
        torch.testing.assert_close(halves(inputs), F.linear(inputs, halves.weight, bias))
        torch.testing.assert_close(nn.ReLU()(inputs), inputs.clamp(min=0))
    assert not torch.equal(module(inputs), F.linear(inputs, module.weight, bias))


def test_bfloat16_inputs_are_taken_as_they_are() -> None:
    """Under autocast."""
    weight, bias = linear(6, 4, seed=0)
    module, inputs = QuantizedLinear(weight, bias), torch.randn(3, 6).bfloat16()
    torch.testing.assert_close(module(inputs), module(inputs.float()))


def test_bfloat16_is_the_product_of_bfloat16() -> None:
    weight, bias = linear(64, 8, seed=0)
    inputs = torch.randn(5, 64)
    expected = (inputs.bfloat16().double() @ weight.bfloat16().double().T).float()
    found = BFloat16Linear(weight, None)(inputs)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=2**-8, atol=1e-4)
    assert bias is not None
    assert torch.equal(BFloat16Linear(weight, bias)(inputs), found + bias)
    torch.testing.assert_close(BFloat16Linear(weight, None).weight, weight.bfloat16().float())


def test_a_table_gives_its_rows() -> None:
    weight, _ = linear(7, 30, seed=0)
    table = QuantizedEmbedding(weight, 0)
    ids = torch.tensor([[3, 0, 29], [3, 3, 1]])
    torch.testing.assert_close(table(ids), table.weight[ids])
    assert ((table(ids) - weight[ids]).abs() <= weight[ids].abs().amax(2, keepdim=True) / 253).all()
    assert table(ids).dtype == torch.float32


def test_new_modules_have_weights_of_their_own() -> None:
    weight, bias = linear(6, 4, seed=0)
    assert bias is not None
    for kind in (QuantizedLinear, WeightOnlyLinear, BFloat16Linear):
        module = kind(weight, nn.Parameter(bias))
        assert module.bias is not None
        assert module.bias.data_ptr() != bias.data_ptr()
        assert [name for name, parameter in module.named_parameters() if parameter.requires_grad] == ["bias"]
        assert sum(parameter.numel() for parameter in module.parameters()) == weight.numel() + bias.numel()


def test_the_function_is_the_modules() -> None:
    weight, _ = linear(6, 4, seed=0)
    values, scale = quantize_rows(weight)
    inputs = torch.randn(3, 6)
    found = dynamic_linear(inputs, values, scale, values.sum(1).float(), None)
    assert torch.equal(found, QuantizedLinear(weight, None)(inputs))
