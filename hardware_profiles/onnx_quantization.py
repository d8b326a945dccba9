"""Quantized linears as ONNX records them best: operators that ONNX Runtime fuses into one, DynamicQuantizeMatMul."""

from typing import Any

import torch
from torch import Tensor

from greenfront.spaces.instead import Instead
from greenfront.spaces.quantized import dynamic_linear, rounded


def dynamic_quantization() -> Instead:
    """While this lasts, `dynamic_linear` is recorded as DynamicQuantizeLinear and MatMulInteger."""

    def recorded(inputs: Tensor, values: Tensor, scale: Tensor, _: Tensor, bias: Tensor | None) -> Tensor:
        outputs: Tensor = _Product.apply(inputs, values, scale)  # type: ignore[no-untyped-call]
        return outputs if bias is None else outputs + bias

    return Instead(dynamic_linear, recorded)


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
