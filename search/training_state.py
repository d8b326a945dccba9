"""A candidate half-way through its training, for another process: weights before rounding, and AdamW's moments."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from greenfront.evaluators import Stretch, TrainingLog

Weights = Mapping[str, NDArray[Any]]
_MODEL, _MOMENTS, _BEFORE = "model.", "moments.", "before"


@dataclass(frozen=True)
class Part:
    """What of a candidate's training is to be done: the steps from `start` up to before `stop`.

    `state` is what `pack` made at `start`; empty at the first step.
    """

    start: int
    stop: int
    state: Weights = field(default_factory=dict, repr=False)


def pack(model: PreTrainedModel, frozen: Collection[str], log: TrainingLog) -> Weights:
    """All that a training goes on from; what is below `frozen` paths is the original's, so left out."""
    below = tuple(f"{path}." for path in frozen)
    weights = {name: array for name, array in to_arrays(model).items() if not name.startswith(below)}
    return {
        **{f"{_MODEL}{name}": array for name, array in weights.items()},
        **{f"{_MOMENTS}{name}": moment.cpu().numpy() for name, moment in log.moments.items()},
        **({} if log.before is None else {_BEFORE: np.array(log.before)}),
    }


def unpack(model: PreTrainedModel, part: Part) -> Stretch:
    """Give a model of the same plan, just built, the weights of `pack`; what comes back is for `distill`."""
    state = part.state
    weights = {name.removeprefix(_MODEL): array for name, array in state.items() if name.startswith(_MODEL)}
    if weights:
        load_arrays(model, {**to_arrays(model), **weights})
    moments = {
        name.removeprefix(_MOMENTS): torch.from_numpy(np.array(array))
        for name, array in state.items()
        if name.startswith(_MOMENTS)
    }
    return Stretch(part.start, part.stop, moments, float(state[_BEFORE]) if _BEFORE in state else None)


def to_arrays(model: torch.nn.Module) -> Weights:
    """A model's state for another process; bfloat16, which NumPy hasn't, as int16 of the same bits."""
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    halves = {name: tensor.view(torch.int16) for name, tensor in state.items() if tensor.dtype == torch.bfloat16}
    return {name: tensor.numpy() for name, tensor in {**state, **halves}.items()}


def load_arrays(model: torch.nn.Module, weights: Weights) -> None:
    """Inverse of `to_arrays`, into a model of the same plan."""
    dtypes = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    model.load_state_dict(
        {name: torch.from_numpy(np.array(value)).view(dtypes[name]) for name, value in weights.items()}
    )
