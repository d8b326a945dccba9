"""Eager PyTorch, on CPU or CUDA."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from greenfront.errors import ConfigError
from greenfront.hardware_profiles.resident import peak_resident_set, release_freed_memory, reset_resident_peak
from greenfront.hardware_profiles.runtime import MemoryPeak, Run, Runtime


class TorchRuntime(Runtime):
    """`module(*args, **kwargs)` in inference mode, as it is, with nothing compiled or fused."""

    name: ClassVar[str] = "torch"
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")

    def __init__(self, device: str, threads: int) -> None:
        if device not in self.devices:
            raise ConfigError(f"device must be one of {', '.join(self.devices)} for torch, but got {device!r}")
        if device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("device is cuda, but this PyTorch sees no CUDA device; `cpu` is valid here")
        torch.set_num_threads(threads)
        self._device = torch.device(device)

    def prepare(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Run:
        module.to(self._device)
        moved_args = tuple(self._move(value) for value in args)
        moved_kwargs = {key: self._move(value) for key, value in kwargs.items()}

        def run() -> Any:
            with torch.inference_mode():
                return module(*moved_args, **moved_kwargs)

        return run

    def synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()

    def weight_bytes(self, module: nn.Module) -> int:
        tensors = {tensor.data_ptr(): tensor for tensor in module.state_dict().values() if tensor.numel()}
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())

    def reset_peak_memory(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        else:
            release_freed_memory()
            reset_resident_peak()

    def peak_memory(self) -> MemoryPeak:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
            return MemoryPeak(torch.cuda.max_memory_allocated() / 1e6, "cuda max_memory_allocated")
        return peak_resident_set()

    def _move(self, value: Any) -> Any:
        """Tensors, also inside tuples, lists and dicts, to the device."""
        if isinstance(value, torch.Tensor):
            return value.to(self._device)
        if type(value) in (tuple, list):
            return type(value)(self._move(item) for item in value)
        if type(value) is dict:
            return {key: self._move(item) for key, item in value.items()}
        return value
