"""FLOPs of a forward pass, counted as it runs; one fused multiply-add is two FLOPs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

Shape = Sequence[int]


def count_flops(module: nn.Module, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> int:
    """FLOPs of the matrix products, convolutions and attentions of `module(*args, **kwargs)`.

    Element-wise work, normalisation and look-ups are not counted, as everywhere in the literature.
    """
    with torch.inference_mode(), FlopCounterMode(display=False, custom_mapping=_UNKNOWN) as counter:
        module(*args, **(kwargs or {}))
    return int(counter.get_total_flops())


def _attention_flops(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    """Query (B, H, Q, D), key (B, H, L, D), value (B, H, L, V): the products Q K^T and P V."""
    batch, heads, queries, width = query
    return 2 * batch * heads * queries * key[2] * (width + value[3])


def _integer_product_flops(left: Shape, right: Shape, *_: Any, **__: Any) -> int:
    """int8 (M, I), (I, O): counted as what it stands for."""
    return 2 * left[0] * left[1] * right[1]


# PyTorch 2.13 knows the formulas of the GPU's fused attentions alone, and none of integers; it would count nothing.
_UNKNOWN: dict[Any, Callable[..., int]] = {
    torch.ops.aten._int_mm: _integer_product_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
}
