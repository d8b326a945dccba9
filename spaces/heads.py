"""Heads: the least important heads of an attention are removed, with their rows of query, key and value.

Which are important, and how the output's linear makes up for those gone: see `removal.py`. Where several query heads
share one key head (grouped-query attention), key heads are counted, and go with their queries.
"""

import torch
from torch import nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces.approximation import whole_number
from greenfront.spaces.layouts import AttentionLayout, attention_layout, output_path
from greenfront.spaces.library import Library
from greenfront.spaces.method import Choice, Method, Reduction, Refusal
from greenfront.spaces.places import replace_module
from greenfront.spaces.plan import Plan, Settings
from greenfront.spaces.reduced import Kept, features, without_columns, without_rows
from greenfront.spaces.sites import Linear, attention_sites, linear_shape

# What attention modules remember of their heads, some of it read by their code: all in proportion.
_COUNTS = ("num_attention_heads", "num_heads", "n_heads", "num_key_value_heads", "all_head_size", "split_size")


class Heads(Method):
    """Chooses how many heads each attention keeps."""

    name = "heads"
    keys = ("heads",)
    replaces = False

    def choices(
        self, model: PreTrainedModel, space: SpaceConfig, sequence_length: int
    ) -> tuple[list[Choice], list[Refusal]]:
        choices, refusals, most = [], [], 0
        for site, module in attention_sites(model):
            layout = _in_model(model, site.path, module)
            if isinstance(layout, str):
                refusals.append(Refusal(site.path, self.name, layout))
                continue
            most = max(most, layout.heads)
            counts = [n for n in sorted(space.heads.counts or range(1, layout.heads)) if n < layout.heads]
            if counts:
                settings = tuple({"heads": count} for count in counts)
                choices.append(Choice(site, self.name, settings, _reductions(site.path, layout)))
            else:
                reason = f"no number of heads offered is below its {layout.heads}"
                refusals.append(Refusal(site.path, self.name, reason))
        above = [count for count in space.heads.counts or () if count >= most]
        if above and most:
            raise ConfigError(
                f"space.heads.counts: must be below the heads of at least one attention, {most} here, "
                f"but got {', '.join(map(str, above))}"
            )
        return choices, refusals

    def check(self, path: str, module: nn.Module, settings: Settings) -> None:
        count = whole_number(path, settings, "heads")
        layout = _layout(path, module)
        if count >= layout.heads:
            raise PlanError(f"{path}: heads must be from 1 to {layout.heads - 1}, but got {count}")

    def reductions(self, model: nn.Module, path: str) -> tuple[Reduction, ...]:
        layout = _in_model(model, path, model.get_submodule(path))
        if isinstance(layout, str):
            raise PlanError(f"{path}: heads can't be removed here: {layout}")
        return _reductions(path, layout)

    def apply(self, path: str, module: nn.Module, settings: Settings, library: Library | None) -> nn.Module:
        layout, count = _layout(path, module), int(settings["heads"])
        _shrink(path, module, layout, count, library)
        if layout.output:
            output = module.get_submodule(layout.output)
            replace_module(module, layout.output, _output(path, output, layout, count, library, decomposed=False))
        return module

    def apply_to_model(self, model: nn.Module, path: str, plan: Plan, library: Library | None) -> None:
        module, count = model.get_submodule(path), int(plan[path]["heads"])
        layout = _layout(path, module)
        _shrink(path, module, layout, count, library)
        where = output_path(path, layout)
        decomposed = "rank" in plan.get(where, {})
        output = model.get_submodule(where)
        replace_module(model, where, _output(path, output, layout, count, library, decomposed=decomposed))


def _layout(path: str, module: nn.Module) -> AttentionLayout:
    """The layout of an attention; raises PlanError where there is none."""
    if not isinstance(getattr(module, "is_causal", None), bool):
        raise PlanError(f"{path}: heads must be set on an attention module, but this is {type(module).__name__}")
    layout = attention_layout(path, module)
    if isinstance(layout, str):
        raise PlanError(f"{path}: heads can't be removed here: {layout}")
    return layout


def _in_model(model: nn.Module, path: str, module: nn.Module) -> AttentionLayout | str:
    """The layout of an attention whose output's linear reads what its heads give, or why there is none."""
    layout = attention_layout(path, module)
    if isinstance(layout, str):
        return layout
    where = output_path(path, layout)
    try:
        output = model.get_submodule(where)
    except AttributeError:
        return f"there is no {where}, which would read its heads"
    fits = isinstance(output, Linear) and linear_shape(output)[1] == layout.heads * layout.unit
    return layout if fits else f"{where} does not read its heads"


def _reductions(path: str, layout: AttentionLayout) -> tuple[Reduction, ...]:
    return (
        *(
            Reduction(f"{path}.{name}", "out", layout.parts * unit, "heads")
            for name, unit in layout.projections.items()
        ),
        Reduction(output_path(path, layout), "in", layout.unit, "heads"),
    )


def _shrink(path: str, module: nn.Module, layout: AttentionLayout, count: int, library: Library | None) -> None:
    """Remove all heads but so many from an attention, except from its output's linear."""
    kept = library.removal(path).order[:count] if library is not None else torch.arange(count)
    for name, unit in layout.projections.items():
        projection = module.get_submodule(name)
        assert isinstance(projection, Linear)
        replace_module(module, name, without_rows(projection, features(kept, unit, layout.heads, layout.parts)))
    for name in _COUNTS:
        if hasattr(module, name):
            setattr(module, name, int(getattr(module, name)) * count // layout.heads)


def _output(
    path: str, module: nn.Module, layout: AttentionLayout, count: int, library: Library | None, *, decomposed: bool
) -> Linear:
    """The output's linear on the heads that are left."""
    assert isinstance(module, Linear)
    removal = library.removal(path) if library is not None else None
    return without_columns(module, Kept(site=path, units=count), layout.unit, removal, decomposed=decomposed)
