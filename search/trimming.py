"""The model that candidates are built from: the original, or the original without the tokens that its task never uses.

Trimming changes no answer on training and validation data, and costs no search: it comes before. What a candidate then
saves of the original's table is in its measured size; the original itself stays as it was, and is measured so.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from greenfront.config import RunConfig
from greenfront.errors import ConfigError
from greenfront.evaluators import TaskData, load_data
from greenfront.evaluators.trimming import (
    check_tokenizer,
    check_trimmed,
    load_trimmed,
    lost_tokens,
    save_trimmed,
    used_tokens,
)
from greenfront.search.progress import Reporter, Silent
from greenfront.search.run_folder import RunFolder
from greenfront.spaces import load_checkpoint, save_checkpoint
from greenfront.spaces.answers import answer_rows
from greenfront.spaces.vocabulary import check_trimmable, named_tokens, trim_model

_EXAMPLES = 4
_TOLERANCE = 1e-5
"""The largest difference of a logit: the same rows are looked up, in another table."""


@dataclass(frozen=True)
class Base:
    """What candidates are built from, with the data as it reads them; `trimmed`: parameters the original has more."""

    model: PreTrainedModel
    processor: Any
    data: TaskData
    trimmed: int = 0


def check_trim(processor: Any, model: PreTrainedModel) -> None:
    """Raise ConfigError, naming the reason, unless this vocabulary can be trimmed."""
    check_trimmable(model)
    check_tokenizer(processor)


def prepare_base(
    config: RunConfig, run: RunFolder, data: TaskData, processor: Any, model: PreTrainedModel, report: Reporter
) -> Base:
    """The original with its data, trimmed where the configuration asks for it; kept in the run folder then.

    Raises:
        ConfigError: a vocabulary that can't be trimmed.
    """
    if not config.space.embeddings.trim:
        return Base(model, processor, data)
    if not run.trimmed.exists():
        report.stage("Trimming the vocabulary")
        return trim(config, data, processor, model, run.trimmed, report)
    tokenizer = load_trimmed(run.trimmed)
    return _base(config, model, load_checkpoint(run.trimmed), tokenizer)


def trim(
    config: RunConfig, data: TaskData, processor: Any, model: PreTrainedModel, folder: Path, report: Reporter
) -> Base:
    """Write model and tokenizer with the tokens that the training and validation data use into a folder, and load it.

    Raises:
        ConfigError: a vocabulary that can't be trimmed, or that reads or answers those data otherwise afterwards.
    """
    check_trim(processor, model)
    used = used_tokens(config.model, config.data, config.search.seed, data, processor) | named_tokens(model)
    with tempfile.TemporaryDirectory(prefix="greenfront-trim-") as scratch:
        kept = save_trimmed(processor, used, Path(scratch))
        tokenizer = load_trimmed(Path(scratch))
        found = _base(config, model, trim_model(model, kept), tokenizer)
    check_trimmed(data, found.data, kept)
    _check_answers(data, model, found)
    save_checkpoint(found.model, folder, tokenizer)
    _say(data, found, kept, report)
    return found


def trimmed_for_a_while(config: RunConfig, data: TaskData, processor: Any, model: PreTrainedModel) -> PreTrainedModel:
    """The trimmed model alone; nothing of it is kept."""
    with tempfile.TemporaryDirectory(prefix="greenfront-trim-") as scratch:
        return trim(config, data, processor, model, Path(scratch) / "trimmed", Silent()).model


def _base(config: RunConfig, original: PreTrainedModel, trimmed: PreTrainedModel, tokenizer: Any) -> Base:
    data, _ = load_data(config.model, config.data, config.search.seed, processor=tokenizer)
    return Base(trimmed, tokenizer, data, original.num_parameters() - trimmed.num_parameters())


def _check_answers(data: TaskData, model: PreTrainedModel, base: Base) -> None:
    """Raise ConfigError unless both models give the same logits: positions, say, may depend on a token's number."""
    some = np.arange(min(_EXAMPLES, len(data.validation)))
    with torch.inference_mode():
        before, after = (answer_rows(m, d.validation.batch(some)) for m, d in ((model, data), (base.model, base.data)))
    difference = float((before - after).abs().max())
    if not difference <= _TOLERANCE:
        raise ConfigError(
            f"space.embeddings.trim: must be false for this {type(model).__name__}: with other numbers for its tokens "
            f"its logits differ by {difference:.1e}"
        )


def _say(data: TaskData, base: Base, kept: Sequence[int], report: Reporter) -> None:
    table = base.model.get_input_embeddings()
    assert isinstance(table, torch.nn.Embedding)
    before = table.num_embeddings + base.trimmed // table.embedding_dim
    megabytes = base.trimmed * torch.float32.itemsize / 1e6
    report.note(f"vocabulary: {table.num_embeddings:,} of {before:,} tokens are kept, {megabytes:.1f} MB less")
    for name in ("validation", "test"):
        lost, count = lost_tokens(getattr(data, name), kept)
        read = "" if lost == 0 else ", and are read in smaller pieces"
        report.note(f"{lost:,} of {count:,} {name} tokens ({lost / max(count, 1):.2%}) aren't among them{read}")
