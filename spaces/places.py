"""Where modules stand in a model; light to import."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def replace_module(model: "nn.Module", path: str, changed: "nn.Module") -> None:
    """Put `changed` wherever the module at `path` stands, in that one's mode: a module may stand at several places."""
    module = model.get_submodule(path)
    changed.train(module.training)
    waiting, seen = [model], {id(model)}
    while waiting:  # a plan replaces a hundred modules: `named_modules` would take longer than compressing them
        parent = waiting.pop()
        for name, child in parent._modules.items():
            if child is module:
                setattr(parent, name, changed)
            elif child is not None and id(child) not in seen:
                seen.add(id(child))
                waiting.append(child)


def inside(path: str, prefix: str) -> bool:
    """Whether a path is the module at `prefix`, or one in it."""
    return path == prefix or path.startswith(f"{prefix}.")
