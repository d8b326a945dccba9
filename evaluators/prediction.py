"""Prediction: a model's logits on examples."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from transformers import PreTrainedModel

from greenfront.evaluators.examples import Examples, batches
from greenfront.evaluators.precision import autocast, resolve_precision

Logits = np.ndarray[Any, np.dtype[np.float32]]


def predict(
    model: PreTrainedModel,
    examples: Examples,
    *,
    batch_size: int = 64,
    precision: Literal["auto", "bfloat16", "float32"] = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> Logits:
    """The (N, C) float32 logits, in the order of the examples, on the model's device.

    The model is in eval mode meanwhile and back in its own mode afterwards. `progress` counts examples.
    """
    device = next(model.parameters()).device
    resolved = resolve_precision(precision, device)
    logits = np.empty((len(examples), int(model.config.num_labels or 0)), dtype=np.float32)
    done = 0
    was_training = model.training
    model.train(False)
    try:
        with torch.inference_mode(), autocast(resolved, device):
            for indices in batches(examples, batch_size):
                inputs = {key: value.to(device) for key, value in examples.batch(indices).items()}
                logits[indices] = model(**inputs).logits.float().cpu().numpy()
                done += len(indices)
                if progress is not None:
                    progress(done, len(examples))
    finally:
        model.train(was_training)
    return logits
