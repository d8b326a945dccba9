"""Tables are read from what people have, without traces, and what can't be read is said."""

import gzip
import json
import logging
import os
from pathlib import Path
from typing import Any

import datasets
import pytest

from greenfront.config import DataConfig
from greenfront.errors import DataError
from greenfront.evaluators import get_metric
from greenfront.evaluators.quiet import quiet
from greenfront.evaluators.tables import read_tables, values

ROWS = [
    {"text": "good film", "label": "yes"},
    {"text": "NA", "label": "no"},
    {"text": 'a "quoted", one', "label": "yes"},
]
COLUMNS = {"data.text": "text", "data.label": "label"}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows in the format that the path's ending says."""
    dataset = datasets.Dataset.from_list(rows)
    name = path.name.removesuffix(".gz")
    with quiet():
        if name.endswith((".csv", ".tsv")):
            dataset.to_csv(str(path.with_name(name)), sep="\t" if name.endswith(".tsv") else ",", index=False)
        elif name.endswith(".parquet"):
            dataset.to_parquet(str(path))
        elif name.endswith(".json"):
            path.write_text(json.dumps(rows))
        else:
            path.with_name(name).write_text("\n".join(json.dumps(row) for row in rows))
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(path.with_name(name).read_bytes()))
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.json", "t.jsonl", "t.ndjson", "t.parquet", "T.CSV", "t.csv.gz"])
def test_files_are_read(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / name.lower(), ROWS).rename(tmp_path / name)
    tables = read_tables(DataConfig(train=str(file)), COLUMNS)
    assert list(tables) == ["train"]
    assert values(tables["train"], "text") == [row["text"] for row in ROWS]
    assert values(tables["train"], "label") == ["yes", "no", "yes"]


def test_what_can_not_be_read_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "train.csv"
    file.write_text('text,label\na,"x')
    logging.getLogger("datasets").addHandler(caplog.handler)  # its records stay with it
    try:
        with pytest.raises(DataError, match=r"train\.csv: can't be read \(ParserError: .*EOF inside string"):
            read_tables(DataConfig(train=str(file)), COLUMNS)
    finally:
        logging.getLogger("datasets").removeHandler(caplog.handler)
    assert caplog.records == []


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    for label in ("first", "other"):
        file.write_text(f"text,label\nx,{label}\n")
        os.utime(file, (0, 0))
        assert values(read_tables(DataConfig(train=str(file)), COLUMNS)["train"], "label") == [label]


def test_a_path_with_wildcards_in_its_name_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "run [1]*"
    folder.mkdir()
    file = write(folder / "train.csv", ROWS)
    assert len(read_tables(DataConfig(train=str(file)), COLUMNS)["train"].rows) == 3


def test_a_home_that_can_not_be_written_to_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As in containers and on clusters; nothing is left behind, nor printed."""
    for place in ("datasets.config.HF_DATASETS_CACHE", "evaluate.config.HF_METRICS_CACHE"):
        monkeypatch.setattr(place, Path("/dev/null/cache"))
    file = write(tmp_path / "train.csv", ROWS)
    assert len(read_tables(DataConfig(train=str(file)), COLUMNS)["train"].rows) == 3
    assert get_metric("accuracy").compute(predictions=[0], references=[0]) == {"accuracy": 1.0}
    assert list(tmp_path.iterdir()) == [file]
    assert capfd.readouterr() == ("", "")


def test_saved_folders_are_read_with_usual_and_named_splits(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_list(ROWS)
    with quiet():
        datasets.DatasetDict({"train": rows, "dev": rows.select([0]), "extra": rows.select([0, 1])}).save_to_disk(
            str(tmp_path / "saved")
        )
        rows.save_to_disk(str(tmp_path / "single"))
    usual = read_tables(DataConfig(path=str(tmp_path / "saved")), COLUMNS)
    assert {split: len(table.rows) for split, table in usual.items()} == {"train": 3, "validation": 1}
    named = read_tables(DataConfig(path=str(tmp_path / "saved"), train="extra", test="train"), COLUMNS)
    assert {split: len(table.rows) for split, table in named.items()} == {
        "train": 2,
        "validation": 1,
        "test": 3,
    }
    assert list(read_tables(DataConfig(path=str(tmp_path / "single")), COLUMNS)) == ["train"]
    with pytest.raises(DataError, match=r"data\.test: .* has no split 'extr'; .*did you mean 'extra'"):
        read_tables(DataConfig(path=str(tmp_path / "saved"), test="extr"), COLUMNS)


def test_a_folder_of_files_is_read(tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        write(tmp_path / "folder" / name, ROWS)
    tables = read_tables(DataConfig(path=str(tmp_path / "folder")), COLUMNS)
    assert set(tables) == {"train", "test"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.csv", "text,label\n", r"train\.csv: is empty; it must have"),
        ("train.csv", "", r"train\.csv: can't be read \(EmptyDataError"),
        ("train.csv", 'text,label\na,b\n"c,d\n', r"train\.csv: can't be read \(ParserError"),
        ("train.jsonl", '{"text": "a", "label": 1}\n{"text": ', r"train\.jsonl: can't be read"),
        ("train.parquet", "no parquet", r"train\.parquet: can't be read"),
        ("train.csv", "text,labels\na,b\n", r"no column 'label' \(data\.label\).*; did you mean 'labels'"),
        ("train.xlsx", "", r"data\.train: must be a file ending in \.csv, .* but got '.*train\.xlsx'"),
    ],
)  # fmt: skip
def test_files_that_can_not_be_used_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_tables(DataConfig(train=str(tmp_path / name)), COLUMNS)


def test_missing_places_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.csv").write_text("text,label\na,b\n")
    with pytest.raises(DataError, match=r"data\.train: no such file: .*did you mean 'train\.csv'"):
        read_tables(DataConfig(train=str(tmp_path / "trian.csv")), COLUMNS)
    with pytest.raises(DataError, match=r"data\.path: no such folder: '/nowhere/at/all'"):
        read_tables(DataConfig(path="/nowhere/at/all"), COLUMNS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"data\.path: '.*empty'.* can't be read"):
        read_tables(DataConfig(path=str(tmp_path / "empty")), COLUMNS)


def test_a_hub_id_without_a_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"data\.path: 'some/reviews' is not a folder here.*save_to_disk\(folder\)"):
        read_tables(DataConfig(path="some/reviews"), COLUMNS)
