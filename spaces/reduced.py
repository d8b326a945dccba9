"""Linears without some of their rows or columns.

Dimension letters: O outputs, I inputs, N kept.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from greenfront.spaces.sites import Linear

if TYPE_CHECKING:
    from greenfront.spaces.removal import Removal


@dataclass(frozen=True)
class Kept:
    """What a reduced linear keeps of the original; stands on the module as `kept`, for its decomposition to follow."""

    rows: Tensor | None = None
    """The rows (N) that it keeps; None for all."""
    site: str = ""
    """Where columns were chosen, by which the library finds how to make up for those gone; "" where all are left."""
    units: int = 0
    """How many heads or neurons the columns left are of."""


def features(units: Tensor, unit: int, count: int, parts: int = 1) -> Tensor:
    """The features (parts x N x unit) of these heads or neurons (N) out of `count`, in every part of the outputs."""
    of_one = (units[:, None] * unit + torch.arange(unit, device=units.device)).flatten()
    return torch.cat([of_one + part * count * unit for part in range(parts)])


def without_rows(module: Linear, rows: Tensor) -> Linear:
    """A linear with these rows (N) of the module's, in this order."""
    dimension = 1 if isinstance(module, Conv1D) else 0
    there = rows.to(module.weight.device)
    weight = module.weight.detach().index_select(dimension, there)
    bias = None if module.bias is None else module.bias.detach().index_select(0, there)
    return _linear(module, weight, bias, Kept(rows=rows))


def without_columns(module: Linear, kept: Kept, unit: int, removal: "Removal | None", *, decomposed: bool) -> Linear:
    """A linear on the inputs of the units kept, which makes up for those that go.

    Without a library (`removal` None), and where a decomposition follows, which makes up for them itself, it has the
    module's first columns.
    """
    weight, bias = module.weight.detach(), None if module.bias is None else module.bias.detach()
    weight = weight.T if isinstance(module, Conv1D) else weight
    if removal is None or decomposed:
        weight = weight[:, : kept.units * unit]
    else:
        whole, weight = weight, removal.reconstruct_own(weight.cpu(), kept.units)
        bias = None if bias is None else bias + removal.mean_output(whole.cpu(), weight).to(bias)
    weight = weight.T if isinstance(module, Conv1D) else weight
    return _linear(module, weight.to(module.weight), bias, kept)


def of_size(module: Linear, rows: int, columns: int) -> Linear:
    """An untrained linear of the module's class with so many rows and columns: what it costs is what it costs."""
    dense = module.weight.detach()
    weight = dense[:columns, :rows] if isinstance(module, Conv1D) else dense[:rows, :columns]
    return _linear(module, weight, None if module.bias is None else module.bias.detach()[:rows], Kept())


def _linear(module: Linear, weight: Tensor, bias: Tensor | None, kept: Kept) -> Linear:
    """A module of the same class around copies of these weights, which need gradients where the module's do."""
    with torch.device("meta"):
        if isinstance(module, Conv1D):
            linear: Linear = Conv1D(weight.shape[1], weight.shape[0])
        else:
            linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    for name, values, old in (("weight", weight, module.weight), ("bias", bias, module.bias)):
        if values is not None and old is not None:
            parameter = nn.Parameter(values.clone(memory_format=torch.contiguous_format), old.requires_grad)
            setattr(linear, name, parameter)
    linear.kept = kept  # type: ignore[assignment]  # no submodule: read by low rank
    return linear
