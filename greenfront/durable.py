"""Files and folders that are there whole or not at all, also after the machine lost its power.

A rename alone promises that of a process that is killed. After a crash of the machine it may have outlived what the
file holds, so that is on the disk before it gets its name, and the name before anything goes on.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from greenfront.errors import RunError

PARTIAL, OLD = ".partial", ".replaced"
"""Endings of what a kill may leave beside a path: what was to take its place, and a folder that made way for it."""
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What the system says of a disk, whatever was to be written."""
KEPT = "what was finished before is kept, and the same command goes on from there"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write a file or a folder to; at the end of the block it is on disk and takes the place of `path`.

    After an exception what stood there is unchanged, and nothing is left beside it. Several processes may do it at
    once: the last one stays.

    Raises:
        RunError: it can't be written; names `path` and the system's reason.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
    try:
        with writing(path):
            _remove(partial)
            yield partial
            _sync(partial)
            old = path.with_name(path.name + OLD)
            if path.is_dir():  # a folder can't be replaced in one step; `restored` mends a kill between the two
                _remove(old)
                os.replace(path, old)
            os.replace(partial, path)
            sync_folder(path.parent)
            _remove(old)
    except BaseException:
        with suppress(OSError):
            _remove(partial)
        raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside, the system's refusal to write becomes a RunError that names `path` and the reason."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} can't be written: {error.strerror or error}; {KEPT}") from error
    except Exception as error:
        from safetensors import SafetensorError  # here, as `--help` needs no tensors

        if not isinstance(error, SafetensorError):
            raise
        raise RunError(f"{path} can't be written: {error}; {KEPT}") from error


def write_atomic(path: Path, text: str) -> None:
    """Write text so that a reader, or the next start, sees the old file or the new one whole; raises RunError."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def restored(folder: Path) -> None:
    """Put right what kills have left directly in a folder, for whoever is alone there.

    A folder that made way gets its name back where its successor never came; whatever else is half done goes.
    """
    for path in sorted(folder.glob(f"*{OLD}")):
        wanted = path.with_name(path.name.removesuffix(OLD))
        if wanted.exists():
            _remove(path)
        else:
            os.replace(path, wanted)
    for path in sorted(folder.glob(f"*{PARTIAL}")):
        _remove(path)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where its file system can."""
    with suppress(OSError):
        _sync_one(folder)


def _sync(path: Path) -> None:
    """Bring a file, or all of a folder, to the disk, readable for whoever may read what is around it."""
    if path.is_dir():
        for below in path.iterdir():
            _sync(below)
        sync_folder(path)
        return
    path.chmod(0o644)  # safetensors and temporary files are written private
    _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
