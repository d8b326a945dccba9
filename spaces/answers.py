"""What a model answers with: rows of logits, whatever its head is.

Dimension letters: B batch, L sequence, C classes, P rows (answers that count).
"""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

UNCOUNTED = -100
"""The label of a position that no answer is asked of, as `torch.nn.functional.cross_entropy` has it."""
ABSENT = -1e4
"""The logit of a position that can't be answered with: its probability is zero, and stays a number when halved."""
_NAMES = ("logits", "start_logits", "end_logits")


def answer_tensors(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A forward pass's `logits`, (B, C) or (B, L, C), or `start_logits` and `end_logits`, (B, L) each.

    Decoders keep no keys and values meanwhile: nothing is generated.
    """
    options: dict[str, Any] = dict(inputs)
    if "use_cache" in inspect.signature(model.forward).parameters:
        options["use_cache"] = False
    output = model(**options)
    return {name: output[name] for name in _NAMES if output.get(name) is not None}


def answer_rows(model: PreTrainedModel, batch: Mapping[str, Tensor]) -> Tensor:
    """The logits (P, C) of every answer that a batch asks for; the model never sees the labels in it."""
    return asked_rows(answer_tensors(model, {name: value for name, value in batch.items() if name != "labels"}), batch)


def asked_rows(found: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
    """Of all answers to a batch those that it asks for, (P, C), example by example.

    One row an example where the model answers once. Where it answers at every position, those whose `labels` (B, L)
    in the batch aren't `UNCOUNTED`, or without `labels` every valid token. Of a span, two rows an input, start and end,
    over its L positions, of which the padding is `ABSENT`.
    """
    mask = batch.get("attention_mask")
    if "start_logits" in found:
        spans = torch.stack([found["start_logits"], found["end_logits"]], dim=1)
        if mask is not None:
            spans = spans.masked_fill(mask[:, None] == 0, ABSENT)
        return spans.flatten(0, 1)
    logits = found["logits"]
    if logits.dim() == 2:
        return logits
    if "labels" in batch:
        return logits[batch["labels"] != UNCOUNTED]
    return logits.flatten(0, 1) if mask is None else logits[mask.bool()]
