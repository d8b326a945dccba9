"""The Library: what is computed once per model, so that any Plan can be built by slicing."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.durable import replacing
from greenfront.errors import PlanError, RunError
from greenfront.spaces.factorization import Spectrum, factorize
from greenfront.spaces.moments import Moments, collect
from greenfront.spaces.plan import Settings
from greenfront.spaces.reduced import Kept
from greenfront.spaces.removal import Removal, removal
from greenfront.spaces.sites import Linear, linear_shape
from greenfront.spaces.space import Space

_TENSORS = ("up", "down", "loss", "mean_output", "mean_code")
_REMOVAL = ("order", "factor", "mean", "removal_loss")
_OWN = "weighted"
"""What a removal had not in earlier versions."""


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
    """Decompositions of every module that low rank may change, and what heads and neurons may be removed by.

    Immutable; with both about one and a half times the model's size.
    """

    def __init__(self, entries: dict[str, _Entry], removals: dict[str, Removal] | None = None) -> None:
        self._entries = entries
        self._removals = removals or {}

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
        """Collect moments on `batches`, factorize every low-rank site of `space`, sort heads and neurons.

        `token_counts` (V) are the training data's token frequencies, for the embedding's rows; without them
        those of `batches` are used. Progress is counted in sites, after the moments.
        """
        choices = [choice for choice in space.choices if choice.method in ("embeddings", "low_rank")]
        read_by = {c.site.path: (c, r) for c in space.choices for r in c.reduces if r.side == "in"}
        masked = [reduction.path for _, reduction in read_by.values()]
        paths = list(dict.fromkeys([*(choice.site.path for choice in choices), *masked]))
        moments = collect(model, paths, batches, seed=seed, masked=masked) if paths else {}
        never = next((path for path in paths if path not in moments), None)
        if never is not None:
            raise PlanError(f"{never}: the model never called this module on the calibration data")
        entries, removals = {}, {}
        for choice in choices:
            path = choice.site.path
            rank = max(int(settings["rank"]) for settings in choice.settings)
            entries[path] = _entry(
                model.get_submodule(path), moments[path], rank, config.low_rank.decomposition, token_counts
            )
            if progress is not None:
                progress(len(entries), len(choices) + len(read_by))
        for path, (choice, reduction) in read_by.items():
            importance = config.heads.importance if choice.method == "heads" else "fisher"
            removals[path] = _removal(
                model.get_submodule(reduction.path), moments[reduction.path], reduction.unit, importance
            )
            if progress is not None:
                progress(len(entries) + len(removals), len(choices) + len(read_by))
        return cls(entries, removals)

    def factors(self, path: str, rank: int, kept: Kept | None = None) -> Factors:
        """Factors of one rank, slices of what is kept; of what is left of a linear, where it is reduced already.

        Columns that are gone are made up for in `down`, and in the bias.

        Raises:
            PlanError: a module or rank that was not prepared.
        """
        entry = self._find(path, rank)
        up, down, mean_code = entry.spectrum.up[:, :rank], entry.spectrum.down[:rank], entry.mean_code[:rank]
        if kept is not None and kept.site:
            removal = self.removal(kept.site)
            whole, down = down, removal.reconstruct(down, kept.units)
            mean_code = mean_code - removal.mean_output(whole, down)
        bias = entry.mean_output - up @ mean_code
        if kept is not None and kept.rows is not None:
            up, bias = up[kept.rows], bias[kept.rows]
        return Factors(up, down, bias)

    def removal(self, path: str) -> Removal:
        """How heads or neurons are removed that are chosen at `path`; raises PlanError where none was prepared."""
        if path not in self._removals:
            raise PlanError(f"{path}: the library doesn't know the importance of what could be removed here")
        return self._removals[path]

    def loss(self, path: str, settings: Settings) -> float | None:
        """Predicted loss in nats of one change alone; None where no closed form exists."""
        rank, kept = settings.get("rank"), settings.get("heads", settings.get("width"))
        if rank is not None:
            return float(self._find(path, int(rank)).spectrum.loss[int(rank)])
        if kept is not None and path in self._removals:
            return float(self._removals[path].removal_loss[int(kept)])
        return None if settings else 0.0

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
        } | {
            f"{path}/{name}": tensor
            for path, removal in self._removals.items()
            for name in (*_REMOVAL, _OWN)
            if (tensor := getattr(removal, name)) is not None
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> "Library":
        """Inverse of `tensors`; raises KeyError or ValueError for others."""
        paths = sorted({name.rpartition("/")[0] for name in tensors})
        entries, removals = {}, {}
        for path in paths:
            if f"{path}/order" in tensors:
                found = {name: tensors[f"{path}/{name}"] for name in _REMOVAL}
                removals[path] = Removal(**found, weighted=tensors.get(f"{path}/{_OWN}"))
            if f"{path}/order" in tensors and f"{path}/up" not in tensors:
                continue
            part = {name: tensors[f"{path}/{name}"] for name in _TENSORS}
            if f"{path}/up_gram" in tensors:
                raise ValueError("it is of an older version, whose factors were not balanced")
            means = {name: part.pop(name) for name in ("mean_output", "mean_code")}
            entries[path] = _Entry(Spectrum(**part), **means)
        return cls(entries, removals)

    def save(self, folder: Path) -> None:
        """Write `library.safetensors` into the folder, whole or not at all."""
        tensors = {name: tensor.contiguous() for name, tensor in self.tensors().items()}
        with replacing(folder / "library.safetensors") as partial:
            folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, partial, metadata={"greenfront": json.dumps({"version": 3})})

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
    inputs, mean = _centred(module, found)
    spectrum = factorize(weight, inputs, found.gradients, rank, **weigh)
    return _Entry(spectrum, (weight.double() @ mean).float(), (spectrum.down.double() @ mean).float())


def _removal(module: nn.Module, found: Moments, unit: int, importance: str) -> Removal:
    inputs, mean = _centred(module, found)
    assert found.mask_gradients is not None
    return removal(dense_weight(module), inputs, mean, found.gradients, found.mask_gradients, unit, importance)


def _centred(module: nn.Module, found: Moments) -> tuple[Tensor, Tensor]:
    """The inputs' second moment and mean; a bias takes the mean, so that only the covariance can be lost."""
    if module.bias is None:
        return found.inputs, torch.zeros_like(found.mean)
    return found.inputs - torch.outer(found.mean, found.mean), found.mean


def dense_weight(module: nn.Module) -> Tensor:
    """A linear's weight as (out x in), also for a `Conv1D`."""
    assert isinstance(module, Linear)
    weight = module.weight.detach()
    return weight if tuple(weight.shape) == linear_shape(module) and isinstance(module, nn.Linear) else weight.T
