"""What is timed for a profile's table: one operation per kind of module, input shape and setting."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from greenfront.hardware_profiles.flops import count_flops
from greenfront.hardware_profiles.records import settings_key
from greenfront.hardware_profiles.runtime import Run, Runtime
from greenfront.hardware_profiles.tracing import Use
from greenfront.spaces import Settings, Space, apply_to_module

CHAIN = 8
CHAIN_BYTES = 48_000_000

_Memory = dict[tuple[int, int, torch.dtype], torch.Tensor]


@dataclass(frozen=True)
class Group:
    """Sites that cost the same: equal signature, equal input shapes."""

    name: str
    paths: tuple[str, ...]
    settings: tuple[Settings, ...]
    use: Use | None
    """None for modules that the forward pass never calls: their latency and FLOPs are zero."""


@dataclass(frozen=True)
class Operation:
    """One setting of a group, ready to run as a chain of several of the group's modules."""

    group: Group
    settings: Settings
    chain: tuple[Run, ...]
    parameters: int
    bytes: int
    flops: int

    @property
    def name(self) -> str:
        """Unique in a profile."""
        return operation_name(self.group.name, self.settings)


def operation_name(group: str, settings: Settings) -> str:
    """What a group's operation with these settings is called."""
    return f"{group} {settings_key(settings)}"


def group_sites(space: Space, uses: dict[str, Use]) -> list[Group]:
    """The space's sites by what decides their cost; the original (`{}`) is the last setting of each group."""
    paths: dict[str, list[str]] = {}
    settings: dict[str, dict[str, Settings]] = {}
    for choice in space.choices:
        use = uses.get(choice.site.path)
        name = f"{choice.site.signature} on {use.shapes if use else 'nothing'}"
        if choice.site.path not in paths.setdefault(name, []):
            paths[name].append(choice.site.path)
        settings.setdefault(name, {}).update({settings_key(option): option for option in choice.settings})
    return [Group(name, tuple(paths[name]), (*settings[name].values(), {}), uses.get(paths[name][0])) for name in paths]


def build_operations(group: Group, model: PreTrainedModel, runtime: Runtime) -> Iterator[Operation]:
    """Every setting of a group as an operation.

    A chain holds up to 8 of the group's modules, each with its own weights (at most 48 MB of the original's),
    so that weights come from further away in the caches, as in the model; a single module run again and again
    would find them in the nearest one. Modules of one place in the chain share memory across settings, which
    are never timed at the same moment: all ranks of all layers at once would not fit into the machine.
    """
    memory: _Memory = {}
    copies = _copies(group, model.get_submodule(group.paths[0]), runtime)
    for settings in reversed(group.settings):  # the largest first, so that the shared memory is made once
        modules = []
        for place, path in enumerate(group.paths[:copies]):
            module: nn.Module = model.get_submodule(path)
            if settings:
                module = _changed(path, module, settings, memory, place)
            modules.append(module)
        yield _operation(group, settings, modules, runtime)


def _operation(group: Group, settings: Settings, modules: Sequence[nn.Module], runtime: Runtime) -> Operation:
    first = modules[0]
    args, kwargs = (group.use.args, group.use.kwargs) if group.use else ((), {})
    return Operation(
        group=group,
        settings=settings,
        chain=tuple(runtime.prepare(module, args, kwargs) for module in modules) if group.use else (),
        parameters=sum(parameter.numel() for parameter in first.parameters()),
        bytes=runtime.weight_bytes(first),
        flops=count_flops(first, args, kwargs) if group.use else 0,
    )


def _copies(group: Group, module: nn.Module, runtime: Runtime) -> int:
    fitting = CHAIN_BYTES // max(runtime.weight_bytes(module), 1)
    return max(1, min(CHAIN, len(group.paths), fitting))


def _changed(path: str, module: nn.Module, settings: Settings, memory: _Memory, place: int) -> nn.Module:
    """A module with other settings, its weights over the memory that other settings use at this place.

    Built without weights (which would be copied, and drawn at random, for nothing) wherever the module has
    nothing but weights to carry over.
    """
    if any(True for _ in module.buffers()):
        changed = apply_to_module(path, module, settings)
    else:
        hollow = {id(weight): nn.Parameter(weight.to("meta"), False) for weight in module.parameters()}
        changed = apply_to_module(path, copy.deepcopy(module, dict(hollow)), settings)
        changed.to_empty(device=next(module.parameters()).device)
    changed.train(False)
    for ordinal, weight in enumerate(changed.parameters()):
        weight.requires_grad_(False)
        if not weight.is_floating_point():
            continue
        key = (place, ordinal, weight.dtype)
        if key not in memory or memory[key].numel() < weight.numel():
            memory[key] = torch.empty_like(weight.data).normal_(0, 0.02).flatten()
        weight.data = memory[key][: weight.numel()].view(weight.shape)
    return changed
