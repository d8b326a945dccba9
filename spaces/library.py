"""The Library: what is computed once per model, so that any Plan can be built by slicing."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import PlanError, RunError
from greenfront.spaces.factorization import Spectrum, factorize
from greenfront.spaces.moments import Moments, collect
from greenfront.spaces.plan import Settings
from greenfront.spaces.sites import Linear, linear_shape
from greenfront.spaces.space import Space

_TENSORS = ("up", "down", "loss", "mean_output", "mean_code")


@dataclass(frozen=True)
class Factors:
    """Weights of a low-rank linear: up (O x R), down (R x I), and what to add to the bias (O)."""

    up: Tensor
    down: Tensor
    bias: Tensor


@dataclass(frozen=True)
class _Entry:
    """One module's spectrum, with the mean output `W E[x]` (O) and the mean code `down E[x]` (R)."""

    spectrum: Spectrum
    mean_output: Tensor
    mean_code: Tensor


class Library:
    """Decompositions of every module that low rank may change; immutable, a few copies of the model in size."""

    def __init__(self, entries: dict[str, _Entry]) -> None:
        self._entries = entries

    @classmethod
    def compute(
        cls,
        model: PreTrainedModel,
        batches: Iterable[dict[str, Tensor]],
        space: Space,
        config: SpaceConfig,
        *,
        token_counts: Tensor | None = None,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> "Library":
        """Collect moments on `batches` and factorize every low-rank site of `space`.

        `token_counts` (V) are the training data's token frequencies, for the embedding's rows; without them
        those of `batches` are used. Progress is counted in sites, after the moments.
        """
        choices = [choice for choice in space.choices if choice.method == "low_rank"]
        moments = collect(model, [choice.site.path for choice in choices], batches, seed=seed) if choices else {}
        entries = {}
        for done, choice in enumerate(choices, start=1):
            module = model.get_submodule(choice.site.path)
            rank = max(int(settings["rank"]) for settings in choice.settings)
            found = moments.get(choice.site.path)
            if found is None:
                raise PlanError(f"{choice.site.path}: the model never called this module on the calibration data")
            entries[choice.site.path] = _entry(module, found, rank, config.low_rank.decomposition, token_counts)
            if progress is not None:
                progress(done, len(choices))
        return cls(entries)

    def factors(self, path: str, rank: int) -> Factors:
        """Factors of one rank, slices of what is kept; raises PlanError for a module or rank that was not prepared."""
        entry = self._find(path, rank)
        up, down = entry.spectrum.up[:, :rank], entry.spectrum.down[:rank]
        return Factors(up, down, entry.mean_output - up @ entry.mean_code[:rank])

    def loss(self, path: str, settings: Settings) -> float | None:
        """Predicted loss in nats of one change alone; None where no closed form exists."""
        rank = settings.get("rank")
        if rank is None:
            return None if settings else 0.0
        return float(self._find(path, int(rank)).spectrum.loss[int(rank)])

    def _find(self, path: str, rank: int) -> _Entry:
        entry = self._entries.get(path)
        if entry is None:
            raise PlanError(f"{path}: the library holds no decomposition of this module")
        if not 0 < rank < len(entry.spectrum.loss):
            raise PlanError(f"{path}: the library's ranks go from 1 to {len(entry.spectrum.loss) - 1}, but got {rank}")
        return entry

    def tensors(self) -> dict[str, Tensor]:
        """Everything as named tensors: for the disk and for Ray's object store."""
        return {
            f"{path}/{name}": getattr(entry if name.startswith("mean") else entry.spectrum, name)
            for path, entry in self._entries.items()
            for name in _TENSORS
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> "Library":
        """Inverse of `tensors`; raises KeyError or ValueError for others."""
        paths = sorted({name.rpartition("/")[0] for name in tensors})
        entries = {}
        for path in paths:
            part = {name: tensors[f"{path}/{name}"] for name in _TENSORS}
            if f"{path}/up_gram" in tensors:
                raise ValueError("it is of an older version, whose factors were not balanced")
            means = {name: part.pop(name) for name in ("mean_output", "mean_code")}
            entries[path] = _Entry(Spectrum(**part), **means)
        return cls(entries)

    def save(self, folder: Path) -> None:
        """Write `library.safetensors` into the folder, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / "library.safetensors.partial"
        tensors = {name: tensor.contiguous() for name, tensor in self.tensors().items()}
        save_file(tensors, partial, metadata={"greenfront": json.dumps({"version": 2})})
        os.replace(partial, folder / "library.safetensors")

    @classmethod
    def load(cls, folder: Path) -> "Library":
        """Read what `save` wrote; raises RunError when it isn't there or can't be read."""
        path = folder / "library.safetensors"
        try:
            return cls.from_tensors(load_file(path))
        except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
            raise RunError(f"{path}: not a readable library ({error}); delete it to have it computed again") from error


def _entry(module: nn.Module, found: Moments, rank: int, decomposition: str, token_counts: Tensor | None) -> _Entry:
    weigh = {"weigh_inputs": decomposition != "plain", "weigh_outputs": decomposition == "two_sided"}
    if isinstance(module, nn.Embedding):
        # A one-hot input has the token frequencies as its second moment. One more than counted: no row is free.
        counts = (token_counts if token_counts is not None else found.inputs * found.tokens).double() + 1
        spectrum = factorize(module.weight.detach().T, counts / counts.sum(), found.gradients, rank, **weigh)
        nothing = torch.zeros(module.embedding_dim), torch.zeros(rank)
        return _Entry(spectrum, *nothing)
    weight = dense_weight(module)
    inputs, mean = found.inputs, found.mean
    if module.bias is None:
        mean = torch.zeros_like(mean)
    else:
        inputs = inputs - torch.outer(mean, mean)  # the bias takes the mean, so only the covariance can be lost
    spectrum = factorize(weight, inputs, found.gradients, rank, **weigh)
    return _Entry(spectrum, (weight.double() @ mean).float(), (spectrum.down.double() @ mean).float())


def dense_weight(module: nn.Module) -> Tensor:
    """A linear's weight as (out x in), also for a `Conv1D`."""
    assert isinstance(module, Linear)
    weight = module.weight.detach()
    return weight if tuple(weight.shape) == linear_shape(module) and isinstance(module, nn.Linear) else weight.T
