"""Tables: the splits as people have them, in files, saved folders, folders of images or on the hub."""

import glob
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from greenfront.config import DataConfig
from greenfront.errors import ConfigError, DataError
from greenfront.evaluators.names import listed, nearest, reason
from greenfront.evaluators.quiet import quiet

# Only an empty field is a null: with pandas' own list the texts "NA", "None" and "null" would be nulls as
# well.
_CSV = {"keep_default_na": False, "na_values": [""]}
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".csv": ("csv", _CSV),
    ".tsv": ("csv", {**_CSV, "sep": "\t"}),
    ".json": ("json", {}),
    ".jsonl": ("json", {}),
    ".ndjson": ("json", {}),
    ".parquet": ("parquet", {}),
}
"""A file's ending -> the builder of `datasets` that reads it, and its options."""
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val", "eval"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True)
class Table:
    """The rows of one split, and where they come from, for messages."""

    split: str
    source: str
    rows: datasets.Dataset

    def row_error(self, row: int, problem: str) -> DataError:
        """The error that row `row` (from 0) has this problem."""
        return DataError(f"{self.source}, row {row + 1} (counted from 1, without a header): {problem}")


def read_tables(data: DataConfig, columns: Mapping[str, str]) -> dict[str, Table]:
    """Every split that exists: `train`, and `validation` and `test` where they are given or found.

    Args:
        data: where the splits are.
        columns: setting -> column that must exist, e.g. `{"data.text": "text"}`.

    Raises:
        ConfigError: neither `data.path` nor `data.train`.
        DataError: what is named doesn't exist, can't be read, is empty or lacks a column.
    """
    if data.path is None and data.train is None:
        raise ConfigError("data: must have `train` (a file) or `path` (a folder or hub id), but got neither")
    tables = _read_files(data) if data.path is None else _read_path(data, data.path)
    for table in tables.values():
        if len(table.rows) == 0:
            raise DataError(f"{table.source}: the {table.split} split is empty; it must have at least one row")
        existing = table.rows.column_names
        for setting, column in columns.items():
            if column not in existing:
                raise DataError(
                    f"{table.source}: no column {column!r} ({setting}); it has {listed(map(repr, existing))}"
                    f"{nearest(column, existing)}"
                )
    return tables


def _read_files(data: DataConfig) -> dict[str, Table]:
    files = {"train": data.train, "validation": data.validation, "test": data.test}
    return {split: Table(split, file, _read_file(split, Path(file))) for split, file in files.items() if file}


def _read_file(split: str, file: Path) -> datasets.Dataset:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    if not suffixes or suffixes[-1] not in FORMATS:
        raise DataError(f"data.{split}: must be a file ending in {', '.join(FORMATS)}, but got {str(file)!r}")
    if not file.is_file():
        beside = file.parent.iterdir() if file.parent.is_dir() else ()
        raise DataError(f"data.{split}: no such file: {str(file)!r}{nearest(file.name, (f.name for f in beside))}")
    builder, options = FORMATS[suffixes[-1]]
    escaped = glob.escape(str(file.absolute()))  # the builders read `*` and `[` as patterns
    return _load(str(file), builder, split="train", data_files={"train": [escaped]}, **options)


def _load(source: str, builder: str, **arguments: Any) -> Any:
    """`load_dataset` through a cache of its own that ends with the call.

    The shared cache would need a writable home, locks between runs, and may answer with a file's former
    contents.
    """
    with quiet(), tempfile.TemporaryDirectory(prefix="greenfront-") as cache:
        try:
            return datasets.load_dataset(builder, cache_dir=cache, keep_in_memory=True, **arguments)
        except Exception as error:  # the builders raise whatever pandas, pyarrow and json raise
            if "corresponds to no data" in str(error):  # a header without rows
                raise DataError(f"{source}: is empty; it must have at least one row") from error
            raise DataError(f"{source}: can't be read ({reason(error)})") from error


def _read_path(data: DataConfig, path: str) -> dict[str, Table]:
    folder = Path(path)
    if folder.is_dir():
        loaded = _read_folder(folder, data.name)
    elif folder.is_absolute() or path.startswith((".", "~")) or path.count("/") > 1:
        raise DataError(f"data.path: no such folder: {path!r}")
    else:
        loaded = _read_hub(path, data.name)
    splits = {"train": loaded} if isinstance(loaded, datasets.Dataset) else dict(loaded)
    tables = {}
    for split, usual in SPLIT_NAMES.items():
        wanted = getattr(data, split)
        if wanted is not None and wanted not in splits:
            raise DataError(
                f"data.{split}: {path!r} has no split {wanted!r}; it has {listed(map(repr, splits))}"
                f"{nearest(wanted, splits)}"
            )
        name = wanted or next((name for name in usual if name in splits), None)
        if name is not None:
            tables[split] = Table(split, f"split {name!r} of {path!r}", splits[name])
    if "train" not in tables:
        raise DataError(
            f"data.path: {path!r} has no split 'train'; it has {listed(map(repr, splits))}: name one with data.train"
        )
    return tables


def _read_folder(folder: Path, name: str | None) -> Any:
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        try:
            with quiet():
                return datasets.load_from_disk(str(folder))
        except Exception as error:
            raise DataError(f"data.path: {str(folder)!r} can't be read ({reason(error)})") from error
    return _load(f"data.path: {str(folder)!r}", str(folder.absolute()), name=name)


def _read_hub(path: str, name: str | None) -> Any:
    try:
        with quiet():
            return datasets.load_dataset(path, name)
    except Exception as error:
        raise DataError(
            f"data.path: {path!r} is not a folder here, and could not be loaded as a hub id "
            f"({reason(error)}). "
            "Without a network, save it elsewhere with `load_dataset(...).save_to_disk(folder)` "
            "and set data.path to that folder"
        ) from error


def texts(table: Table, column: str) -> list[str]:
    """A column of text; raises DataError naming a row that holds none."""
    found = list(values(table, column))
    for row, text in enumerate(found):
        if text is None:
            raise table.row_error(row, f"no text in column {column!r}")
        if not isinstance(text, str):
            raise table.row_error(row, f"column {column!r} must hold text, but has {text!r}")
    return found


def values(table: Table, column: str) -> Sequence[Any]:
    """A column as plain Python values."""
    found: list[Any] = table.rows.with_format("arrow")[column][:].to_pylist()
    return found
