"""What finishing trains on: training examples that trials have not seen before those that they have, and the original's
logits on them."""

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedModel

from greenfront.config import RunConfig
from greenfront.durable import replacing
from greenfront.evaluators import Examples, TaskData, answer_numbers, predict
from greenfront.evaluators.examples import Indices
from greenfront.search.droppable import droppable
from greenfront.search.prepare import LARGEST_NUMBERS
from greenfront.search.progress import Reporter
from greenfront.search.run_folder import RunFolder


def chosen_examples(config: RunConfig, count: int) -> Indices:
    """Which of `count` training examples finishing trains on, sorted: as many as its steps take.

    Trials take the first ones of one permutation (`prepare_teacher`); these follow them, and begin again at its end.
    """
    tune, finish = config.fine_tune, config.finish
    order = np.random.default_rng(config.search.seed).permutation(count)
    fresh = np.roll(order, -min(count, tune.steps * tune.batch_size))
    return np.sort(fresh[: max(finish.shards, min(count, finish.steps * tune.batch_size * finish.shards))])


def finishing_data(
    config: RunConfig, run: RunFolder, data: TaskData, model: PreTrainedModel, report: Reporter
) -> tuple[Examples, NDArray[np.float32] | None]:
    """The examples, and the original's logits (P, C) on them, which are kept; None where they are too many to keep."""
    chosen = chosen_examples(config, len(data.train))
    train = data.train.subset(chosen)
    path = run.path / "finishing.safetensors"
    if path.exists():
        with droppable(path, "the original's outputs are computed again"):
            kept = load_file(path)
        if np.array_equal(kept["examples"], chosen):
            return train, kept["logits"]
    if answer_numbers(model, train) > LARGEST_NUMBERS:
        return train, None
    report.stage("The original's outputs, for finishing")
    logits = predict(model, train, progress=report.advance)
    with replacing(path) as partial:
        save_file({"examples": chosen, "logits": logits}, partial)
    return train, logits


def shards_of(count: int, shards: int, seed: int) -> list[Indices]:
    """The examples of each of so many disjoint shards, of sizes that differ by one at most; none for one shard."""
    if shards == 1:
        return []
    return [np.sort(part) for part in np.array_split(np.random.default_rng(seed).permutation(count), shards)]
