"""Applying a Plan to a model, and the registry of methods."""

import copy
import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TypeVar

from torch import nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.registration import GreenfrontConfig
from greenfront.spaces.bits import Bits
from greenfront.spaces.blocks import Blocks
from greenfront.spaces.checkpoint import plan_of
from greenfront.spaces.clustered import Clustered
from greenfront.spaces.effective import clashes
from greenfront.spaces.embeddings import Embeddings
from greenfront.spaces.heads import Heads
from greenfront.spaces.library import Library
from greenfront.spaces.linear_attention import Linear
from greenfront.spaces.linformer import Linformer
from greenfront.spaces.low_rank import LowRank
from greenfront.spaces.lsh import Lsh
from greenfront.spaces.method import Choice, Method, Reduction, Refusal
from greenfront.spaces.performer import Performer
from greenfront.spaces.plan import Plan, Settings
from greenfront.spaces.sign_matching import SignMatching
from greenfront.spaces.sites import Linear as AnyLinear
from greenfront.spaces.sites import linear_shape
from greenfront.spaces.space import Space
from greenfront.spaces.width import Width
from greenfront.spaces.window import Window
from greenfront.yaml_source import nearest

_STRUCTURE = (Blocks(), Heads(), Width())
_ATTENTION = (Linformer(), Window(), Clustered(), Lsh(), Performer(), Linear(), SignMatching())
_FACTORS = (LowRank(), Embeddings())
METHODS: dict[str, Method] = {method.name: method for method in (*_STRUCTURE, *_FACTORS, *_ATTENTION, Bits())}
"""Every compression method by its YAML name, in the order in which a Plan applies them; last those that don't train."""

_Model = TypeVar("_Model", bound=nn.Module)


def find_space(model: PreTrainedModel, config: SpaceConfig, sequence_length: int) -> Space:
    """Everything that can be chosen in a model for inputs of up to `sequence_length` tokens.

    Raises:
        ConfigError: an unknown method, an option the model can't take, or a method asked for that fits nowhere.
    """
    unknown = [name for name in config.methods or () if name not in METHODS]
    if unknown:
        close = nearest(unknown[0], METHODS)
        hint = f" (did you mean {close}?)" if close else ""
        raise ConfigError(f"space.methods: must be among {', '.join(METHODS)}{hint}, but got {', '.join(unknown)}")
    choices: list[Choice] = []
    refusals: list[Refusal] = []
    names = [name for name, method in METHODS.items() if sequence_length >= method.offered_from]
    for name in names if config.methods is None else config.methods:
        found, refused = METHODS[name].choices(model, config, sequence_length)
        if config.methods is not None and not found:
            reason = refused[0].reason if refused else "it has no module that fits"
            raise ConfigError(f"space.methods: {name} can't be used on {type(model).__name__}: {reason}")
        choices += found
        refusals += refused
    return Space(_one_per_group(choices), _one_per_reason(refusals))


def method_of(settings: Settings) -> Method:
    """The method that one of a choice's settings belongs to; of methods that share its key, any."""
    return next(method for method in METHODS.values() if method.keys[0] in settings)


def method_name(choice: Choice, settings: Settings) -> str:
    """The name of the method that one of a choice's settings belongs to, also where the choice is a group's."""
    return choice.method if choice.method in METHODS else method_of(settings).name


def check_plan(model: nn.Module, plan: Plan) -> None:
    """Raise PlanError, naming the module, when a Plan doesn't fit a model, or both settings when two of them clash."""
    modules = dict(model.named_modules())
    for path, settings in plan.items():
        if path not in modules:
            near = difflib.get_close_matches(path, modules, 1)
            raise PlanError(f"{path}: the model has no such module" + (f"; did you mean {near[0]}?" if near else ""))
        for method in _methods(path, modules[path], settings):
            method.check(path, modules[path], settings)
    linears = {path: module for path in plan if isinstance(module := modules[path], AnyLinear)}
    shapes = {path: linear_shape(module) for path, module in linears.items()}
    for clash in clashes(plan, _reductions(model, plan), shapes):
        raise PlanError(clash.reason)


def compress(
    model: PreTrainedModel, plan: Plan, library: Library | None = None, *, to_train: bool = False
) -> PreTrainedModel:
    """A new model with the Plan applied; the given one stays as it is.

    Weights come from the library; without one the new modules are untrained (for measuring and loading).
    With `to_train`, what can't be fine-tuned is left for `complete`.
    The new model's configuration carries the Plan, so `save_pretrained` writes a folder that loads by itself.

    Raises:
        PlanError: the Plan names a module the model hasn't, or settings the module can't take; or the model
            is compressed already (its configuration carries one Plan, which has to rebuild all of it).
    """
    if plan and plan_of(model):
        raise PlanError(f"a Plan must be applied to the original, but this model carries {plan_of(model).id}")
    check_plan(model, plan)
    methods = [method for method in METHODS.values() if method.trains or not to_train]
    compressed = copy.deepcopy(model, {id(module): module for module in _replaced(model, plan, methods)})
    _apply(compressed, plan, library, methods)
    return compressed


def complete(model: PreTrainedModel) -> None:
    """Apply in place what `compress(..., to_train=True)` has left of the model's Plan."""
    _apply(model, plan_of(model), None, [method for method in METHODS.values() if not method.trains])


def apply_plan(model: PreTrainedModel, plan: Plan, library: Library | None = None) -> None:
    """Apply a Plan in place (also on the meta device); `compress` is the same on a copy."""
    _apply(model, plan, library, METHODS.values())


def _apply(model: PreTrainedModel, plan: Plan, library: Library | None, methods: Iterable[Method]) -> None:
    for method in methods:
        paths = [path for path, settings in plan.items() if _is_meant(method, model.get_submodule(path), settings)]
        for path in paths:
            method.apply_to_model(model, path, plan, library)
        if paths:
            method.finish(model, paths)
    if plan:
        model.config.quantization_config = GreenfrontConfig(plan=plan.to_dict())


def apply_to_module(path: str, module: _Model, settings: Settings, library: Library | None = None) -> nn.Module:
    """One module changed on its own, for measuring; the given one stays as it is."""
    changed: nn.Module = copy.deepcopy(module)
    for method in _methods(path, module, settings):
        method.check(path, module, settings)
        changed = method.apply(path, changed, settings, library)
    return changed


def _replaced(model: nn.Module, plan: Plan, methods: Sequence[Method]) -> list[nn.Module]:
    """What these methods replace of a Plan: it need not be copied, but stands for itself in the copy until then."""
    places = Counter(id(module) for _, module in model.named_modules(remove_duplicate=False))
    paths = [
        reduction.path
        for path, several in _reductions(model, plan).items()
        for reduction in several
        if reduction.happens(plan[path])
    ]
    shrunk = [module for path in paths if places[id(module := model.get_submodule(path))] == 1]
    named = [(model.get_submodule(path), settings) for path, settings in plan.items()]
    return [*shrunk, *(module for module, settings in named if _is_replaced(module, settings, methods))]


def _is_replaced(module: nn.Module, settings: Settings, methods: Sequence[Method]) -> bool:
    """Whether these methods put a new module in the place of this one with these settings."""
    used = [method for method in methods if _is_meant(method, module, settings)]
    return bool(used) and all(method.replaces for method in used)


def _is_meant(method: Method, module: nn.Module, settings: Settings) -> bool:
    """Whether settings of a module name this method."""
    return method.keys[0] in settings and method.owns(module)


def _reductions(model: nn.Module, plan: Plan) -> dict[str, tuple[Reduction, ...]]:
    """What the settings at each path of a Plan make smaller."""
    return {
        path: tuple(
            r for method in _methods(path, model.get_submodule(path), settings) for r in method.reductions(model, path)
        )
        for path, settings in plan.items()
    }


def _methods(path: str, module: nn.Module, settings: Settings) -> list[Method]:
    """The methods that settings of a module name; raises PlanError for a key nobody reads."""
    found = [method for method in METHODS.values() if _is_meant(method, module, settings)]
    known = {key for method in found or METHODS.values() for key in method.keys}
    unknown = [key for key in settings if key not in known]
    if unknown:
        raise PlanError(f"{path}: settings must be among {', '.join(sorted(known))}, but got {', '.join(unknown)}")
    if settings and not found:
        first = dict.fromkeys(method.keys[0] for method in METHODS.values())
        raise PlanError(f"{path}: settings must carry one of {', '.join(first)}")
    for one, other in combinations(found, 2):
        if one.group and one.group == other.group:
            raise PlanError(f"{path}: {one.name} and {other.name} exclude each other, so it must have one of them")
    return found


def _one_per_group(choices: list[Choice]) -> tuple[Choice, ...]:
    """The choices, those of methods that exclude each other as one; alone at its site, a method keeps its own name."""
    merged: dict[tuple[str, str], Choice] = {}
    for choice in choices:
        group = METHODS[choice.method].group or choice.method
        known = merged.get((choice.site.path, group))
        if known is not None:
            choice = replace(known, method=group, settings=(*known.settings, *choice.settings))
        merged[choice.site.path, group] = choice
    return tuple(merged.values())


def _one_per_reason(refusals: list[Refusal]) -> tuple[Refusal, ...]:
    """The refusals, those of one module for one reason as one, which names all the methods."""
    methods: dict[tuple[str, str], list[str]] = {}
    for refusal in refusals:
        methods.setdefault((refusal.path, refusal.reason), []).append(refusal.method)
    return tuple(Refusal(path, ", ".join(names), reason) for (path, reason), names in methods.items())
