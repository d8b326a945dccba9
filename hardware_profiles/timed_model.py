"""A whole model as it is timed: loaded, at rest, with its workload."""

from pathlib import Path

from transformers import PreTrainedModel

from greenfront.hardware_profiles.flops import count_flops
from greenfront.hardware_profiles.jobs import RawModel
from greenfront.hardware_profiles.runtime import Run, Runtime
from greenfront.hardware_profiles.sampling import Variant
from greenfront.hardware_profiles.target import Target
from greenfront.hardware_profiles.workload import workload
from greenfront.spaces import load_checkpoint, weight_bytes


class TimedModel:
    """A model on its target: single forward passes, each right after an untimed one of the same model."""

    def __init__(self, name: str, model: PreTrainedModel, target: Target, runtime: Runtime, seed: int) -> None:
        model.config.use_cache = False  # a growing key-value cache would make every pass dearer than the last
        self.name = name
        model.train(False)
        self.model = model
        self.inputs = workload(model, target, seed)
        self.run: Run = runtime.prepare(model, (), self.inputs)

    @classmethod
    def load(cls, name: str, folder: Path, target: Target, runtime: Runtime, seed: int) -> "TimedModel":
        """From a saved folder; raises DataError for one that can't be loaded."""
        return cls(name, load_checkpoint(folder), target, runtime, seed)

    @property
    def variant(self) -> Variant:
        """For the timing loop."""
        return Variant(self.name, (self.run,), lead_in=True)

    def raw(self, samples_ms: list[float], folder: Path) -> RawModel:
        """The samples, with what the loaded model and its folder hold."""
        device = next(self.model.parameters()).device
        return RawModel(
            samples_ms=samples_ms,
            parameters=sum(parameter.numel() for parameter in self.model.parameters()),
            flops=count_flops(self.model, (), {key: value.to(device) for key, value in self.inputs.items()}),
            weight_bytes=weight_bytes(folder),
        )
