"""A forward pass that is kept, so that a model changed in a late block need not run the blocks before it again.

What every block gives back is recorded, call by call. For a changed model, the calls made before the first one of a
changed block give back what they gave before; from there on, everything runs. Nothing has to be known about the
model for this: what ran before the first changed block can't depend on the change, whatever stands between the
blocks, and embeddings and heads run anyway. A block called several times (ALBERT) is replayed up to the change.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from greenfront.evaluators.sum_metric import Logits
from greenfront.spaces.answers import answer_rows
from greenfront.spaces.sharing import block_paths

Batch = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class RecordedPass:
    """One batch, what a model answered, and what each call of a block gave back, in order, under the block's path."""

    batch: Batch
    logits: Logits
    calls: tuple[tuple[str, Any], ...]

    @property
    def bytes(self) -> int:
        """How much memory calls and logits hold."""
        tensors = (tensor for _, output in self.calls for tensor in _tensors(output))
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors) + int(self.logits.nbytes)


def record(model: PreTrainedModel, batch: Batch) -> RecordedPass:
    """Run a batch and keep it; the model is expected in evaluation mode."""
    calls: list[tuple[str, Any]] = []

    def keep(path: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _module, _inputs, output: calls.append((path, output))

    with ExitStack() as hooks:
        for path, block in _blocks(model).items():
            hooks.callback(block.register_forward_hook(keep(path)).remove)
        logits = logits_of(model, batch)
    return RecordedPass(batch, logits, tuple(calls))


def first_call(recorded: RecordedPass, blocks: Collection[str]) -> int:
    """The number of calls made before the first one of these blocks, 0 where none of them was called."""
    return next((number for number, (path, _) in enumerate(recorded.calls) if path in blocks), 0)


def logits_from(model: PreTrainedModel, recorded: RecordedPass, calls: int) -> Logits:
    """The (P, C) logits of a changed model on the recorded batch, whose first `calls` calls are not made again.

    The model's frame must be its own (`greenfront.spaces.sharing.share`): its blocks are exchanged for the time.
    """
    with _replaying(model, recorded.calls[:calls]):
        return logits_of(model, recorded.batch)


def logits_of(model: PreTrainedModel, batch: Batch) -> Logits:
    """The (P, C) float32 logits of every answer that one batch asks for, see `answer_rows`."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        rows = answer_rows(model, {key: value.to(device) for key, value in batch.items()})
    found: Logits = rows.float().cpu().numpy()
    return found


class _Replayed(nn.Module):
    """Stands for a block: gives back what its first calls gave, then calls it. Has the attributes of the block."""

    def __init__(self, block: nn.Module, outputs: Sequence[Any]) -> None:
        super().__init__()
        self.block = block
        self.left = list(outputs)

    def forward(self, *arguments: Any, **options: Any) -> Any:
        return self.left.pop(0) if self.left else self.block(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("block"), name)


@contextmanager
def _replaying(model: nn.Module, calls: Sequence[tuple[str, Any]]) -> Iterator[None]:
    outputs: dict[str, list[Any]] = {}
    for path, output in calls:
        outputs.setdefault(path, []).append(output)
    names = {path: _names(model, path) for path in outputs}
    blocks = {path: model.get_submodule(path) for path in outputs}
    try:
        for path, kept in outputs.items():
            stand_in = _Replayed(blocks[path], kept)
            for name in names[path]:
                model.set_submodule(name, stand_in)
        yield
    finally:
        for path, block in blocks.items():
            for name in names[path]:
                model.set_submodule(name, block)


def _blocks(model: nn.Module) -> dict[str, nn.Module]:
    """Every block once, under the first of its paths."""
    once: dict[int, tuple[str, nn.Module]] = {}
    for path in block_paths(model):
        block = model.get_submodule(path)
        once.setdefault(id(block), (path, block))
    return dict(once.values())


def _names(model: nn.Module, path: str) -> list[str]:
    module = model.get_submodule(path)
    return [name for name in block_paths(model) if model.get_submodule(name) is module]


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, Mapping):
        yield from _tensors(list(output.values()))
    elif isinstance(output, list | tuple):
        for part in output:
            yield from _tensors(part)
