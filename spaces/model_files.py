"""A model folder from anybody: files that end, and a configuration that makes Transformers fetch no code."""

import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig

from greenfront.errors import DataError
from greenfront.json_source import MEGABYTE, MOST_BYTES, read_json

MOST_CONFIG_BYTES = 16 * MEGABYTE
_IMPLEMENTATIONS = ("attn_implementation", "experts_implementation")


def read_model_config(folder: Path) -> Any:
    """The config.json of a model folder as plain values, once the folder's files are known to end.

    Raises:
        DataError: no config.json; a pipe or a device among the files, which would be waited for in vain; JSON that is
            too large or nested too deeply, or none; the code of a kernel that is asked for.
    """
    for path in sorted(folder.glob("*")):
        try:
            status = path.stat()
        except OSError:
            continue  # a link to nowhere
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise DataError(f"{path}: is neither a file nor a folder; remove it from the model's folder")
        if path.suffix == ".json" and status.st_size > MOST_BYTES:
            raise DataError(f"{path}: has more than {MOST_BYTES / MEGABYTE:.0f} MB")
    config = folder / "config.json"
    try:
        raw = read_json(config, MOST_CONFIG_BYTES, finite=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: not a saved model (config.json can't be read: {error})") from error
    refuse_kernels(raw, str(config))
    return raw


def refuse_kernels(config: object, where: str) -> None:
    """Raise DataError where a configuration, or a config.json as plain values, asks for a kernel of the hub.

    Transformers would fetch its code and run it. Its own implementations are called by a word; what has a `/` is a
    repository, for the whole model or, in a mapping, for a part of it.
    """
    kernel = next((name for name in _implementations(config) if "/" in name), None)
    if kernel is not None:
        raise DataError(f"{where}: asks for the code of {kernel!r} from the hub, which is never run; remove it there")


def _implementations(config: object) -> Iterator[str]:
    """Everything that an implementation is set to, however deep."""
    waiting = [config]
    while waiting:
        found = waiting.pop()
        if isinstance(found, PretrainedConfig):
            found = vars(found)
        if isinstance(found, Mapping):
            for key, value in found.items():
                if str(key).removeprefix("_").removesuffix("_internal") in _IMPLEMENTATIONS:
                    yield from _texts(value)
            waiting.extend(found.values())
        elif isinstance(found, Sequence) and not isinstance(found, str):
            waiting.extend(found)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
