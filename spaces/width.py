"""Width: the least important neurons of a feed-forward block are removed, of a gated one with their gates.

Which are important, and how the down-projection makes up for those gone: see `removal.py`.
"""

import torch
from torch import nn
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.errors import ConfigError, PlanError
from greenfront.spaces.approximation import whole_number
from greenfront.spaces.layouts import FeedForwardLayout, feed_forward_layout, up_parts
from greenfront.spaces.library import Library
from greenfront.spaces.method import Choice, Method, Reduction, Refusal
from greenfront.spaces.places import replace_module
from greenfront.spaces.plan import Plan, Settings
from greenfront.spaces.reduced import Kept, features, without_columns, without_rows
from greenfront.spaces.sites import Linear, linear_shape, linear_sites

_EIGHTHS = 8


class Width(Method):
    """Chooses how many neurons each feed-forward block keeps; the site is its up-projection."""

    name = "width"
    keys = ("width",)

    def choices(
        self, model: PreTrainedModel, space: SpaceConfig, sequence_length: int
    ) -> tuple[list[Choice], list[Refusal]]:
        choices, refusals = [], []
        widest = 0
        for site, _ in linear_sites(model):
            layout = feed_forward_layout(model, site.path)
            if layout is None:
                continue
            widest = max(widest, layout.width)
            amounts = _amounts(layout.width, space)
            if amounts:
                settings = tuple({"width": amount} for amount in amounts)
                choices.append(Choice(site, self.name, settings, _reductions(layout)))
            else:
                refusals.append(Refusal(site.path, self.name, f"no width offered is below its {layout.width}"))
        above = [amount for amount in space.width.amounts or () if amount >= widest]
        if above and widest:
            raise ConfigError(
                f"space.width.amounts: must be below the width of at least one feed-forward block, {widest} here, "
                f"but got {', '.join(map(str, above))}"
            )
        if not choices and not refusals:
            refusals.append(Refusal("", self.name, f"{type(model).__name__} has no feed-forward block of a known form"))
        return choices, refusals

    def check(self, path: str, module: nn.Module, settings: Settings) -> None:
        if not isinstance(module, Linear):
            raise PlanError(f"{path}: width must be set on an up-projection, but this is {type(module).__name__}")
        amount, width = whole_number(path, settings, "width"), linear_shape(module)[0] // up_parts(path)
        if amount >= width:
            raise PlanError(f"{path}: width must be from 1 to {width - 1}, but got {amount}")

    def reductions(self, model: nn.Module, path: str) -> tuple[Reduction, ...]:
        return _reductions(_layout(model, path))

    def apply(self, path: str, module: nn.Module, settings: Settings, library: Library | None) -> nn.Module:
        assert isinstance(module, Linear)
        parts = up_parts(path)
        return _narrow(path, module, int(settings["width"]), linear_shape(module)[0] // parts, parts, library)

    def apply_to_model(self, model: nn.Module, path: str, plan: Plan, library: Library | None) -> None:
        layout, amount = _layout(model, path), int(plan[path]["width"])
        for each, parts in ((layout.up, layout.parts), *((gate, 1) for gate in layout.gates)):
            module = model.get_submodule(each)
            assert isinstance(module, Linear)
            replace_module(model, each, _narrow(path, module, amount, layout.width, parts, library))
        down = model.get_submodule(layout.down)
        assert isinstance(down, Linear)
        removal = library.removal(path) if library is not None else None
        decomposed = "rank" in plan.get(layout.down, {})
        kept = Kept(site=path, units=amount)
        replace_module(model, layout.down, without_columns(down, kept, 1, removal, decomposed=decomposed))


def _layout(model: nn.Module, path: str) -> FeedForwardLayout:
    layout = feed_forward_layout(model, path)
    if layout is None:
        raise PlanError(f"{path}: width must be set on the up-projection of a feed-forward block of a known form")
    return layout


def _narrow(path: str, module: Linear, amount: int, width: int, parts: int, library: Library | None) -> Linear:
    """An up-projection or a gate with the rows of the best neurons."""
    kept = library.removal(path).order[:amount] if library is not None else torch.arange(amount)
    return without_rows(module, features(kept, 1, width, parts))


def _reductions(layout: FeedForwardLayout) -> tuple[Reduction, ...]:
    return (
        Reduction(layout.up, "out", layout.parts, "width"),
        *(Reduction(gate, "out", 1, "width") for gate in layout.gates),
        Reduction(layout.down, "in", 1, "width"),
    )


def _amounts(width: int, space: SpaceConfig) -> list[int]:
    """The widths to offer, ascending: those asked for, or aligned eighths of the whole."""
    if space.width.amounts is not None:
        return [amount for amount in sorted(space.width.amounts) if amount < width]
    align = space.width.align
    return sorted({share * width // _EIGHTHS // align * align for share in range(1, _EIGHTHS)} - {0, width})
