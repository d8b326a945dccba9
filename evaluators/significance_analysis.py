"""Significance: what each setting alone costs in quality, before anything is trained."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

from transformers import PreTrainedModel

from greenfront.evaluators.additivity import PAIRS, SINGLES, Additivity, additivity
from greenfront.evaluators.interpolation import lines, spread
from greenfront.evaluators.json_record import Nats, Whole, record_from_json, record_to_json, strict
from greenfront.evaluators.recorded_pass import Batch
from greenfront.evaluators.replace_one import divergences
from greenfront.evaluators.scored_lines import Line, fill, kinds, scored_options
from greenfront.spaces import Library, Space

SCORED = 3
"""Settings of one method at one module that are scored by a pass; those between follow them."""
PASSES = 400
"""Scored settings in all, about: what all methods ask for in 12 layers. Of more layers every n-th is scored."""
ADDITIVITY_EXAMPLES, ADDITIVITY_TOKENS = 32, 2048
"""What additivity is measured on at most: a part of what settings are scored on."""


VERSION = 3
"""1 had the losses alone; 2 took closed forms for losses, which are several times too small where much is lost."""


@strict
@dataclass(frozen=True)
class Significance:
    """What every setting alone costs.

    Attributes:
        losses: choice.name -> the predicted loss in nats of every option of `choice.options`, the last (the
            original) 0.0; infinite where the changed model answers with NaN or infinity. Along an amount it never
            rises the more is kept.
        scored: choice.name -> the options whose loss is a divergence measured by a pass; the others are interpolated
            between scored ones, by the library's closed form where there is one.
        additivity: how far losses add up; None where there is no pair of changes to measure it on.
    """

    losses: dict[str, list[Nats]]
    scored: dict[str, list[Whole]]
    additivity: Additivity | None

    def fits(self, space: Space) -> bool:
        """Whether these are the losses of this space's options."""
        sizes = {choice.name: len(choice.options) for choice in space.choices}
        return {name: len(losses) for name, losses in self.losses.items()} == sizes

    def finite(self) -> "Significance":
        """With numbers for settings that break the model outright: ten times all that the worst others cost."""
        worst = 10 * sum(max(filter(isfinite, options), default=0.0) for options in self.losses.values())
        losses = {name: [x if isfinite(x) else worst for x in options] for name, options in self.losses.items()}
        return replace(self, losses=losses)

    def to_json(self) -> str:
        """The whole record."""
        return record_to_json(self, VERSION)

    @classmethod
    def from_json(cls, text: str) -> "Significance":
        """Inverse of `to_json`; raises RunError for anything else, a record of an older version too."""
        return record_from_json(cls, text, VERSION, "a record of significance")


def significance(
    model: PreTrainedModel,
    space: Space,
    library: Library,
    batches: Sequence[Batch],
    *,
    weights: Sequence[float] | None = None,
    scored: int = SCORED,
    passes: int = PASSES,
    seed: int = 0,
    precision: Literal["auto", "bfloat16", "float32"] = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> Significance:
    """The predicted loss in nats of every option of every choice, chosen alone, and how far such losses add up.

    All are on one scale, so that methods can be weighed against each other: the changed model's mean
    KL(original || changed) on the batches (`replace_one.divergences`). Of the amounts of one method at one module
    `scored` are measured, both ends among them. Between them the loss follows the library's closed form, where it has
    one (the dropped energy of a decomposition weighted by the loss's curvature): that orders the amounts of a
    module well, but a second-order form falls short where much is lost, a hundredfold at low ranks.

    Args:
        model: the original; it is not changed.
        space: the choices.
        library: the computed weights that changes are built from.
        batches: the model's inputs; of a `labels` entry only the positions that count are read (`answer_rows`).
        weights: how many examples each one of a batch stands for (`strata`); default 1.
        scored: how many settings of a line are scored, at least 2.
        passes: how many are scored in all, about; beyond that, some layers take over from those next to them
            (`scored_lines.fill`).
        seed: of the pairs that additivity is measured on.
        precision: what passes of changed attentions compute in; all others tell little losses, so only in float32.
        progress: called with the passes done and their total, from 0 anew for attentions, the rest and additivity.
    """
    every = kinds(space, library)
    wanted = [pair for kind in scored_options(every, scored, passes) for pair in kind]
    found: dict[str, dict[int, float]] = {}
    for attention in (True, False):
        part = [
            (line, option)
            for line, options in wanted
            if (line.choice.site.kind == "attention" and line.closed is None) == attention
            for option in options
        ]
        plans = [line.plan(option) for line, option in part]
        of_kind = precision if attention else "float32"
        losses = divergences(
            model, plans, library, batches, weights=weights, precision=of_kind, progress=progress
        )  # fmt: skip
        for (line, option), loss in zip(part, losses, strict=True):
            found.setdefault(line.choice.name, {})[option] = loss
    filled = _losses(space, every, found)
    few = _thinned(batches)
    together = additivity(model, space, library, filled, few, weights=weights, seed=seed, progress=progress)
    return Significance(filled, {name: sorted(options) for name, options in found.items()}, together)


def count_passes(space: Space, scored: int = SCORED) -> int:
    """About how many settings, and pairs of them, `significance` scores by a pass."""
    wanted = sum(len(spread(line, scored)) for choice in space.choices for line in lines(choice))
    return min(wanted, PASSES) + SINGLES + PAIRS


def _losses(
    space: Space, every: Sequence[Sequence[Line]], scored: Mapping[str, Mapping[int, float]]
) -> dict[str, list[float]]:
    """All losses by choice.name and option, the original's last."""
    losses = {choice.name: [0.0] * len(choice.options) for choice in space.choices}
    for kind in every:
        for line, of_line in zip(kind, fill(kind, scored), strict=True):
            for option, loss in of_line.items():
                losses[line.choice.name][option] = loss
    return losses


def _thinned(batches: Sequence[Batch]) -> list[Batch]:
    """Every n-th example of every batch, so that about `ADDITIVITY_EXAMPLES` and `ADDITIVITY_TOKENS` are left."""
    inputs = [next(iter(batch.values())) for batch in batches]
    examples = sum(len(each) for each in inputs)
    tokens = sum(each.shape[0] * each.shape[1] for each in inputs if each.dim() == 2)
    step = max(1, math.ceil(examples / ADDITIVITY_EXAMPLES), math.ceil(tokens / ADDITIVITY_TOKENS))
    return [{name: tensor[::step] for name, tensor in batch.items()} for batch in batches]
