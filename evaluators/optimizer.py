"""AdamW as every training here uses it, and its moments, from which a training can go on."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import Module, Parameter

Moments = Mapping[str, Tensor]
"""The state of an AdamW by `PARAMETER:NAME`: `step` (), `exp_avg` and `exp_avg_sq` of the parameter's shape."""
_WEIGHT_DECAY = 0.01


def adamw(parameters: list[Parameter]) -> torch.optim.AdamW:
    """AdamW; biases and normalisations (one dimension) are not decayed."""
    decayed = [parameter for parameter in parameters if parameter.ndim > 1]
    rest = [parameter for parameter in parameters if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": _WEIGHT_DECAY}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=0.0, fused=True)


def moments_of(model: Module, optimizer: torch.optim.AdamW) -> dict[str, Tensor]:
    """The moments of a model's parameters, those of which the optimizer has any: not of what got no gradient yet."""
    return {
        f"{path}:{name}": value
        for path, parameter in model.named_parameters()
        for name, value in optimizer.state.get(parameter, {}).items()
    }


def restore_moments(model: Module, optimizer: torch.optim.AdamW, moments: Moments) -> None:
    """Inverse of `moments_of`, for a model of the same parameters; the tensors are copied."""
    parameters = dict(model.named_parameters())
    for name, value in moments.items():
        path, _, kind = name.rpartition(":")
        optimizer.state[parameters[path]][kind] = value.detach().to(parameters[path].device, copy=True)
