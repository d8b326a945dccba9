"""A kept candidate as it was before what can't be trained was applied: how its training goes on."""

import torch
from torch import nn
from transformers import PreTrainedModel

from greenfront.spaces.checkpoint import plan_of
from greenfront.spaces.compression import compress
from greenfront.spaces.quantized import QuantizedEmbedding, RoundedLinear


def unrounded(original: PreTrainedModel, kept: PreTrainedModel) -> PreTrainedModel:
    """A model of `kept`'s Plan that can be trained, with the weights that `kept`'s stand for, in float32.

    `complete` makes `kept` of it again: rows in int8 have their largest weight at 127 of 127 steps, and still have. So
    nothing but the rounded weights need be kept of a candidate that may be trained on (rounding to eight bits costs
    what training wins back at once; see decision 24).
    """
    model = compress(original, plan_of(kept), to_train=True)
    state = dict(kept.state_dict())
    for path, module in kept.named_modules(remove_duplicate=False):
        if isinstance(module, RoundedLinear | QuantizedEmbedding):
            for name in ("values", "scale", "sums"):
                state.pop(f"{path}.{name}", None)
            state[f"{path}.weight"] = _as_in(model.get_submodule(path), module.weight)
    model.load_state_dict(state)
    return model


def _as_in(module: nn.Module, weight: torch.Tensor) -> torch.Tensor:
    """A weight (O x I) as the module keeps it: a `Conv1D` has it the other way round."""
    return weight if isinstance(module, nn.Linear | nn.Embedding) else weight.T
