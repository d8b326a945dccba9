"""Replace-one scores: how far a model is from the original with one change alone (Puzzle, 2411.19146, section 3.1).

Each costs a partial forward pass: what blocks gave back in the original is kept, and a change in block i runs blocks
i and later only. Only the changed block is built; everything else is the original's own.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
from transformers import PreTrainedModel

from greenfront.evaluators.outputs import kl_divergence
from greenfront.evaluators.precision import Precision, autocast, resolve_precision
from greenfront.evaluators.recorded_pass import Batch, RecordedPass, first_call, logits_from, record
from greenfront.evaluators.sum_metric import Logits
from greenfront.spaces import Library, Plan
from greenfront.spaces.sharing import blocks_of, compress_sharing, share

CACHE_BYTES = 512 * 2**20
"""What is kept of forward passes at most, unless one batch alone is more: 32 texts of 512 tokens through MiniLM-L6
are 151 MB, through BERT-base 604 MB. Batches beyond that are worked through in turns."""


def divergences(
    model: PreTrainedModel,
    plans: Sequence[Plan],
    library: Library | None,
    batches: Sequence[Batch],
    *,
    weights: Sequence[float] | None = None,
    precision: Literal["auto", "bfloat16", "float32"] = "float32",
    cache_bytes: int = CACHE_BYTES,
    progress: Callable[[int, int], None] | None = None,
) -> list[float]:
    """Mean KL(original || changed) in nats over all answers of every Plan applied alone, each by a partial pass.

    Where replaying blocks doesn't give the original's logits again (a model whose blocks talk to each other beside
    their outputs), all of it is run, with the same result.

    Args:
        model: the original; it is not changed.
        plans: what to score; of a Plan that changes several blocks, the first one counts.
        library: the computed weights that changes are built from.
        batches: the model's inputs; of a `labels` entry only the positions that count are read (`answer_rows`).
        weights: how many examples each one of a batch stands for; default 1.
        precision: what passes compute in. bfloat16 rounds about 2e-4 nats into a divergence.
        cache_bytes: how much of the passes is kept at once.
        progress: called with the (plan, batch) pairs done and their total.

    Returns:
        One divergence a Plan; infinite where the changed model answers with NaN or infinity.

    Raises:
        PlanError: a Plan that doesn't fit the model.
    """
    totals, answers, done = [0.0] * len(plans), 0.0, 0
    if not plans:
        return totals
    device = next(model.parameters()).device
    resolved = resolve_precision(precision, device)
    left = iter([1.0] * len(batches) if weights is None else weights)
    with evaluating(model):
        for recordings in _parts(model, batches, resolved, cache_bytes):
            part = [(recorded, next(left)) for recorded in recordings]
            answers += sum(weight * len(recorded.logits) for recorded, weight in part)
            for number, plan in enumerate(plans):
                changed = compress_sharing(model, plan, library)
                blocks = blocks_of(model, plan)
                for recorded, weight in part:
                    skipped = min((first_call(recorded, found) for found in blocks.values()), default=0)
                    with autocast(resolved, device):
                        answered = logits_from(changed, recorded, skipped)
                    totals[number] += weight * summed_divergence(recorded.logits, answered)
                    done += 1
                    if progress is not None:
                        progress(done, len(plans) * len(batches))
    return [total / answers for total in totals]


def summed_divergence(reference: Logits, changed: Logits) -> float:
    """Summed KL(reference || changed) of (P, C) logits in nats; infinite where `changed` isn't finite."""
    return float(kl_divergence(reference, changed).sum()) if np.isfinite(changed).all() else math.inf


@contextmanager
def evaluating(model: PreTrainedModel) -> Iterator[None]:
    """The model is in evaluation mode inside, and in its own mode afterwards."""
    was_training = model.training
    model.train(False)
    try:
        yield
    finally:
        model.train(was_training)


def replays(model: PreTrainedModel, recorded: RecordedPass) -> bool:
    """Whether the model's last block alone, after all others replayed, gives the recorded logits again."""
    try:
        again = logits_from(share(model), recorded, max(len(recorded.calls) - 1, 0))
    except Exception:  # whatever a block says that misses what another one would have left for it
        return False
    return bool(np.array_equal(again, recorded.logits))


def _parts(
    model: PreTrainedModel, batches: Sequence[Batch], precision: Precision, cache_bytes: int
) -> Iterator[list[RecordedPass]]:
    """The recorded batches, as many at a time as fit into `cache_bytes`, at least one."""
    part: list[RecordedPass] = []
    replayed = None
    for batch in batches:
        with autocast(precision, next(model.parameters()).device):
            recorded = record(model, batch)
            if replayed is None:
                replayed = replays(model, recorded)
        if not replayed:
            recorded = RecordedPass(batch, recorded.logits, ())
        if part and sum(each.bytes for each in (*part, recorded)) > cache_bytes:
            yield part
            part = []
        part.append(recorded)
    if part:
        yield part
