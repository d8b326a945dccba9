"""Labels: which names there are, in which order, and the ids of a table's labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
from transformers import PretrainedConfig

from greenfront.errors import DataError
from greenfront.evaluators.examples import Indices
from greenfront.evaluators.names import listed
from greenfront.evaluators.tables import Table, values

Label = str | int


@dataclass(frozen=True)
class Labels:
    """Label names in the order of their ids, and the id of each value that stands in the data."""

    names: tuple[str, ...]
    ids: Mapping[Label, int]
    ignore_case: bool = False

    def encode(self, table: Table, column: str) -> Indices:
        """The (N,) ids of a table's labels.

        Raises:
            DataError: a label that training never saw, or a null.
        """
        found = raw_labels(table, column)
        key = (lambda label: str(label).casefold()) if self.ignore_case else (lambda label: label)
        unknown = sorted({str(label) for label in found if key(label) not in self.ids})
        if unknown:
            raise DataError(
                f"{table.source}: labels that the train split never shows: {listed(map(repr, unknown))}; "
                f"it shows {listed(map(repr, self.names))}"
            )
        return np.array([self.ids[key(label)] for label in found], dtype=np.int64)


NO_LABELS = Labels((), {})
"""Of tasks that have no classes."""


def resolve_labels(table: Table, column: str, model_names: tuple[str, ...] | None) -> Labels:
    """The labels of a task, from its train split and from the model's head, where the checkpoint has one.

    1. The model's names and order, where they cover the data's labels (letter case aside).
    2. The model's names, where the data's labels are whole numbers up to the last of its ids, or where they
       are a `ClassLabel` of as many names and the model only says LABEL_0, LABEL_1, ...
    3. Else the data's own: a `ClassLabel` in its order, numbers ascending, text sorted.

    Raises:
        DataError: a null or a label that is neither text nor a whole number, or fewer than two classes.
    """
    found = sorted(set(raw_labels(table, column)), key=lambda label: (isinstance(label, str), label))
    if len(found) < 2:
        raise DataError(f"{table.source}: labels must have at least two classes, but all are {found[0]!r}")
    feature = table.rows.features[column]
    declared = tuple(feature.names) if isinstance(feature, datasets.ClassLabel) else None
    own: Sequence[Label] = declared or found
    if model_names is not None:
        folded: dict[Label, int] = {name.casefold(): position for position, name in enumerate(model_names)}
        wanted = {str(label).casefold() for label in own}
        if len(folded) == len(model_names) and len(wanted) == len(own) and wanted <= set(folded):
            return Labels(model_names, folded, ignore_case=True)
        whole = [label for label in found if isinstance(label, int)]
        if len(whole) == len(found) and min(whole) >= 0 and max(whole) == len(model_names) - 1:
            return Labels(model_names, {label: label for label in range(len(model_names))})
        if declared and len(declared) == len(model_names) and _only_numbered(model_names):
            return Labels(model_names, {label: position for position, label in enumerate(declared)})
    return Labels(tuple(map(str, own)), {label: position for position, label in enumerate(own)})


def head_names(config: PretrainedConfig, head: str) -> tuple[str, ...] | None:
    """The label names of a checkpoint whose class ends in `head` (`ForSequenceClassification`), else None.

    A checkpoint without that head has names as well, but they are the library's defaults and mean nothing.
    """
    if not any(str(name).endswith(head) for name in config.architectures or ()):
        return None
    id2label: dict[Any, str] = config.id2label or {}
    return tuple(str(id2label[position]) for position in sorted(id2label))


def raw_labels(table: Table, column: str) -> list[Label]:
    """A table's labels as text or whole numbers; a ClassLabel as its names.

    Raises:
        DataError: a null (or a ClassLabel's -1, as in published test splits without answers), or another
        type.
    """
    feature = table.rows.features[column]
    found = values(table, column)
    result: list[Label] = []
    for row, value in enumerate(found):
        if value is None or (isinstance(feature, datasets.ClassLabel) and value == -1):
            hint = f"; name another split with data.{table.split}" if value == -1 else ""
            raise table.row_error(row, f"no label in column {column!r}{hint}")
        if isinstance(feature, datasets.ClassLabel):
            result.append(feature.names[value])
        elif isinstance(value, bool):
            result.append(str(value).lower())
        elif isinstance(value, str | int):
            result.append(value)
        elif isinstance(value, float) and value.is_integer():
            result.append(int(value))
        else:
            raise table.row_error(row, f"a label must be text or a whole number, but column {column!r} has {value!r}")
    return result


def _only_numbered(names: tuple[str, ...]) -> bool:
    return names == tuple(f"LABEL_{position}" for position in range(len(names)))
