"""Quantized linears as ONNX records them best: operators that ONNX Runtime fuses into one, DynamicQuantizeMatMul."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from greenfront.spaces.quantized import dynamic_linear, rounded


class DynamicQuantization(TorchFunctionMode):
    """While this lasts, `dynamic_linear` is recorded as DynamicQuantizeLinear and MatMulInteger."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is dynamic_linear:
            inputs, values, scale, _, bias = args
            outputs = _Product.apply(inputs, values, scale)  # type: ignore[no-untyped-call]
            return outputs if bias is None else outputs + bias
        return func(*args, **(kwargs or {}))


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
