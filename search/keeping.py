"""A scored candidate's weights on disk, with what its metric needs of its outputs."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file
from transformers import PreTrainedModel

from greenfront.evaluators import Outputs
from greenfront.search.finish_record import Attempt, record_of, record_text
from greenfront.search.run_folder import RunFolder, write_atomic
from greenfront.search.training_state import Weights, load_arrays
from greenfront.spaces import Plan, compress, save_checkpoint


def keep_candidate(
    run: RunFolder, base: PreTrainedModel, plan: Plan, weights: Weights, outputs: Outputs, processor: Any
) -> None:
    """Write a trial's weights and outputs, the outputs first: a candidate's folder, once it is there, is complete."""
    model = _built(base, plan, weights)
    save_file({"statistics": outputs.statistics}, run.outputs(plan.id))
    save_checkpoint(model, run.candidate(plan.id), processor)


def keep_finished(
    run: RunFolder,
    base: PreTrainedModel,
    plan: Plan,
    attempts: Sequence[Attempt],
    weights: Weights,
    outputs: Outputs,
    processor: Any,
) -> None:
    """Write a finished candidate's weights, outputs and record, all of them or none.

    What the search has kept of it stays where it is: until the new folder has its name, and wherever it has none, that
    is the candidate. So there is one step after which all of it is finished, and a kill before it costs the training.
    """
    folder = run.finishing(plan.id)
    partial, old = (folder.with_name(f"{folder.name}.{word}") for word in ("partial", "old"))
    for left_over in (partial, old):
        shutil.rmtree(left_over, ignore_errors=True)
    partial.mkdir(parents=True)
    save_checkpoint(_built(base, plan, weights), partial / "model", processor)
    save_file({"statistics": outputs.statistics}, partial / "outputs.safetensors")
    _write(record_of(partial), attempts)
    if folder.exists():  # of an earlier finish: what is left of it when this is killed isn't taken for one
        os.replace(folder, old)
    os.replace(partial, folder)
    shutil.rmtree(old, ignore_errors=True)


def keep_attempts(run: RunFolder, id_: str, attempts: Sequence[Attempt]) -> None:
    """Write the record alone, where an attempt was not accepted: the candidate stays what it is."""
    folder = run.finishing(id_)
    folder.mkdir(parents=True, exist_ok=True)
    _write(record_of(folder), attempts)


def _write(path: Path, attempts: Sequence[Attempt]) -> None:
    write_atomic(path, record_text(attempts))


def _built(base: PreTrainedModel, plan: Plan, weights: Weights) -> PreTrainedModel:
    model = compress(base, plan)
    load_arrays(model, weights)
    return model
