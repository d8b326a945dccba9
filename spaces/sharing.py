"""A changed model that shares with the original all that the change leaves alone: for reading, not for training."""

import copy
from collections.abc import Collection

from torch import nn
from transformers import PreTrainedModel

from greenfront.spaces.attention import IMPLEMENTATION
from greenfront.spaces.checkpoint import plan_of
from greenfront.spaces.compression import apply_plan, check_plan, compress
from greenfront.spaces.library import Library
from greenfront.spaces.plan import Plan


def block_paths(model: nn.Module) -> list[str]:
    """Where the members of the model's outermost `nn.ModuleList`s stand: its repeated blocks, in the model's order.

    A block that stands at several places is named at each.
    """
    found: list[str] = []
    for path, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, nn.ModuleList) and not any(path.startswith(f"{block}.") for block in found):
            found += [f"{path}.{name}" if path else name for name, _ in module.named_children()]
    return found


def blocks_of(model: nn.Module, paths: Collection[str]) -> dict[str, list[str]]:
    """For each path, the blocks that hold its module, wherever that stands; a path outside of all blocks has none."""
    names: dict[int, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(id(module), []).append(name)
    blocks = block_paths(model)
    return {
        path: [
            block
            for block in blocks
            if any(f"{name}.".startswith(f"{block}.") for name in names[id(model.get_submodule(path))])
        ]
        for path in paths
    }


def share(model: PreTrainedModel, copied: Collection[str] = ()) -> PreTrainedModel:
    """A copy of the model's frame, which holds the original's own blocks, embeddings and heads.

    The frame is what stands above the blocks and above the `copied` modules; these are copied with all below them.
    So the frame's own blocks can be exchanged without a trace in the original, whose weights are in memory once.
    """
    above = {name for path in (*copied, *block_paths(model)) for name in _ancestors(path)}
    kept = {
        id(module): module
        for path, module in model.named_modules(remove_duplicate=False)
        if path not in above and not any(f"{path}.".startswith(f"{own}.") for own in copied)
    }
    return copy.deepcopy(model, kept)


def compress_sharing(model: PreTrainedModel, plan: Plan, library: Library | None = None) -> PreTrainedModel:
    """`compress`, copying only the blocks that the Plan changes: for answers, as the rest is the original's own.

    Raises:
        PlanError: as `compress`.
    """
    if plan_of(model) or model.config._attn_implementation not in ("sdpa", IMPLEMENTATION):
        # A method may switch the frame to the hook, whose masks are those of `sdpa`: blocks left as they are must
        # read the same.
        return compress(model, plan, library)
    check_plan(model, plan)
    copied = {place for path, blocks in blocks_of(model, plan).items() for place in blocks or [path]}
    changed = share(model, copied)
    apply_plan(changed, plan, library)
    return changed


def _ancestors(path: str) -> list[str]:
    """Every path above this one, from the model itself (""): `a.b.c` has "", `a` and `a.b`."""
    parts = path.split(".")
    return [".".join(parts[:count]) for count in range(len(parts))]
