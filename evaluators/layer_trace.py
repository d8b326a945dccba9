"""Which linears a model's layers call, in which order, and which of them read what an attention was given."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from greenfront.evaluators.recorded_pass import Batch, logits_of
from greenfront.spaces.sharing import block_paths
from greenfront.spaces.sites import attention_sites, linear_sites


@dataclass(frozen=True)
class LinearCall:
    """A linear called in a layer.

    Attributes:
        path: where it stands.
        attention: the attention that called it, if any.
        given: whether it read what that attention was given.
        rows: tokens of one example that it read.
        activity: (I,) mean size of each of its input features over valid tokens.
    """

    path: str
    attention: str | None
    given: bool
    rows: int
    activity: torch.Tensor


@dataclass
class LayerTrace:
    """What one block called when it was called first; `attentions` has how many linears had been when each ended."""

    path: str
    calls: list[LinearCall] = field(default_factory=list)
    attentions: dict[str, int] = field(default_factory=dict)


def trace_layers(model: PreTrainedModel, batch: Batch) -> list[LayerTrace]:
    """The model's blocks in the order in which they are called first, from one forward pass over a batch."""
    tracer = _Tracer(batch.get("attention_mask"))
    with ExitStack() as hooks:
        for path in block_paths(model):
            block = model.get_submodule(path)
            hooks.callback(block.register_forward_pre_hook(tracer.begin(path)).remove)
            hooks.callback(block.register_forward_hook(tracer.end).remove)
        for site, module in attention_sites(model):
            hooks.callback(module.register_forward_pre_hook(tracer.enter(site.path), with_kwargs=True).remove)
            hooks.callback(module.register_forward_hook(tracer.leave).remove)
        for site, linear in linear_sites(model):
            hooks.callback(linear.register_forward_pre_hook(tracer.call(site.path)).remove)
        logits_of(model, batch)
    return list(tracer.layers.values())


class _Tracer:
    """Hooks that write down what they see; `mask` (B, L) is the batch's."""

    def __init__(self, mask: torch.Tensor | None) -> None:
        self.layers: dict[str, LayerTrace] = {}
        self._mask = None if mask is None else mask.bool()
        self._layer: LayerTrace | None = None
        self._attentions: list[tuple[str, list[int]]] = []  # those entered, with the addresses of what they were given
        self._alive: list[torch.Tensor] = []  # so that no address is given to two tensors

    def begin(self, path: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            self._layer = None if path in self.layers else self.layers.setdefault(path, LayerTrace(path))

        return hook

    def end(self, *_: Any) -> None:
        self._layer = None

    def enter(self, path: str) -> Callable[..., None]:
        def hook(_: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
            given = [each for each in (*arguments, *options.values()) if isinstance(each, torch.Tensor)]
            self._alive += given
            self._attentions.append((path, [tensor.data_ptr() for tensor in given]))

        return hook

    def leave(self, *_: Any) -> None:
        path, _given = self._attentions.pop()
        if self._layer is not None:
            self._layer.attentions[path] = len(self._layer.calls)

    def call(self, path: str) -> Callable[..., None]:
        def hook(_: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
            if self._layer is None:
                return
            values = arguments[0]
            self._alive.append(values)
            attention, given = self._attentions[-1] if self._attentions else (None, [])
            rows = values[0].numel() // values.shape[-1]
            self._layer.calls.append(
                LinearCall(path, attention, values.data_ptr() in given, rows, self._valid(values).abs().mean(0))
            )

        return hook

    def _valid(self, values: torch.Tensor) -> torch.Tensor:
        if self._mask is not None and values.shape[:2] == self._mask.shape:
            return values[self._mask]
        return values.flatten(0, -2)
