"""One function in the place of another, wherever PyTorch or this package calls it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.overrides import TorchFunctionMode


class Instead(TorchFunctionMode):
    """While this lasts, calls of `replaced` go to `replacement`, with the same arguments.

    `replaced` is a function of PyTorch, or one that asks `torch.overrides.has_torch_function` itself.
    """

    def __init__(self, replaced: Callable[..., Any], replacement: Callable[..., Any]) -> None:
        super().__init__()
        self._replaced, self._replacement = replaced, replacement

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return (self._replacement if func is self._replaced else func)(*args, **(kwargs or {}))
