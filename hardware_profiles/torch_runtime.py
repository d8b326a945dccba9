"""PyTorch, eager or compiled, on CPU or CUDA."""

import os
import shutil
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from greenfront.errors import ConfigError, MeasureError
from greenfront.hardware_profiles.resident import MemoryPeak
from greenfront.hardware_profiles.runtime import Runtime, Serve, first_line
from greenfront.hardware_profiles.sampling import Run
from greenfront.hardware_profiles.target import Target
from greenfront.spaces.checkpoint import load_checkpoint, weight_bytes

_COMPILERS = ("g++", "clang++")


class TorchRuntime(Runtime):
    """`module(*args, **kwargs)` in inference mode: as it is, or with `compile: true` through `torch.compile`.

    What is deployed is the checkpoint itself.
    """

    name: ClassVar[str] = "torch"
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")

    @classmethod
    def check(cls, target: Target) -> None:
        super().check(target)
        if target.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError(
                f"hardware {target.name!r}: device is cuda, but this PyTorch sees no CUDA device; `cpu` is valid here"
            )
        compilers = (os.environ["CXX"],) if os.environ.get("CXX") else _COMPILERS
        if target.compile and not any(shutil.which(compiler) for compiler in compilers):
            raise ConfigError(
                f"hardware {target.name!r}: `compile: true` needs a C++ compiler, but {' and '.join(compilers)} "
                "can't be found; install one or set `compile: false`"
            )

    @classmethod
    def starts_quickly(cls, target: Target) -> bool:
        return target.device == "cpu" and not target.compile  # of a processor's memory, every process draws its own

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        torch.set_num_threads(target.threads)
        self._device = torch.device(target.device)
        self._compile = self.keeps_masks = target.compile

    def prepare(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Run:
        module.to(self._device)
        moved_args = tuple(self._move(value) for value in args)
        moved_kwargs = {key: self._move(value) for key, value in kwargs.items()}
        forward: Callable[..., Any] = module

        def run() -> Any:
            with torch.inference_mode():
                return forward(*moved_args, **moved_kwargs)

        if self._compile:
            try:
                forward = _compiled(module)
                run()
            except Exception as error:  # the compiler raises what it likes
                raise MeasureError(
                    f"torch.compile can't compile {type(module).__name__}: {first_line(error)}"
                ) from error
        return run

    def deploy(self, model: PreTrainedModel, inputs: Mapping[str, Tensor], checkpoint: Path, folder: Path) -> Path:
        return checkpoint

    def load(self, deployed: Path) -> Serve:
        return self.serve(load_checkpoint(deployed), {})

    def serve(self, model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> Serve:
        return lambda inputs: self.prepare(model, (), inputs)

    def deployed_bytes(self, deployed: Path) -> int:
        return weight_bytes(deployed)

    def synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()

    def reset_peak_memory(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        else:
            super().reset_peak_memory()

    def peak_memory(self) -> MemoryPeak:
        if self._device.type == "cuda":
            torch.cuda.synchronize()
            return MemoryPeak(torch.cuda.max_memory_allocated() / 1e6, "cuda max_memory_allocated")
        return super().peak_memory()

    def _move(self, value: Any) -> Any:
        """Tensors, also inside tuples, lists and dicts, to the device."""
        if isinstance(value, torch.Tensor):
            return value.to(self._device)
        if type(value) in (tuple, list):
            return type(value)(self._move(item) for item in value)
        if type(value) is dict:
            return {key: self._move(item) for key, item in value.items()}
        return value


def _compiled(module: nn.Module) -> Callable[..., Any]:
    """The compiled forward pass of a module, in code of its own.

    The compiler keeps what it has compiled per code object, tries one after the other at every call, and gives up
    after eight: modules of one class would slow each other down, and the ninth would run eagerly, unsaid.
    """

    def forward(*args: Any, **kwargs: Any) -> Any:
        return module(*args, **kwargs)

    code = forward.__code__.replace(co_name=f"forward_{id(module)}")
    own = types.FunctionType(code, globals(), code.co_name, None, forward.__closure__)
    compiled: Callable[..., Any] = torch.compile(own)
    return compiled
