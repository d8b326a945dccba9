"""How a model uses its modules in one forward pass: how often, and on which inputs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Use:
    """One module in one forward pass of its model.

    `calls` is above 1 where layers share weights (ALBERT): all calls have equal shapes, so the first one's
    inputs stand for all.
    """

    calls: int
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def shapes(self) -> str:
        """The shapes of all input tensors, as `1x64x384`."""
        return " ".join("x".join(map(str, shape)) for shape in _shapes((self.args, self.kwargs))) or "nothing"


def trace(model: nn.Module, inputs: Mapping[str, Any], paths: Collection[str]) -> dict[str, Use]:
    """Run a model on keyword inputs and see how it uses the modules at `paths`; one it never calls is left out."""
    uses: dict[str, Use] = {}
    handles = []
    for path in paths:

        def record(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], path: str = path) -> None:
            known = uses.get(path)
            uses[path] = Use(known.calls + 1, known.args, known.kwargs) if known else Use(1, args, kwargs)

        handles.append(model.get_submodule(path).register_forward_pre_hook(record, with_kwargs=True))
    try:
        with torch.inference_mode():
            model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return uses


def _shapes(value: Any) -> list[torch.Size]:
    if isinstance(value, torch.Tensor):
        return [value.shape]
    if isinstance(value, Mapping):
        return [shape for _, item in sorted(value.items()) for shape in _shapes(item)]
    if isinstance(value, list | tuple):
        return [shape for item in value for shape in _shapes(item)]
    return []
