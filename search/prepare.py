"""What a search stands on: data, the original model, its logits, library and significance.

Each is computed once and kept in the run folder; a later start of the same run reads it from there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedModel

from greenfront.config import RunConfig
from greenfront.durable import replacing, write_atomic
from greenfront.errors import RunError
from greenfront.evaluators import (
    Examples,
    Outputs,
    Significance,
    TaskData,
    answer,
    answer_numbers,
    batches,
    fine_tune,
    fitting,
    load_data,
    load_original,
    predict,
    significance,
)
from greenfront.search.begun_with import check_begun_with
from greenfront.search.droppable import droppable
from greenfront.search.progress import Reporter
from greenfront.search.run_folder import RunFolder
from greenfront.search.some_examples import telling_batches
from greenfront.search.trimming import check_trim
from greenfront.spaces import Library, Space, load_checkpoint, save_checkpoint

BATCH = 32
LONG = 256
"""Tokens from which settings are scored in bfloat16, where the processor has it: 2.3 times as fast, on MiniLM-L6 at
512 tokens 0.0187 nats instead of 0.0185, but 0.0011 instead of 0.0010, so not where it takes seconds anyway."""
LARGEST_NUMBERS = 2**25
"""Of the original's logits that are kept, for all workers of a machine in one place: 134 MB. Where there would be more,
as of a language model's, every worker asks the original again: a third more of a training step, but exact."""
BATCH_NUMBERS = 2**25
"""Logits of one calibration batch; half as many where two models are compared on them."""


@dataclass(frozen=True)
class Teacher:
    """The original's logits (P, C) on the examples that trials train on, and on validation; None where they would be
    too many to keep. `outputs` are those on validation."""

    train: Examples
    train_logits: NDArray[np.float32] | None
    validation_logits: NDArray[np.float32] | None
    outputs: Outputs


def prepare_original(
    config: RunConfig, run: RunFolder, report: Reporter, check: Callable[[PreTrainedModel], object] | None = None
) -> tuple[TaskData, Any, PreTrainedModel]:
    """The data, the processor and the original; fine-tunes the original where its head is untrained.

    `check` is given the model before that: it raises what makes fine-tuning it pointless.

    Raises:
        DataError: data or model that can't be used, or that has changed since the run began.
    """
    report.stage("Data and original model")
    data, processor = load_data(config.model, config.data, config.search.seed)
    check_begun_with(config, run, data)
    report.note(
        f"{len(data.train):,} training, {len(data.validation):,} validation and {len(data.test):,} test examples, "
        + (f"{len(data.label_names)} labels" if data.label_names else f"scored by {config.data.metric}")
    )
    if run.original.exists():
        with droppable(run.original, "it is copied, or fine-tuned, again with the same seed"):
            return data, processor, load_checkpoint(run.original)
    model, untrained = load_original(config.model, data.label_names)
    if config.space.embeddings.trim:
        check_trim(processor, model)
    if check is not None:
        check(model)
    if untrained:
        report.stage("Fine-tuning the original, whose head is untrained")
        fine_tune(model, data.train, config.fine_tune, seed=config.search.seed, progress=report.advance)
    save_checkpoint(model, run.original, processor)
    model.eval()
    return data, processor, model


def prepare_teacher(
    config: RunConfig, run: RunFolder, data: TaskData, model: PreTrainedModel, report: Reporter
) -> Teacher:
    """The original's logits, on as many training examples as a trial's steps take, and its outputs on validation."""
    wanted = max(1, min(len(data.train), config.fine_tune.steps * config.fine_tune.batch_size))
    chosen = np.sort(np.random.default_rng(config.search.seed).permutation(len(data.train))[:wanted])
    train = data.train.subset(chosen)
    metric = config.data.metric
    if run.teacher.exists():
        with droppable(run.teacher, "the original's outputs are computed again"):
            kept = load_file(run.teacher)
    else:
        report.stage("The original's outputs, for training candidates")
        kept = {}
        if answer_numbers(model, train) + answer_numbers(model, data.validation) <= LARGEST_NUMBERS:
            start, total = len(data.validation), len(train) + len(data.validation)
            kept["validation"] = predict(model, data.validation, progress=lambda done, _: report.advance(done, total))
            kept["train"] = predict(model, train, progress=lambda done, _: report.advance(start + done, total))
        else:
            kept["statistics"] = answer(model, data.validation, metric, progress=report.advance).statistics
        with replacing(run.teacher) as partial:
            save_file(kept, partial)
    known = "validation" in kept
    outputs = Outputs.of(kept["validation"], data.validation, metric) if known else Outputs(metric, kept["statistics"])
    return Teacher(train, kept.get("train"), kept.get("validation"), outputs)


def prepare_library(
    config: RunConfig, run: RunFolder, space: Space, data: TaskData, model: PreTrainedModel, report: Reporter
) -> Library:
    """Moments on calibration data and every decomposition."""
    if (run.library / "library.safetensors").exists():
        return Library.load(run.library)
    report.stage("Decomposing every layer on calibration data")
    library = Library.compute(
        model,
        calibration_batches(data.calibration, fitting(model, data.calibration, BATCH, BATCH_NUMBERS)),
        space,
        config.space,
        token_counts=token_counts(model, data.train),
        seed=config.search.seed,
        progress=report.advance,
    )
    library.save(run.library)
    return library


def prepare_significance(
    config: RunConfig,
    run: RunFolder,
    space: Space,
    data: TaskData,
    model: PreTrainedModel,
    library: Library,
    teacher: Teacher,
    report: Reporter,
) -> dict[str, list[float]]:
    """Predicted loss in nats of every option of every choice, on a part of validation.

    A record of an older version, or of another space, is computed again.
    """
    found = _kept_significance(run, space, report)
    if found is None:
        report.stage("Significance of every setting")
        most = fitting(model, data.validation, BATCH, BATCH_NUMBERS // 2)
        logits = teacher.validation_logits
        part, weights = telling_batches(data.validation, logits, seed=config.search.seed, most=most)
        longest = max(next(iter(batch.values())).shape[1] for batch in part)
        found = significance(
            model, space, library, part, weights=weights,
            scored=config.search.scored_settings, seed=config.search.seed,
            precision="auto" if longest >= LONG else "float32", progress=report.advance,
        ).finite()  # fmt: skip
        write_atomic(run.significance, found.to_json())
    if found.additivity is not None:
        report.note(str(found.additivity))
    return found.losses


def kept_losses(run: RunFolder) -> Significance | None:
    """What every setting of a run was found to cost alone, for its report; None where it isn't known."""
    try:
        return Significance.from_json(run.significance.read_text(encoding="utf-8"))
    except (OSError, RunError, UnicodeDecodeError):
        return None


def _kept_significance(run: RunFolder, space: Space, report: Reporter) -> Significance | None:
    if not run.significance.exists():
        return None
    try:
        found = Significance.from_json(run.significance.read_text(encoding="utf-8"))
    except (RunError, UnicodeDecodeError) as error:
        report.note(f"{run.significance} is computed again: {error}")
        return None
    if not found.fits(space):
        report.note(f"{run.significance} is computed again: it is of another space")
        return None
    return found


def calibration_batches(examples: Examples, most: int = BATCH) -> list[dict[str, torch.Tensor]]:
    """Inputs of every example, grouped by length, at most so many in a batch."""
    return [examples.batch(indices) for indices in batches(examples, min(most, BATCH))]


def token_counts(model: PreTrainedModel, train: Examples) -> torch.Tensor | None:
    """How often each token stands in the training data (V), or None for a model without tokens."""
    table = model.get_input_embeddings()
    if not isinstance(table, torch.nn.Embedding):
        return None
    counts = torch.zeros(table.num_embeddings, dtype=torch.float64)
    for indices in batches(train, 256):
        batch = train.batch(indices)
        counts += torch.bincount(batch["input_ids"][batch["attention_mask"].bool()], minlength=len(counts))
    return counts
