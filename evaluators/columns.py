"""What a table's columns hold, as far as a look at some of their rows tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

import datasets
import numpy as np

from greenfront.evaluators.question_answering import listed_answers
from greenfront.evaluators.tables import Table, values

Kind = Literal["text", "class", "whole number", "number", "list", "image", "answers", "other"]
"""A `class` is a ClassLabel or true and false; any text or whole number may be one, too."""
ROWS = 2000
"""Looked at, spread over the table: sorted files show all of their labels."""
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")


@dataclass(frozen=True, eq=False)
class Column:
    """One column and its values in the rows looked at, without nulls (none are kept of images)."""

    name: str
    kind: Kind
    values: tuple[Any, ...]
    distinct: int

    @property
    def words(self) -> float:
        """In the mean text, as spaces part them; 0 where it holds none."""
        texts = self.values if self.kind == "text" else ()
        return float(np.mean([len(text.split()) for text in texts])) if texts else 0.0

    @property
    def repeats(self) -> bool:
        """Whether it has two values or more and few of them stand alone, as the names of classes do."""
        return 2 <= self.distinct <= max(len(self.values) // 4, 2) and self.distinct < len(self.values)


def look_at(table: Table) -> list[Column]:
    """The columns of a table, in its order."""
    rows = table.rows
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(int))
    some = Table(table.split, table.source, rows.select(chosen) if len(chosen) < len(rows) else rows)
    return [_column(some, name) for name in rows.column_names]


def _column(table: Table, name: str) -> Column:
    feature = table.rows.features[name]
    if isinstance(feature, datasets.Image):
        return Column(name, "image", (), 0)
    found = tuple(value for value in values(table, name) if value is not None)
    kind: Kind = "class" if isinstance(feature, datasets.ClassLabel) else _kind(found)
    distinct = len(set(found)) if kind in ("text", "class", "whole number", "number") else 0
    return Column(name, kind, () if kind == "image" else found, distinct)


def _kind(found: tuple[Any, ...]) -> Kind:
    def all_are(*types: type) -> bool:
        return bool(found) and all(isinstance(value, types) for value in found)

    if all_are(bool):
        return "class"
    if all_are(int):
        return "whole number"
    if all_are(int, float):
        return "whole number" if all(float(value).is_integer() for value in found) else "number"
    if all_are(str):
        return "image" if all(PurePath(value).suffix.lower() in PICTURES for value in found) else "text"
    if all_are(bytes):
        return "image"
    if not all_are(Mapping, list):
        return "other"
    answers = [listed_answers(value) for value in found]
    if all(each is not None for each in answers) and any(answers):
        return "answers"
    return "list" if all_are(list) else "other"
