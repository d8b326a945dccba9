"""Significance analysis: which elements of a model its answers need (inspired by AxFormer, 2010.03688).

A walk from coarse to fine, attention and feed-forward blocks first, then heads and groups of neurons, later layers
first. An element is taken away together with all those that went before, and the loss is looked at on a small set:
under the prune threshold it goes, under the approximate threshold it is marked so and stays, else its children are
tried. The loss is the KL from the original, in nats: its cross-entropy against the original's answers, above theirs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from greenfront.errors import DataError
from greenfront.evaluators.analysis_record import Analysis, Decision, Finding, Focus
from greenfront.evaluators.elements import Part, child_mask, find_parts
from greenfront.evaluators.recorded_pass import Batch, RecordedPass, first_call, logits_from, logits_of, record
from greenfront.evaluators.replace_one import CACHE_BYTES, evaluating, replays, summed_divergence
from greenfront.spaces.sharing import share

THRESHOLDS: dict[Focus, tuple[float, float]] = {"speed": (0.02, 0.1), "size": (0.02, 0.1), "accuracy": (0.002, 0.01)}
"""Nats of loss up to which an element is pruned, and approximated, by focus."""


def analyze(
    model: PreTrainedModel,
    batches: Sequence[Batch],
    *,
    focus: Focus = "speed",
    thresholds: tuple[float, float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Analysis:
    """Walk over the elements of a model.

    `speed` tries the kind of block with more FLOPs first, at the length of the first batch, `size` the kind with more
    weights, both in all layers before the other kind; `accuracy` goes layer by layer, with a tenth of the thresholds.

    Args:
        model: the original; it is not changed.
        batches: the model's inputs; a `labels` entry is ignored.
        focus: what elements are tried in order of, and how much loss is allowed.
        thresholds: (prune, approximate) in nats, instead of those of the focus.
        progress: called with the elements decided and their total; those of a pruned block count with it.

    Raises:
        ConfigError: the model has no elements (`find_parts`).
        DataError: no batches.
    """
    if not batches:
        raise DataError("significance analysis must have at least one example, but got none")
    with evaluating(model):
        parts = find_parts(model, batches[0])
        walk = _Walk(model, batches, parts, focus, thresholds or THRESHOLDS[focus], progress)
        for phase in _phases(parts, focus):
            with walk.recording():
                for part in phase:
                    walk.decide(part, None)
        kept = {part.path for part in parts if walk.decision(part) == "keep"}
        for phase in _phases(parts, focus):
            with walk.recording():
                for part in (part for part in phase if part.path in kept):
                    for child in range(len(part.children)):
                        walk.decide(part, child)
    return walk.analysis()


class _Walk:
    """What has been decided so far; `gone` has the removed children of each projection, None for all of it."""

    def __init__(
        self,
        model: PreTrainedModel,
        batches: Sequence[Batch],
        parts: Sequence[Part],
        focus: Focus,
        thresholds: tuple[float, float],
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._model, self._frame, self._batches = model, share(model), batches
        self._focus, self._thresholds, self._progress = focus, thresholds, progress
        self._references = [logits_of(model, batch) for batch in batches]
        self._gone: dict[Part, tuple[int, ...] | None] = {}
        self._recorded: list[RecordedPass] = []
        self._findings: list[Finding] = []
        self._loss = 0.0
        self._done, self._total = 0, sum(1 + len(part.children) for part in parts)

    def decision(self, part: Part) -> Decision:
        """What was decided of a whole part."""
        return next(found.decision for found in self._findings if found.path == part.path)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Inside, a change runs the model from its layer on: what comes before is kept as it is now."""
        with _removed(self._model, self._gone):
            passes, held, replayed = list[RecordedPass](), 0, None
            for batch in self._batches:
                recorded = record(self._model, batch)
                if replayed is None:
                    replayed = replays(self._model, recorded)
                held += recorded.bytes
                usable = replayed and held <= CACHE_BYTES
                passes.append(recorded if usable else RecordedPass(batch, recorded.logits, ()))
        self._recorded = passes
        yield
        self._recorded = []

    def decide(self, part: Part, child: int | None) -> None:
        """Try without a part, or without one of its children."""
        removed = None if child is None else (*(self._gone.get(part) or ()), child)
        loss = self._loss_without({**self._gone, part: removed}, part)
        prune, approximate = self._thresholds
        decision: Decision = "prune" if loss <= prune else "approximate" if loss <= approximate else "keep"
        kind = part.kind if child is None else "head" if part.kind == "attention" else "neurons"
        self._findings.append(
            Finding(part.path, kind, part.layer, child or 0, part.block, part.modules, self._loss, loss, decision)
        )
        if decision == "prune":
            self._gone[part], self._loss = removed, loss
        self._done += 1 if child is not None or decision == "keep" else 1 + len(part.children)
        if self._progress is not None:
            self._progress(self._done, self._total)

    def analysis(self) -> Analysis:
        """Everything that was found."""
        examples = sum(len(next(iter(batch.values()))) for batch in self._batches)
        return Analysis(self._focus, *self._thresholds, examples, tuple(self._findings))

    def _loss_without(self, gone: dict[Part, tuple[int, ...] | None], changed: Part) -> float:
        with _removed(self._model, gone):
            answers = (logits_from(self._frame, each, first_call(each, [changed.block])) for each in self._recorded)
            total = sum(summed_divergence(own, other) for own, other in zip(self._references, answers, strict=True))
        return total / sum(len(logits) for logits in self._references)


def _phases(parts: Sequence[Part], focus: Focus) -> list[list[Part]]:
    """The parts in the order of the walk, later layers first; in a phase no layer is earlier than those after it."""
    backwards = sorted(parts, key=lambda part: -part.layer)
    if focus == "accuracy":
        return [backwards]
    kinds = list(dict.fromkeys(part.kind for part in parts))
    costs = {k: sum(p.flops if focus == "speed" else p.parameters for p in parts if p.kind == k) for k in kinds}
    return [[part for part in backwards if part.kind == kind] for kind in sorted(kinds, key=lambda k: -costs[k])]


@contextmanager
def _removed(model: nn.Module, gone: dict[Part, tuple[int, ...] | None]) -> Iterator[None]:
    """Inside, parts add nothing to the hidden states (None), or some of their children don't."""
    with ExitStack() as hooks:
        for part, children in gone.items():
            projection = model.get_submodule(part.projection)
            if children is None:
                hooks.callback(projection.register_forward_hook(_nothing).remove)
            else:
                hooks.callback(projection.register_forward_pre_hook(_masked(part, children)).remove)
        yield


def _nothing(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(output)


def _masked(part: Part, children: Sequence[int]) -> Callable[..., tuple[torch.Tensor, ...]]:
    def hook(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        values = inputs[0]
        return (values * child_mask(part, values.shape[-1], children).to(values), *inputs[1:])

    return hook
