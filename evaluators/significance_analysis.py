"""Significance: what each setting alone costs in quality, before anything is trained."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from greenfront.evaluators.outputs import kl_divergence
from greenfront.evaluators.sum_metric import Logits
from greenfront.spaces import Library, Plan, Space, compress
from greenfront.spaces.answers import answer_rows

Batch = Mapping[str, torch.Tensor]


def significance(
    model: PreTrainedModel,
    space: Space,
    library: Library,
    batches: Sequence[Batch],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, list[float]]:
    """The predicted loss in nats of every option of every choice, chosen alone.

    Where the library knows it in closed form (the dropped energy of a decomposition weighted by the loss's
    curvature), that is taken; else the model is built with this one change and the mean KL(original ||
    changed) is computed on the batches (Puzzle's replace-one-block score).

    Args:
        model: the original; it is not changed.
        space: the choices.
        library: the computed weights that changes are built from.
        batches: the model's inputs; of a `labels` entry only the positions that count are read (`answer_rows`).
        Used only for settings without a closed form.
        progress: called with the settings done and their total.

    Returns:
        choice.name -> one loss per option of `choice.options`, the last (the original) 0.0; infinite where
        the changed model answers with NaN or infinity.
    """
    reference: Logits | None = None
    total = sum(len(choice.settings) for choice in space.choices)
    done = 0
    losses: dict[str, list[float]] = {}
    for choice in space.choices:
        of_options = []
        for settings in choice.settings:
            loss = library.loss(choice.site.path, settings)
            if loss is None:
                if reference is None:
                    reference = _logits(model, batches)
                changed = _logits(compress(model, Plan({choice.site.path: settings}), library), batches)
                loss = mean_divergence(reference, changed)
            of_options.append(loss)
            done += 1
            if progress is not None:
                progress(done, total)
        losses[choice.name] = [*of_options, 0.0]
    return losses


def mean_divergence(reference: Logits, changed: Logits) -> float:
    """Mean KL(reference || changed) of (P, C) logits in nats; infinite where `changed` isn't finite."""
    return float(kl_divergence(reference, changed).mean()) if np.isfinite(changed).all() else math.inf


def _logits(model: PreTrainedModel, batches: Sequence[Batch]) -> Logits:
    """(P, C) float32 logits of all batches' answers in eval mode."""
    device = next(model.parameters()).device
    was_training = model.training
    model.train(False)
    try:
        with torch.inference_mode():
            answers = [answer_rows(model, {key: value.to(device) for key, value in batch.items()}) for batch in batches]
    finally:
        model.train(was_training)
    return torch.cat(answers).float().cpu().numpy()
