"""Who works in a run folder: one process at a time, whatever its configuration says."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from greenfront.durable import writing
from greenfront.errors import RunError

LOCK = "lock"
"""The file that is locked, while a process works there; it says which one. What a killed process leaves locks nothing.
A file, as file systems of a network lock no folders."""
_TRIES, _PAUSE_SECONDS = 5, 0.05
"""`holder` looks by locking it for a moment."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder; the kernel frees it when the process ends, however it ends.

    Raises:
        RunError: another process holds it, which the message names, or it can't be written.
    """
    path = folder / LOCK
    descriptor = _locked(path)
    try:
        with writing(path):
            os.truncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # while it is locked, so that nobody loses another one's
    finally:
        os.close(descriptor)


def holder(folder: Path) -> str | None:
    """The process that works in a folder, in words; None where none does. Changes nothing."""
    path = folder / LOCK
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _said(path) or "a process"
    except OSError:  # a file system without locks: nobody can hold it
        return None
    finally:
        os.close(descriptor)
    return None


def _locked(path: Path) -> int:
    """A descriptor of the file, locked."""
    for _ in range(_TRIES):
        with writing(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            time.sleep(_PAUSE_SECONDS)
            continue
        except OSError as error:
            os.close(descriptor)
            raise RunError(f"output: {path} can't be locked: {error.strerror}; choose another folder") from error
        if _is(descriptor, path):
            return descriptor
        os.close(descriptor)
    who = _said(path) or "another process"
    raise RunError(f"output: {who} is searching in {path.parent}; wait for it, or end it")


def _is(descriptor: int, path: Path) -> bool:
    """Whether the file is still the one of that name: its holder may have ended, and removed it, meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _said(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()[:200]
    except OSError:
        return ""
