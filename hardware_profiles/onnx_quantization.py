"""Rounded linears as ONNX records them best.

int8 is operators that ONNX Runtime fuses into one, DynamicQuantizeMatMul. bfloat16 it doesn't multiply on CPU: weights
are stored in it and unfolded once, when a session opens, and what is multiplied are floats of bfloat16's numbers.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from greenfront.spaces.instead import Instead
from greenfront.spaces.quantized import bfloat16_linear, dynamic_linear, rounded


def rounded_products() -> Instead:
    """While this lasts, `dynamic_linear` is recorded as DynamicQuantizeLinear and MatMulInteger.

    And `bfloat16_linear` as Casts around a MatMul.
    """

    def of_integers(inputs: Tensor, values: Tensor, scale: Tensor, _: Tensor, bias: Tensor | None) -> Tensor:
        outputs: Tensor = _Product.apply(inputs, values, scale)  # type: ignore[no-untyped-call]
        return outputs if bias is None else outputs + bias

    def of_bfloat16(inputs: Tensor, values: Tensor) -> Tensor:
        return F.linear(inputs.bfloat16().float(), values.float()).bfloat16().to(inputs.dtype)

    return Instead({dynamic_linear: of_integers, bfloat16_linear: of_bfloat16})


class _Product(torch.autograd.Function):
    """Inputs (..., I), int8 values (O x I), scales (O) -> (..., O)."""

    @staticmethod
    def forward(_: Any, inputs: Tensor, values: Tensor, scale: Tensor) -> Tensor:
        return rounded(inputs) @ (values * scale[:, None]).T

    @staticmethod
    def symbolic(graph: Any, inputs: Any, values: Any, scale: Any) -> Any:
        levels, step, zero = graph.op("DynamicQuantizeLinear", inputs, outputs=3)
        products = graph.op("MatMulInteger", levels, graph.op("Transpose", values, perm_i=[1, 0]), zero)
        return graph.op("Mul", graph.op("Cast", products, to_i=1), graph.op("Mul", step, scale))
