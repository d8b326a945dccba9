"""Where a task's splits are: files beside the one that is named, or what a folder holds."""

import re
from pathlib import Path

from greenfront.errors import DataError
from greenfront.evaluators.names import listed
from greenfront.evaluators.tables import COMPRESSED, FORMATS, SPLIT_NAMES
from greenfront.guess import Guess


def find_splits(source: str) -> list[Guess]:
    """`data.train` (with `data.validation` and `data.test` where files beside it are named like them), or `data.path`.

    A source is a data file, a folder (of such files, of images by label, or as `save_to_disk` leaves one) or else a
    hub id, which is taken as it stands.

    Raises:
        DataError: a folder of several files, none of which is named like training data.
    """
    place = Path(source).expanduser()
    if not place.is_dir():
        return _beside(place) if place.is_file() or _format(place) else [Guess("data.path", source, "a hub id")]
    saved = any((place / name).is_file() for name in ("dataset_dict.json", "state.json"))
    files = [] if saved else sorted(path for path in place.iterdir() if path.is_file() and _format(path))
    if saved or not files:
        return [Guess("data.path", str(place), "a folder with its splits")]
    named = [path for path in files if _renamed(path, "train") is not None]
    chosen = named or (files if len(files) == 1 else [])
    if not chosen:
        names = listed(path.name for path in files)
        raise DataError(f"{source}: which file is the training data? Name one of {names}")
    return _beside(chosen[0])


def _beside(train: Path) -> list[Guess]:
    """The training data, and the files beside them that are named alike but for the name of the split."""
    found = [Guess("data.train", str(train), "the file that was named")]
    for split in ("validation", "test"):
        path = _renamed(train, split)
        if path is not None:
            found.append(Guess(f"data.{split}", str(path), f"stands beside {train.name}"))
    return found


def _renamed(train: Path, split: str) -> Path | None:
    """The existing file with another split's name in the place of `train`; itself for `train`."""
    for name in SPLIT_NAMES["train"]:
        pattern = re.compile(rf"(?<![a-z]){name}(?![a-z])", re.IGNORECASE)
        for other in SPLIT_NAMES[split] if pattern.search(train.name) else ():
            path = train.with_name(pattern.sub(other, train.name))
            if path.is_file():
                return path
    return None


def _format(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in FORMATS
