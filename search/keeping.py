"""A scored candidate's weights on disk, with what they score and what its metric needs of its outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedModel

from greenfront.durable import replacing, write_atomic
from greenfront.evaluators import Outputs
from greenfront.evaluators.outputs import Statistics
from greenfront.search.droppable import droppable
from greenfront.search.finish_record import Attempt, record_of, record_text
from greenfront.search.run_folder import RunFolder
from greenfront.search.training_state import Weights, load_arrays
from greenfront.spaces import Plan, compress, save_checkpoint


@dataclass(frozen=True)
class Kept:
    """What is known of the weights that are kept of a candidate; of a trial that was trained again for them, the
    journal tells another score.

    `statistics` (N, K) and `divergence` in nats as in `Outputs`, `untrained` as in `Outcome`. The last two are those of
    a trial: `divergence` is None of what is finished, and of what an earlier version of the program has kept.
    """

    statistics: Statistics
    divergence: float | None = None
    untrained: bool = False

    def save(self, path: Path) -> None:
        """Write it as safetensors, whole or not at all."""
        arrays: dict[str, np.ndarray[Any, Any]] = {"statistics": self.statistics}
        if self.divergence is not None:
            arrays |= {"divergence": np.array([self.divergence]), "untrained": np.array([self.untrained])}
        with replacing(path) as partial:
            save_file(arrays, partial)

    @classmethod
    def load(cls, path: Path) -> "Kept":
        """Inverse of `save`."""
        with droppable(path, "its candidate can't be measured or exported any more"):
            arrays = load_file(path)
            if "divergence" not in arrays:
                return cls(arrays["statistics"])
            return cls(arrays["statistics"], float(arrays["divergence"][0]), bool(arrays["untrained"][0]))


def keep_candidate(
    run: RunFolder,
    base: PreTrainedModel,
    plan: Plan,
    weights: Weights,
    outputs: Outputs,
    processor: Any,
    *,
    untrained: bool = False,
) -> None:
    """Write a trial's weights and outputs, the outputs first: a candidate's folder, once it is there, is complete."""
    model = _built(base, plan, weights)
    Kept(outputs.statistics, outputs.divergence, untrained).save(run.outputs(plan.id))
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
    with replacing(run.finishing(plan.id)) as partial:
        partial.mkdir(parents=True)
        save_checkpoint(_built(base, plan, weights), partial / "model", processor)
        Kept(outputs.statistics).save(partial / "outputs.safetensors")  # the record has the divergence
        _write(record_of(partial), attempts)


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
