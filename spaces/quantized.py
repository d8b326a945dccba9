"""Linears and tables of few bits, as they stand in a finished model; they are made after training.

Eight bits are symmetric, with a scale for each row: its largest weight is 127 (Wu et al. 2020, 2004.09602, sections
3.1 and 3.3). Weights are frozen parameters, so that they count as the numbers that they are; scales are buffers.

Dimension letters: B batch, L sequence, I inputs, O outputs, V vocabulary, D width.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary

from greenfront.spaces.attention import tracing
from greenfront.spaces.instead import Instead

LEVELS = 255
"""Steps between the least and the largest input of a linear."""
_LEAST = torch.finfo(torch.float32).tiny
"""Stands for the step of nothing but zeros."""


class RoundedLinear(nn.Module):
    """`W x + b` whose weights have been rounded: `values` (O x I) frozen, the bias (O) as it was."""

    scale: Tensor | None

    def __init__(self, values: Tensor, scale: Tensor | None, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = values.shape
        self.values = nn.Parameter(values, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())
        self.register_buffer("scale", scale)

    @property
    def weight(self) -> Tensor:
        """What the weights (O x I) stand for, in float32, for code that looks at a linear's weight."""
        return self.values.float() if self.scale is None else self.values * self.scale[:, None]

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, {self.values.dtype}"


class QuantizedLinear(RoundedLinear):
    """int8 weights, and inputs that are rounded to eight bits as they come: an integer product."""

    scale: Tensor
    sums: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """`weight` (O x I) and bias (O) in float32."""
        values, scale = quantize_rows(weight)
        super().__init__(values, scale, bias)
        self.register_buffer("sums", values.sum(1).to(weight.dtype))

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        return dynamic_linear(inputs, self.values, self.scale, self.sums, self.bias)


class WeightOnlyLinear(RoundedLinear):
    """int8 weights, multiplied with the inputs as they are."""

    scale: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """`weight` (O x I) and bias (O) in float32."""
        super().__init__(*quantize_rows(weight), bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        if tracing():  # a runtime computes once what is constant
            return F.linear(inputs, self.weight, self.bias)
        outputs = F.linear(inputs, self.values.to(inputs.dtype)) * self.scale
        return outputs if self.bias is None else outputs + self.bias


class BFloat16Linear(RoundedLinear):
    """bfloat16 weights, inputs and products; the bias is added in the inputs' own dtype."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """`weight` (O x I) and bias (O) in float32."""
        super().__init__(weight.bfloat16(), None, bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        outputs = bfloat16_linear(inputs, self.values)
        return outputs if self.bias is None else outputs + self.bias


class QuantizedEmbedding(nn.Module):
    """A table of int8 rows (V x D), each with its scale (V)."""

    scale: Tensor

    def __init__(self, weight: Tensor, padding_idx: int | None) -> None:
        """`weight` (V x D) in float32."""
        super().__init__()
        self.num_embeddings, self.embedding_dim = weight.shape
        self.padding_idx = padding_idx
        values, scale = quantize_rows(weight)
        self.values = nn.Parameter(values, requires_grad=False)
        self.register_buffer("scale", scale)

    @property
    def weight(self) -> Tensor:
        """What the rows (V x D) stand for, in float32."""
        return self.values * self.scale[:, None]

    def forward(self, ids: Tensor) -> Tensor:
        """(B, L) -> (B, L, D)."""
        return F.embedding(ids, self.values).to(self.scale.dtype) * F.embedding(ids, self.scale[:, None])

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, {self.values.dtype}"


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(O x I) -> int8 from -127 to 127 (O x I), and what one of them is worth in each row (O)."""
    weight = weight.detach()
    largest = torch.maximum(weight.amax(1), -weight.amin(1))  # `aminmax` of rows takes ten times as long
    scale = (largest / 127).clamp(min=_LEAST)
    return (weight / scale[:, None]).round_().to(torch.int8), scale


def dynamic_linear(inputs: Tensor, values: Tensor, scale: Tensor, sums: Tensor, bias: Tensor | None) -> Tensor:
    """Inputs (..., I) in 256 levels between their least and largest, times int8 values (O x I), scales (O) -> (..., O).

    The levels are those of ONNX's DynamicQuantizeLinear, and zero is one of them. `sums` (O) are those of the values'
    rows. On CPU the product is one of integers; elsewhere, in compiled graphs and where the inputs want a gradient
    (which passes the rounding as if it weren't there) it is the same product of floats.
    """
    if has_torch_function_unary(inputs):  # a recording has its own operator for this
        return handle_torch_function(dynamic_linear, (inputs,), inputs, values, scale, sums, bias)
    differentiable = torch.is_grad_enabled() and inputs.requires_grad
    single = inputs.shape[-1] == 1  # of which PyTorch 2.13's integer product gives nonsense
    if differentiable or single or not inputs.is_cpu or torch.compiler.is_compiling():
        return F.linear(rounded(inputs), values * scale[:, None], bias)
    # Python's numbers: as tensors they would take longer than a small product.
    least, largest = (each.item() for each in torch.aminmax(inputs))
    low = min(least, 0.0)
    step = max((max(largest, 0.0) - low) / LEVELS, _LEAST)
    if not math.isfinite(step):
        return inputs.new_full((*inputs.shape[:-1], len(values)), math.nan)
    zero = float(round(-low / step) - 128)  # the products are of signed numbers
    levels = torch.add(torch.tensor(zero), inputs.float(), alpha=1 / step).round_().clamp_(-128, 127).to(torch.int8)
    products = torch._int_mm(levels.reshape(-1, inputs.shape[-1]), values.T).view(*inputs.shape[:-1], len(values))
    worth = scale * step
    offset = sums * worth * -zero if bias is None else torch.addcmul(bias, sums, worth, value=-zero)
    return torch.addcmul(offset, products, worth)


def bfloat16_linear(inputs: Tensor, values: Tensor) -> Tensor:
    """Inputs (..., I) rounded to bfloat16, times values (O x I) in it -> (..., O) in it, in the inputs' own dtype."""
    if has_torch_function_unary(inputs):  # as in `dynamic_linear`
        found: Tensor = handle_torch_function(bfloat16_linear, (inputs,), inputs, values)
        return found
    return F.linear(inputs.bfloat16(), values).to(inputs.dtype)


def unrounded_inputs() -> Instead:
    """While this lasts, rounded linears multiply their inputs as they are: what is left of it is rounding."""

    def of_eight_bits(inputs: Tensor, values: Tensor, scale: Tensor, _: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(inputs, values * scale[:, None], bias)

    def of_bfloat16(inputs: Tensor, values: Tensor) -> Tensor:
        return F.linear(inputs, values.to(inputs.dtype))

    return Instead({dynamic_linear: of_eight_bits, bfloat16_linear: of_bfloat16})


def rounded(inputs: Tensor) -> Tensor:
    """Inputs rounded to their levels, with the gradient of the identity (straight through, Bengio et al. 2013)."""
    least, largest = torch.aminmax(inputs.detach())
    low = least.clamp(max=0)
    step = ((largest.clamp(min=0) - low) / LEVELS).clamp(min=_LEAST)
    zero = (-low / step).round()
    levels = ((inputs.detach() / step).round() + zero).clamp(0, LEVELS)
    return inputs + ((levels - zero) * step - inputs).detach()
