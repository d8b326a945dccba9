"""F1 of entities: a prediction counts when its type and both its ends are right (CoNLL-2003, as in seqeval)."""

from collections.abc import Sequence

import datasets
import numpy as np

from greenfront.evaluators.examples import Examples, Indices
from greenfront.evaluators.metrics import answered
from greenfront.evaluators.sum_metric import Array, Logits, SumMetric
from greenfront.evaluators.token_examples import TokenExamples

Entity = tuple[str, int, int]
_TAGS = datasets.Sequence(datasets.Value("string"))


class EntityF1(SumMetric):
    """The micro average over all entities, seqeval's `overall_f1` in its default mode."""

    metric_name = "entity_f1"
    summary = "F1 over entities of IOB2 labels, whose type and boundaries must both be right."
    inputs = "predictions, references: one list of tags an example"
    features = datasets.Features({"predictions": _TAGS, "references": _TAGS})

    def statistics(self, logits: Logits, examples: Examples, indices: Indices) -> Array:
        """(B, 3): entities that are right, predicted, and there."""
        assert isinstance(examples, TokenExamples)
        predictions, labels, of_example = answered(logits, examples, indices)
        names = np.array(examples.names)
        cuts = np.searchsorted(of_example, np.arange(1, len(indices)))
        pairs = zip(np.split(names[predictions], cuts), np.split(names[labels], cuts), strict=True)
        return np.array([counts(guessed.tolist(), true.tolist()) for guessed, true in pairs], dtype=np.float64)

    def of_sums(self, sums: Array) -> Array:
        """Twice the right ones over predicted and true ones; 0 where there are neither."""
        below = sums[..., 1] + sums[..., 2]
        return np.asarray(np.divide(2 * sums[..., 0], below, out=np.zeros(np.shape(below)), where=below != 0))

    def _compute(self, predictions: list[list[str]], references: list[list[str]]) -> dict[str, float]:
        each = [counts(guessed, true) for guessed, true in zip(predictions, references, strict=True)]
        return {self.metric_name: float(self.of_sums(np.array(each).sum(0)))}


def counts(predicted: Sequence[str], actual: Sequence[str]) -> tuple[int, int, int]:
    """Entities that are right, predicted, and there, of one example."""
    guessed, true = entities(predicted), entities(actual)
    return len(guessed & true), len(guessed), len(true)


def entities(tags: Sequence[str]) -> set[Entity]:
    """(type, first, last position) of every entity of tags `O`, `B-TYPE` and `I-TYPE`.

    Models make sequences that nobody would write: an `I` without a beginning, or after another type, begins one.
    """
    found = set()
    start, kind = 0, ""
    for position, tag in enumerate([*tags, "O"]):
        prefix, _, this = tag.partition("-")
        if kind and (prefix != "I" or this != kind):
            found.add((kind, start, position - 1))
            kind = ""
        if prefix in ("B", "I") and not kind:
            start, kind = position, this
    return found


def is_iob2(name: str) -> bool:
    """Whether a label is `O`, `B-TYPE` or `I-TYPE`."""
    return name == "O" or (name[:2] in ("B-", "I-") and len(name) > 2)
