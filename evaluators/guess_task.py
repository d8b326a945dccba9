"""Task, columns, length and metric of a model and its data, as far as they can be seen."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig

from greenfront.config import DataConfig, ModelConfig
from greenfront.errors import ConfigError, DataError
from greenfront.evaluators import guess_columns
from greenfront.evaluators.checkpoints import read_config
from greenfront.evaluators.columns import Column, look_at
from greenfront.evaluators.entity_metric import is_iob2
from greenfront.evaluators.find_splits import find_splits
from greenfront.evaluators.guess_length import guess_length
from greenfront.evaluators.names import listed, nearest
from greenfront.evaluators.tables import Table, read_tables
from greenfront.evaluators.tasks import TASKS, get_task
from greenfront.evaluators.tokenizer import load_fast_tokenizer, load_tokenizer, positions
from greenfront.guess import Guess

FINDERS = {
    "question-answering": guess_columns.question_answering,
    "image-classification": guess_columns.image_classification,
    "token-classification": guess_columns.token_classification,
    "text-classification": guess_columns.text_classification,
    "causal-language-modelling": guess_columns.causal_language_modelling,
}
"""The task that asks most of its columns first: what does for it does for later ones, too."""
LANGUAGE = "causal-language-modelling"
MAJORITY = 0.8
"""From this share of one class on, accuracy says little of the others."""


@dataclass(frozen=True)
class Material:
    """A model and its data, read once; `config` is None for a hub id that can't be reached from here."""

    path: str
    config: PretrainedConfig | None
    splits: tuple[Guess, ...]
    tables: Mapping[str, Table]
    columns: Sequence[Column]
    notes: tuple[str, ...]

    @property
    def source(self) -> str:
        """Of the training data, for messages."""
        return self.tables["train"].source


def read_material(model: str, source: str | None, files: Mapping[str, str]) -> Material:
    """Look at a model (a folder or hub id) and data (`source`: a file, folder or hub id; `files`: those of splits).

    Raises:
        DataError: data that can't be read, or a folder without a model.
    """
    model = os.path.expanduser(model)
    found = {guess.key: guess for guess in find_splits(files.get("train") or source or "")}
    found |= {f"data.{split}": Guess(f"data.{split}", file, "as given") for split, file in files.items()}
    tables = read_tables(DataConfig.model_validate({key[5:]: guess.value for key, guess in found.items()}), {})
    notes: list[str] = []
    config: PretrainedConfig | None = None
    try:
        config = read_config(ModelConfig(path=model, task="text-classification"))
    except DataError as error:
        if Path(model).exists() or model.startswith((".", "/")) or model.count("/") > 1:
            raise
        notes.append(f"the model could not be looked at, and what depends on it is a guess: {error}")
    return Material(model, config, tuple(found.values()), tables, look_at(tables["train"]), tuple(notes))


def guess_task(material: Material, given: Mapping[str, Any]) -> list[Guess]:
    """Every setting of `model` and `data` that the material tells, by dotted keys; what is `given` is taken as it is.

    Raises:
        DataError: a given column that isn't there, or no columns that a task could read.
        ConfigError: an unknown task.
    """
    names = [column.name for column in material.columns]
    task, found = _task(material, given)
    found = [Guess(guess.key, given[guess.key], "as given") if guess.key in given else guess for guess in found]
    wrong = [guess.value for guess in found if guess.value not in names]
    if wrong:
        have = f"it has {listed(map(repr, names))}{nearest(str(wrong[0]), names)}"
        raise DataError(f"{material.source}: no column {wrong[0]!r}; {have}")
    data = DataConfig.model_validate({"train": "train", **{guess.key[5:]: guess.value for guess in found}})
    rest = [*_length(material, data, str(task.value), given), *_metric(material, data, str(task.value))]
    found = [_checked(guess, material, data, str(task.value)) for guess in found]
    return [task, *_splits(material, found), *found, *rest]


def _task(material: Material, given: Mapping[str, Any]) -> tuple[Guess, list[Guess]]:
    """The task, and the columns that it reads."""
    tasks = [get_task(given["model.task"]).name] if "model.task" in given else list(FINDERS)
    possible = {task: found for task in tasks if (found := FINDERS[task](material.columns, given)) is not None}
    head = _head_task(material.config)
    has = listed(repr(column.name) for column in material.columns)
    if not possible or (next(iter(possible)) == LANGUAGE and head not in (None, LANGUAGE) and len(tasks) > 1):
        wanted = tasks[0] if len(tasks) == 1 else head or "any task"
        raise DataError(
            f"{material.source}: no columns that {wanted} could read were found among {has}; name them "
            f"(`greenfront init --task TASK --text COLUMN --label COLUMN`)"
        )
    first = next(iter(possible))
    if len(tasks) == 1:
        return Guess("model.task", first, "as given"), possible[first]
    if head is not None and head in possible and head not in (first, LANGUAGE):
        return Guess("model.task", head, "the model's head", f"the columns would do for {first}"), possible[head]
    doubt = ""
    if head not in (None, first):
        doubt = f"the model has a head for {head}"
    elif first == LANGUAGE and head is None:
        doubt = "no column was found that could hold labels"
    why = f"what stands in the columns{', and the model has the head' if head == first else ''}"
    return Guess("model.task", first, why, doubt), possible[first]


def _head_task(config: PretrainedConfig | None) -> str | None:
    """The task that a checkpoint has a head for."""
    architectures = [str(name) for name in (config.architectures if config is not None else None) or ()]
    if any(name.endswith("LMHeadModel") for name in architectures):
        return LANGUAGE
    return next((name for name, task in TASKS.items() if any(each.endswith(task.head) for each in architectures)), None)


def _splits(material: Material, columns: Sequence[Guess]) -> list[Guess]:
    """Where the splits are. One that lacks a column, as published test data do, is left out."""
    result = []
    for guess in material.splits:
        table = material.tables.get(guess.key[5:])
        absent = [c.value for c in columns if table is not None and c.value not in table.rows.column_names]
        if absent and guess.key != "data.train":
            why = f"{guess.value} has no column {absent[0]!r}: it is split off the training data instead"
            guess = Guess(guess.key, None, why, "a file with this column would be better")
        result.append(guess)
    return result


def _length(material: Material, data: DataConfig, task: str, given: Mapping[str, Any]) -> list[Guess]:
    if task == "image-classification" or "data.max_length" in given:
        return [Guess("data.max_length", given[key], "as given") for key in given if key == "data.max_length"]
    if material.config is None:
        why = "the default: the model's tokenizer can't be asked here"
        return [Guess("data.max_length", data.max_length, why, "how many tokens the texts have isn't known")]
    model = ModelConfig.model_validate({"path": material.path, "task": task})
    load = load_fast_tokenizer if task == "token-classification" else load_tokenizer
    tokenizer = load(model, material.config, data.model_copy(update={"max_length": 8}))
    most = positions(material.config, tokenizer.model_max_length)
    return [guess_length(material.columns, data, task, tokenizer, most)]


def _metric(material: Material, data: DataConfig, task: str) -> list[Guess]:
    """The metric, where the labels ask for another than the task's own."""
    values = next((column.values for column in material.columns if column.name == data.label), ())
    if task == "token-classification":
        feature = getattr(material.tables["train"].rows.features[data.label], "feature", None)
        tags = getattr(feature, "names", None) or {
            str(tag) for value in values for tag in (value if isinstance(value, list) else str(value).split())
        }
        if all(map(is_iob2, tags)) and len(tags) > 1:
            return [Guess("data.metric", "entity_f1", "labels such as B-PER mark entities")]
    elif task in ("text-classification", "image-classification") and values:
        (label, count), *_ = Counter(values).most_common(1)
        names = getattr(material.tables["train"].rows.features[data.label], "names", None)
        if count >= MAJORITY * len(values):
            largest = names[label] if names else label
            doubt = f"{count / len(values):.0%} of the rows are {largest!r}: f1 tells more of the others"
            return [Guess("data.metric", "accuracy", "the task's own", doubt)]
    return []


def _checked(guess: Guess, material: Material, data: DataConfig, task: str) -> Guess:
    """The same guess; with a doubt where the labels in this column can't be classes."""
    if guess.key != "data.label" or material.config is None:
        return guess
    try:
        TASKS[task].labels(material.tables["train"], data, material.config)
    except (ConfigError, DataError) as error:
        return replace(guess, doubt=str(error))
    return guess
