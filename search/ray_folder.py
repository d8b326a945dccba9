"""Where a local Ray keeps its files, so that nothing of them is left: its own folders in /tmp/ray stay for ever."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

PREFIX = "gf-ray-"
LONGEST = 16
"""Characters of the path above: Ray makes sockets 87 characters below it, whose paths systems limit to 103 or 107."""
SECONDS = 3.0
"""That processes which have been ended may go on writing."""


@contextmanager
def ray_folder() -> Iterator[Path]:
    """A new folder while inside; also removes those of processes that were killed."""
    above = Path(tempfile.gettempdir())
    if len(str(above)) > LONGEST and Path("/tmp").is_dir():
        above = Path("/tmp")
    _sweep(above)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=above))
    try:
        yield folder
    finally:
        until = time.monotonic() + SECONDS
        while folder.exists() and time.monotonic() < until:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep(above: Path) -> None:
    for folder in above.glob(f"{PREFIX}*"):
        pid = re.match(rf"{PREFIX}(\d+)-", folder.name)
        if pid is not None and not psutil.pid_exists(int(pid[1])) and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
