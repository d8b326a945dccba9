"""Labels: whose names and whose order win."""

from typing import Any

import datasets
import pytest
from transformers import BertConfig

from greenfront.errors import DataError
from greenfront.evaluators.labels import head_names, resolve_labels
from greenfront.evaluators.tables import Table


def table(labels: list[Any], split: str = "train", names: list[str] | None = None) -> Table:
    """A table with these labels, as a ClassLabel where names are given."""
    rows = datasets.Dataset.from_dict({"label": labels})
    if names is not None:
        rows = rows.cast_column("label", datasets.ClassLabel(names=names))
    return Table(split, f"{split}.csv", rows)


@pytest.mark.parametrize(
    ("labels", "declared", "model", "names", "ids"),
    [
        # The data's own order, where the checkpoint has no head, or one for other labels.
        (["b", "a", "b"], None, None, ("a", "b"), [1, 0, 1]),
        ([10, 9, 10], None, None, ("9", "10"), [1, 0, 1]),
        ([True, False], None, None, ("false", "true"), [1, 0]),
        ([1.0, 2.0], None, None, ("1", "2"), [0, 1]),
        ([1, 0, 1], ["z", "a"], None, ("z", "a"), [1, 0, 1]),
        ([1, 0, 1], ["z", "a", "never"], None, ("z", "a", "never"), [1, 0, 1]),
        (["b", "a"], None, ("c", "d"), ("a", "b"), [1, 0]),
        (["b", "a"], None, ("LABEL_0", "LABEL_1"), ("a", "b"), [1, 0]),
        ([1, 2], None, ("LABEL_0", "LABEL_1"), ("1", "2"), [0, 1]),
        ([0, 1], None, ("x", "y", "z"), ("0", "1"), [0, 1]),
        (["A", "a"], None, ("a", "b"), ("A", "a"), [0, 1]),
        # The model's order, where its names cover the data's.
        (["b", "a"], None, ("b", "a"), ("b", "a"), [0, 1]),
        (["positive", "negative"], None, ("NEGATIVE", "POSITIVE"), ("NEGATIVE", "POSITIVE"), [1, 0]),
        (["b", "a"], None, ("b", "c", "a"), ("b", "c", "a"), [0, 2]),
        ([0, 1], ["neg", "pos"], ("pos", "neg"), ("pos", "neg"), [1, 0]),
        ([1, 2], None, ("2", "1"), ("2", "1"), [1, 0]),
        # Numbers are the head's ids.
        ([0, 1], None, ("LABEL_0", "LABEL_1"), ("LABEL_0", "LABEL_1"), [0, 1]),
        ([1, 0], None, ("no", "yes"), ("no", "yes"), [1, 0]),
        ([0, 2], None, ("x", "y", "z"), ("x", "y", "z"), [0, 2]),
        ([0, 1], ["neg", "pos"], ("LABEL_0", "LABEL_1"), ("LABEL_0", "LABEL_1"), [0, 1]),
    ],
)
def test_names_and_ids(
    labels: list[Any],
    declared: list[str] | None,
    model: tuple[str, ...] | None,
    names: tuple[str, ...],
    ids: list[int],
) -> None:
    rows = table(labels, names=declared)
    resolved = resolve_labels(rows, "label", model)
    assert resolved.names == names
    assert resolved.encode(rows, "label").tolist() == ids


def test_labels_that_training_never_saw_are_named() -> None:
    resolved = resolve_labels(table(["a", "b"]), "label", None)
    with pytest.raises(
        DataError, match=r"^test\.csv: labels that the train split never shows: 'c', 'd'; it shows 'a', 'b'"
    ):
        resolved.encode(table(["a", "c", "d", "c"], "test"), "label")


def test_labels_known_to_the_head_need_no_training_row() -> None:
    resolved = resolve_labels(table(["a", "b"]), "label", ("c", "b", "a"))
    assert resolved.encode(table(["c", "a"], "test"), "label").tolist() == [0, 2]


@pytest.mark.parametrize(
    ("labels", "declared", "message"),
    [
        (
            ["a", None],
            None,
            r"train\.csv, row 2 \(counted from 1, without a header\): no label in column 'label'",
        ),
        ([0, -1], ["a", "b"], r"row 2 .*no label in column 'label'; name another split with data\.train"),
        ([0.5, 1.0], None, r"row 1 .*must be text or a whole number, but column 'label' has 0\.5"),
        ([["a"], ["b"]], None, r"row 1 .*must be text or a whole number"),
        (["a", "a"], None, r"train\.csv: labels must have at least two classes, but all are 'a'"),
        ([0, 0], ["a", "b"], r"at least two classes, but all are 'a'"),
    ],
)
def test_labels_that_can_not_be_used_are_named(labels: list[Any], declared: list[str] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        resolve_labels(table(labels, names=declared), "label", None)


def test_only_a_checkpoint_with_a_head_has_names() -> None:
    named = BertConfig(id2label={0: "x", 1: "y", 2: "z"}, architectures=["BertForSequenceClassification"])
    assert head_names(named, "ForSequenceClassification") == ("x", "y", "z")
    assert head_names(BertConfig(architectures=["BertModel"]), "ForSequenceClassification") is None
    assert head_names(BertConfig(), "ForSequenceClassification") is None
    assert head_names(named, "ForImageClassification") is None
