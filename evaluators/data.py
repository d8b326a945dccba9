"""A task's data: read, checked, split and encoded once; after that it only travels."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import DataError
from greenfront.evaluators.checkpoints import read_config
from greenfront.evaluators.examples import Examples, Indices
from greenfront.evaluators.splits import Keys, split_off, stratified, warn_of_duplicates
from greenfront.evaluators.tables import read_tables
from greenfront.evaluators.tasks import get_task


@dataclass(frozen=True)
class TaskData:
    """Four sets of examples that serve different ends, and the names of their labels in the order of their
    ids (none where a task has no classes).

    Attributes:
        train: what models are trained on.
        validation: what candidates are compared on during the search, at most `data.validation_examples`.
        test: what the verified front is scored on, once.
        calibration: a part of `train` that statistics are computed on.
        fingerprint: SHA-256 of the contents of train, validation and test as the model sees them.
    """

    train: Examples
    validation: Examples
    test: Examples
    calibration: Examples
    label_names: tuple[str, ...]
    fingerprint: str


def load_data(model: ModelConfig, data: DataConfig, seed: int, *, processor: Any = None) -> tuple[TaskData, Any]:
    """Read, check, split and encode the data of a run, and load what prepares the model's inputs.

    A missing test split is taken off train, then a missing validation split, both stratified; the same seed
    gives the same splits. Label ids follow the model's own names where they fit (`resolve_labels`). With another
    `processor` than the model's, as many tokens are read as `data.max_length` says, even if they are too many.

    Returns:
        The data, and the tokenizer or image processor, which `save_pretrained` writes beside the model.

    Raises:
        ConfigError: settings that can't hold (no data named, a length above the model's).
        DataError: files, columns, labels, texts, images or a model folder that can't be used.
    """
    task = get_task(model.task)
    config = read_config(model)
    tables = read_tables(data, task.columns(data))
    labels = task.labels(tables["train"], data, config)
    again = processor is not None
    processor = processor if again else task.processor(model, config, data)
    whole = {split: task.encode(table, labels, data, processor, config) for split, table in tables.items()}

    parts = {split: (whole[split], task.keys(table, data, whole[split])) for split, table in tables.items()}
    rows = len(whole["train"])
    for order, (split, share) in enumerate((("test", data.test_share), ("validation", data.validation_share))):
        if split not in parts:
            parts["train"], parts[split] = _take(parts["train"], share * rows, split, seed=2 * seed + order)
    named = {split: parts[split] for split in ("train", "validation", "test")}
    if not again:
        warn_of_duplicates({split: part_keys for split, (_, part_keys) in named.items()})

    train, validation, test = (examples for examples, _ in named.values())
    fingerprint = hashlib.sha256(repr(labels.names).encode())
    for examples in (train, validation, test):
        fingerprint.update(examples.digest())
    kept = stratified(validation.labels, data.validation_examples, seed=seed)
    return (
        TaskData(
            train=train,
            validation=validation.subset(kept),
            test=test,
            calibration=train.subset(_some(len(train), data.calibration_examples, seed=seed)),
            label_names=labels.names,
            fingerprint=fingerprint.hexdigest(),
        ),
        processor,
    )


def load_test(model: ModelConfig, data: DataConfig, seed: int) -> Examples:
    """The test split as `load_data` has it; where it is a table of its own, no other one is encoded.

    Raises:
        ConfigError, DataError: as `load_data`.
    """
    task, config = get_task(model.task), read_config(model)
    tables = read_tables(data, task.columns(data))
    if "test" not in tables:
        return load_data(model, data, seed)[0].test
    labels = task.labels(tables["train"], data, config)
    return task.encode(tables["test"], labels, data, task.processor(model, config, data), config)


def _take(
    part: tuple[Examples, Keys], count: float, split: str, *, seed: int
) -> tuple[tuple[Examples, Keys], tuple[Examples, Keys]]:
    examples, keys = part
    stay, taken = split_off(examples.labels, keys, count / len(examples), seed=seed)
    if len(taken) == 0:
        raise DataError(
            f"data.{split}: the {len(examples)} train examples are too few to split off a {split} set "
            f"and keep one of each label; give data.{split}"
        )
    return (examples.subset(stay), keys[stay]), (examples.subset(taken), keys[taken])


def _some(total: int, count: int, *, seed: int) -> Indices:
    return np.sort(np.random.default_rng(seed).permutation(total)[:count])
