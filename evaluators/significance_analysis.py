"""Significance: what each setting alone costs in quality, before anything is trained."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

from transformers import PreTrainedModel

from greenfront.evaluators.additivity import PAIRS, SINGLES, Additivity, additivity
from greenfront.evaluators.interpolation import amount, between, lines, spread
from greenfront.evaluators.json_record import Nats, Whole, record_from_json, record_to_json, strict
from greenfront.evaluators.recorded_pass import Batch
from greenfront.evaluators.replace_one import divergences
from greenfront.spaces import Choice, Library, Plan, Space
from greenfront.spaces.library import PREDICTED

SCORED = 3
"""Settings of one method at one module that are scored by a pass; those between them are interpolated."""
ADDITIVITY_EXAMPLES, ADDITIVITY_TOKENS = 32, 2048
"""What additivity is measured on at most: a part of what settings are scored on."""


VERSION = 2
"""1 had the losses alone."""


@strict
@dataclass(frozen=True)
class Significance:
    """What every setting alone costs.

    Attributes:
        losses: choice.name -> the predicted loss in nats of every option of `choice.options`, the last (the
            original) 0.0; infinite where the changed model answers with NaN or infinity.
        scored: choice.name -> the options whose loss is a divergence measured by a pass; the others are the library's
            closed form, or interpolated between scored ones.
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
    scored: int = SCORED,
    seed: int = 0,
    precision: Literal["auto", "bfloat16", "float32"] = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> Significance:
    """The predicted loss in nats of every option of every choice, chosen alone, and how far such losses add up.

    Where the library knows it in closed form (the dropped energy of a decomposition weighted by the loss's
    curvature), that is taken; else the changed model's mean KL(original || changed) on the batches
    (`replace_one.divergences`), along a line of amounts of one method for `scored` of them.

    Args:
        model: the original; it is not changed.
        space: the choices.
        library: the computed weights that changes are built from.
        batches: the model's inputs; of a `labels` entry only the positions that count are read (`answer_rows`).
        scored: how many settings of a line are scored, at least 2; the others are interpolated (`between`).
        seed: of the pairs that additivity is measured on.
        precision: what passes of changed attentions compute in; number formats are chosen elsewhere, and tell only
            in float32.
        progress: called with the passes done and their total, from 0 anew for attentions, the rest and additivity.
    """
    losses = {
        choice.name: [library.loss(choice.site.path, settings) for settings in choice.settings]
        for choice in space.choices
    }
    wanted = {
        choice.name: _to_score(choice, [loss is not None for loss in losses[choice.name]], scored)
        for choice in space.choices
    }
    for attention in (True, False):
        pairs = [
            (choice, index)
            for choice in space.choices
            if (choice.site.kind == "attention") == attention
            for index in wanted[choice.name]
        ]
        plans = [Plan({choice.site.path: choice.settings[index]}) for choice, index in pairs]
        of_kind = precision if attention else "float32"
        found = divergences(model, plans, library, batches, precision=of_kind, progress=progress)
        for (choice, index), loss in zip(pairs, found, strict=True):
            losses[choice.name][index] = loss
    filled = {choice.name: [*_filled(choice, losses[choice.name]), 0.0] for choice in space.choices}
    return Significance(
        filled,
        {name: sorted(indices) for name, indices in wanted.items() if indices},
        additivity(model, space, library, filled, _thinned(batches), seed=seed, progress=progress),
    )


def count_passes(space: Space, scored: int = SCORED) -> int:
    """About how many settings, and pairs of them, `significance` scores by a pass."""
    known = {choice.name: [any(key in s for key in PREDICTED) for s in choice.settings] for choice in space.choices}
    return sum(len(_to_score(choice, known[choice.name], scored)) for choice in space.choices) + SINGLES + PAIRS


def _to_score(choice: Choice, known: Sequence[bool], most: int) -> list[int]:
    """Of the options whose loss is not known those to score: at most so many along a line of amounts of one method."""
    return [index for line in lines(choice) for index in spread([i for i in line if not known[i]], most)]


def _filled(choice: Choice, losses: Sequence[float | None]) -> list[float]:
    """The losses, with those of a line that are missing interpolated between the line's own."""
    filled = {index: loss for index, loss in enumerate(losses) if loss is not None}
    for line in lines(choice):
        known = {amount(choice.settings[index]): filled[index] for index in line if index in filled}
        missing = [index for index in line if index not in filled]
        found = between(known, [amount(choice.settings[index]) for index in missing]) if missing else []
        filled.update(zip(missing, found, strict=True))
    return [filled[index] for index in range(len(losses))]


def _thinned(batches: Sequence[Batch]) -> list[Batch]:
    """Every n-th example of every batch, so that about `ADDITIVITY_EXAMPLES` and `ADDITIVITY_TOKENS` are left."""
    inputs = [next(iter(batch.values())) for batch in batches]
    examples = sum(len(each) for each in inputs)
    tokens = sum(each.shape[0] * each.shape[1] for each in inputs if each.dim() == 2)
    step = max(1, math.ceil(examples / ADDITIVITY_EXAMPLES), math.ceil(tokens / ADDITIVITY_TOKENS))
    return [{name: tensor[::step] for name, tensor in batch.items()} for batch in batches]
