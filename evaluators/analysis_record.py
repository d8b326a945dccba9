"""What a significance analysis found, as a record that is kept beside a run."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from greenfront.evaluators.json_record import Nats, Whole, record_from_json, record_to_json, strict

Focus = Literal["speed", "size", "accuracy"]
ElementKind = Literal["attention", "feed_forward", "head", "neurons"]
Decision = Literal["prune", "approximate", "keep"]
VERSION = 1


@strict
@dataclass(frozen=True)
class Finding:
    """One element, and what became of the model's answers without it.

    Attributes:
        path: the attention module, or the output projection of the feed-forward block; of the block it belongs to,
            where the element is a head or a group of neurons.
        kind: what it is.
        layer: the number of its layer, from 0.
        index: of the head or group of neurons (0 the least active), 0 for a whole block.
        block: the path of its layer.
        modules: the paths of the linears of the block it is, or belongs to.
        before: the loss in nats just before it was tried, with all that had gone.
        loss: the loss in nats without it.
        decision: what was decided.
    """

    path: str
    kind: ElementKind
    layer: Whole
    index: Whole
    block: str
    modules: tuple[str, ...]
    before: Nats
    loss: Nats
    decision: Decision

    @property
    def significance(self) -> float:
        """What taking it away cost, in nats."""
        return max(self.loss - self.before, 0.0)


@strict
@dataclass(frozen=True)
class Analysis:
    """A walk's findings, in its order; thresholds in nats of loss (KL from the original) on `examples`."""

    focus: Focus
    prune: Nats
    approximate: Nats
    examples: Whole
    findings: Annotated[tuple[Finding, ...], Field(min_length=1)]

    @property
    def layers(self) -> int:
        """How many layers have elements."""
        return 1 + max(found.layer for found in self.findings)

    @property
    def parts(self) -> tuple[Finding, ...]:
        """The whole blocks."""
        return tuple(found for found in self.findings if found.kind in ("attention", "feed_forward"))

    def children(self, part: Finding) -> tuple[Finding, ...]:
        """The heads or groups of neurons that were tried of a block."""
        return tuple(f for f in self.findings if f.path == part.path and f.kind in ("head", "neurons"))

    def to_json(self) -> str:
        """The whole record."""
        return record_to_json(self, VERSION)

    @classmethod
    def from_json(cls, text: str) -> "Analysis":
        """Inverse of `to_json`.

        Raises:
            RunError: anything else, naming the place and the value.
        """
        return record_from_json(cls, text, VERSION, "a significance analysis")
