"""What runs a model on a target: the contract that every runtime's file fulfils."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

Run = Callable[[], Any]
"""One forward pass on fixed inputs: returns the outputs, perhaps before the device has finished them."""


@dataclass(frozen=True)
class MemoryPeak:
    """The highest memory use since the last reset, and what exactly that number is."""

    megabytes: float
    source: str


class Runtime(ABC):
    """Turns a loaded model or a lone module into something that can be timed.

    A new runtime is one file with one subclass, listed in `hardware_profiles/registry.py`.
    The contract, tested for every runtime by `tests/hardware_profiles/runtime_contract.py`:
    `prepare` leaves the module as it is (but on its device) and its `Run` gives the module's own outputs,
    again and again; after `synchronize` everything started has finished; `weight_bytes` counts shared
    weights once.
    """

    name: ClassVar[str]
    """The runtime's name in the YAML."""
    devices: ClassVar[tuple[str, ...]]
    """The devices this runtime can be asked for."""

    @abstractmethod
    def __init__(self, device: str, threads: int) -> None:
        """Set this process up for a device and a number of threads.

        Raises:
            ConfigError: a device this runtime or this machine hasn't.
        """

    @abstractmethod
    def prepare(self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Run:
        """The forward pass of a module on these inputs, both moved to the device once and for all."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until the device has finished everything started."""

    @abstractmethod
    def weight_bytes(self, module: nn.Module) -> int:
        """Bytes of the weights as this runtime holds them in memory."""

    @abstractmethod
    def reset_peak_memory(self) -> None:
        """Start a new peak at the memory in use now."""

    @abstractmethod
    def peak_memory(self) -> MemoryPeak:
        """The peak since the last reset."""
