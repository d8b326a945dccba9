"""One measurement at a time: a lock that every process of a user on this machine respects."""

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from greenfront.errors import MeasureError

_log = logging.getLogger(__name__)


def lock_path() -> Path:
    """The lock's file, in the temporary folder, one per user."""
    return Path(tempfile.gettempdir()) / f"greenfront-measure-{os.getuid()}.lock"


@contextmanager
def machine_lock(*, wait: bool = True) -> Iterator[None]:
    """Hold the machine for a measurement; waits, and says so, while another process measures.

    The kernel frees the lock when its holder ends, however it ends, so a stale file never blocks.

    Raises:
        MeasureError: another process measures, and this one is not to wait.
    """
    with lock_path().open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            if not wait:
                raise MeasureError(f"process {holder} is measuring on this machine ({lock_path()})") from error
            _log.warning("waiting: process %s is measuring on this machine (%s)", holder, lock_path())
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
