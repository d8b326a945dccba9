"""What runs a model on a target: the contract that every runtime's file fulfils.

A new runtime (OpenVINO, TensorRT) is one file with one subclass of `Runtime`, and one line in `registry.py`. It says
its `name`, its `devices` and the modules it `requires`, and has four things to do:

- `prepare`: a lone module on fixed inputs becomes a `Run`, for the table of operations;
- `deploy`: a model becomes the file that would be shipped, for its size, its memory and its latency;
- `load`: that file becomes a `Serve`, which makes a `Run` of inputs of any size;
- `serve`: the same of a model in memory, for candidates that nobody ships.

Where the device is not the host, `synchronize` and the two methods about peak memory are its own, too. What is
exported in passing (`onnx_export.py`) can be imported by several runtimes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn
from transformers import PreTrainedModel

from greenfront.errors import ConfigError
from greenfront.hardware_profiles.resident import (
    MemoryPeak,
    peak_resident_set,
    release_freed_memory,
    reset_resident_peak,
)
from greenfront.hardware_profiles.sampling import Run
from greenfront.hardware_profiles.target import Target

Serve = Callable[[Mapping[str, Tensor]], Run]
"""A loaded model: keyword inputs -> its forward pass on them. All of its runs share one set of weights."""


class Runtime(ABC):
    """Turns a saved model or a lone module into something that can be timed.

    The contract, tested for every runtime by `tests/hardware_profiles/runtime_contract.py`: modules stay as they
    are (but may be moved to the device); a `Run` gives the module's own outputs as tensors, again and again; after
    `synchronize` everything started has finished; `weight_bytes` counts shared weights once.
    """

    name: ClassVar[str]
    """The runtime's name in the YAML."""
    devices: ClassVar[tuple[str, ...]]
    """The devices this runtime can be asked for."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Modules beyond Greenfront's own dependencies, which are their packages' names."""
    extra: ClassVar[str] = ""
    """The extra of Greenfront that installs them."""
    deployed_worker: ClassVar[str] = "greenfront.hardware_profiles.worker"
    """The module that measures what was deployed, run as a process that holds no more than a deployment would."""
    makes_files: ClassVar[bool] = False
    """Whether what is deployed is made of a model in memory, so also of a candidate that has no checkpoint."""
    keeps_masks: bool = False
    """Whether an attention mask that hides nothing costs all the same: in a graph that was recorded for any input."""

    @classmethod
    def missing(cls) -> list[str]:
        """The modules that this runtime requires and that aren't installed."""
        return [module for module in cls.requires if find_spec(module) is None]

    @classmethod
    def versions(cls) -> dict[str, str]:
        """Versions of what this runtime adds to PyTorch and Transformers."""
        return {module: version(module) for module in cls.requires}

    @classmethod
    def check(cls, target: Target) -> None:
        """Refuse a target that this runtime can't be on this machine.

        Raises:
            ConfigError: a device that this runtime or this machine hasn't, or an option it can't take.
        """
        if target.device not in cls.devices:
            raise ConfigError(
                f"hardware {target.name!r}: device must be one of {', '.join(cls.devices)} "
                f"for runtime {cls.name}, but got {target.device!r}"
            )

    @classmethod
    def starts_quickly(cls, target: Target) -> bool:
        """Whether a process that times candidates is ready within seconds: then several calibrate a profile."""
        return False

    def __init__(self, target: Target) -> None:
        """Set this process up for a target's device, threads and options; raises ConfigError as `check` does."""
        self.check(target)

    @abstractmethod
    def prepare(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Run:
        """The forward pass of a module on these inputs, both moved to the device once and for all.

        Raises:
            MeasureError: a module that this runtime can't run, with what it says.
        """

    def prepare_chain(
        self, modules: Sequence[nn.Module], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Run, ...]:
        """`prepare` for modules that differ in nothing but the values of their weights."""
        return tuple(self.prepare(module, args, kwargs) for module in modules)

    @abstractmethod
    def deploy(self, model: PreTrainedModel, inputs: Mapping[str, Tensor], checkpoint: Path, folder: Path) -> Path:
        """The file or folder that this runtime ships of a model.

        `checkpoint` is where the model was loaded from. What has to be made is made in `folder`, for inputs like
        these of any batch size and any length.

        Raises:
            MeasureError: a model that this runtime can't run, with what it says.
        """

    @abstractmethod
    def load(self, deployed: Path) -> Serve:
        """What `deploy` returned, loaded."""

    @abstractmethod
    def serve(self, model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> Serve:
        """The same as deployed and loaded, of a model that stays in memory: nothing is written."""

    @abstractmethod
    def deployed_bytes(self, deployed: Path) -> int:
        """Bytes of what `deploy` returned."""

    def weight_bytes(self, module: nn.Module) -> int:
        """Bytes of the weights as this runtime holds them in memory."""
        tensors = {tensor.data_ptr(): tensor for tensor in module.state_dict().values() if tensor.numel()}
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())

    def synchronize(self) -> None:
        """Wait until the device has finished everything started; the host itself never lags behind."""
        return

    def reset_peak_memory(self) -> None:
        """Start a new peak at the memory in use now."""
        release_freed_memory()
        reset_resident_peak()

    def peak_memory(self) -> MemoryPeak:
        """The peak since the last reset."""
        return peak_resident_set()


def first_line(error: Exception) -> str:
    """The beginning of what a library's error says, for a message of ours."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
