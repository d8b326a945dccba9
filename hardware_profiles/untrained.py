"""Modules to be timed and thrown away: changed without drawing or copying a single weight."""

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

_Changed = TypeVar("_Changed", bound=nn.Module)


class Untrained:
    """Changed copies of a module: what a change leaves alone is the module's own, all new weights lie in one memory.

    The copies share that memory with each other: they are never timed at the same moment, and dozens of whole models
    with weights of their own would not fit into the machine.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._own = dict(module.named_parameters())
        self._memory: dict[torch.dtype, Tensor] = {}

    def build(self, change: Callable[[Any], _Changed]) -> _Changed:
        """What `change` makes of the module, at rest; it gets a copy whose weights have shapes but no values."""
        hollow = {id(weight): nn.Parameter(weight.to("meta"), False) for weight in self._module.parameters()}
        changed = change(copy.deepcopy(self._module, dict(hollow)))
        if any(buffer.is_meta and not buffer.is_floating_point() for buffer in changed.buffers()):
            changed = change(self._module)  # whole numbers mean something: only the method knows them
        changed.train(False)
        used: dict[torch.dtype, int] = {}
        filled: dict[int, nn.Parameter] = {}
        for path, part in changed.named_modules():
            for key, weight in part._parameters.items():
                if weight is not None and weight.is_meta:
                    own = self._own.get(f"{path}.{key}".lstrip("."))
                    if own is None or own.shape != weight.shape:
                        own = filled[id(weight)] if id(weight) in filled else self._parameter(weight, used)
                    part._parameters[key] = filled[id(weight)] = own
            for key, buffer in part._buffers.items():
                if buffer is not None and buffer.is_meta:
                    part._buffers[key] = self._values(buffer, used)
        return changed

    def _parameter(self, hollow: Tensor, used: dict[torch.dtype, int]) -> nn.Parameter:
        return nn.Parameter(self._values(hollow, used), False)

    def _values(self, hollow: Tensor, used: dict[torch.dtype, int]) -> Tensor:
        """The next stretch of the memory for numbers of this kind."""
        begin = used.get(hollow.dtype, 0)
        end = used[hollow.dtype] = begin + hollow.numel()
        memory = self._memory.get(hollow.dtype)
        if memory is None or len(memory) < end:
            size = end if memory is None else max(end, 2 * len(memory))
            memory = torch.empty(size, dtype=hollow.dtype, device=next(iter(self._own.values())).device)
            self._memory[hollow.dtype] = (
                memory.normal_(0, 0.02) if hollow.is_floating_point() else memory.random_(-127, 128)  # int8
            )
        return self._memory[hollow.dtype][begin:end].view(hollow.shape)
