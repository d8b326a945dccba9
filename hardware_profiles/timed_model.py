"""A whole model as it is timed: loaded, at rest, with its workload."""

from collections.abc import Collection
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel

from greenfront.hardware_profiles.cost import EnergySource
from greenfront.hardware_profiles.flops import count_flops
from greenfront.hardware_profiles.jobs import RawModel
from greenfront.hardware_profiles.runtime import Runtime, Serve
from greenfront.hardware_profiles.sampling import Run, Variant
from greenfront.hardware_profiles.target import Target
from greenfront.hardware_profiles.tracing import Use, trace
from greenfront.hardware_profiles.workload import workload
from greenfront.spaces.checkpoint import load_checkpoint


class TimedModel:
    """A model on its target: single forward passes, each right after untimed ones of the same model.

    `run` passes `batch_size` examples, `large_run` (made when it is first asked for) `large_batch`.
    """

    def __init__(
        self,
        name: str,
        model: PreTrainedModel,
        target: Target,
        runtime: Runtime,
        seed: int,
        shipped: tuple[Path, Path] | None = None,
    ) -> None:
        """`shipped`: the model's checkpoint, and the folder for what is deployed; None to run it from memory."""
        model.config.use_cache = False  # a growing key-value cache would make every pass dearer than the last
        model.train(False)
        self.name = name
        self.model = model
        self.inputs = workload(model, target, seed)
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self.deployed: Path | None = None
        self.deployed_bytes = 0
        self._target, self._seed, self._runtime = target, seed, runtime
        self._serve: Serve | None = None
        if shipped is not None:
            checkpoint, folder = shipped
            self.deployed = runtime.deploy(model, self.inputs, checkpoint, folder)
            self.deployed_bytes = runtime.deployed_bytes(self.deployed)
            if self.deployed != checkpoint:  # which is in memory already
                self._serve = runtime.load(self.deployed)
        self._serve = self._serve or runtime.serve(model, self.inputs)
        self.run: Run = self._serve(self.inputs)

    @classmethod
    def load(
        cls, name: str, checkpoint: Path, target: Target, runtime: Runtime, seed: int, scratch: Path
    ) -> "TimedModel":
        """From a saved folder, as the runtime deploys it: what is not there already is made in `scratch/NAME`.

        Raises:
            DataError: a folder that can't be loaded.
            MeasureError: a model that the runtime can't run.
        """
        return cls(name, load_checkpoint(checkpoint), target, runtime, seed, (checkpoint, scratch / name))

    @classmethod
    def of(cls, name: str, model: PreTrainedModel, target: Target, runtime: Runtime, seed: int) -> "TimedModel":
        """A model in memory, of which nothing is written; raises MeasureError where the runtime can't run it."""
        return cls(name, model, target, runtime, seed)

    @cached_property
    def large_run(self) -> Run:
        """The forward pass of `large_batch` examples."""
        assert self._serve is not None
        large = replace(self._target, batch_size=self._target.large_batch)
        return self._serve(workload(self.model, large, self._seed))

    @property
    def variant(self) -> Variant:
        """For the timing loop."""
        return Variant(self.name, (self.run,), lead_in=True)

    @property
    def large_variant(self) -> Variant:
        """For the timing loop, under the same name; too long for the caches' state before it to matter."""
        return Variant(self.name, (self.large_run,))

    @cached_property
    def flops(self) -> int:
        """Of `run`."""
        return count_flops(self.model, (), self._on_device(self.inputs))

    def uses(self, paths: Collection[str]) -> dict[str, Use]:
        """How a forward pass uses the modules at `paths`, in PyTorch, with the inputs that they have in this runtime.

        Where the runtime keeps masks, one token is masked: a mask that hides nothing would be left out.
        """
        inputs = dict(self.inputs)
        if self._runtime.keeps_masks and "attention_mask" in inputs:
            inputs["attention_mask"] = inputs["attention_mask"].clone()
            inputs["attention_mask"][:, -1] = 0
        return trace(self.model, self._on_device(inputs), paths)

    def raw(
        self, samples_ms: list[float], large_samples_ms: list[float], energy_j: float, energy_source: EnergySource
    ) -> RawModel:
        """The samples, with what the model and its deployment hold."""
        return RawModel(
            samples_ms=samples_ms,
            large_samples_ms=large_samples_ms,
            parameters=self.parameters,
            flops=self.flops,
            deployed_bytes=self.deployed_bytes,
            deployed=str(self.deployed or ""),
            energy_j=energy_j,
            energy_source=energy_source,
        )

    def _on_device(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        device = next(self.model.parameters()).device
        return {key: value.to(device) for key, value in inputs.items()}
