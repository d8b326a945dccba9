"""Where modules stand in a model; light to import."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def replace_module(model: "nn.Module", path: str, changed: "nn.Module") -> None:
    """Put `changed` wherever the module at `path` stands, in that one's mode: a module may stand at several places."""
    module = model.get_submodule(path)
    changed.train(module.training)
    for name in [name for name, other in model.named_modules(remove_duplicate=False) if other is module]:
        model.set_submodule(name, changed)


def inside(path: str, prefix: str) -> bool:
    """Whether a path is the module at `prefix`, or one in it."""
    return path == prefix or path.startswith(f"{prefix}.")
