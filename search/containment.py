"""A run folder that may come from anybody: what stands in it stays in it."""

import os
import stat
from pathlib import Path

from greenfront.errors import RunError


def check_contained(folder: Path) -> None:
    """Refuse a folder in which a link leads out of it, or that holds a pipe, a device or a socket.

    A search writes to files of its run folder and an export copies some: through a link it would write to, or give
    away, any file of its user's. A pipe would be waited for in vain. Files that go while this looks (a search is
    running there) are passed over. The folder itself may be a link.

    Raises:
        RunError: names the first such file.
    """
    root = Path(os.path.realpath(folder))
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            path = os.path.join(directory, name)
            try:
                mode = os.lstat(path).st_mode
            except FileNotFoundError:
                continue
            if stat.S_ISLNK(mode):
                target = Path(os.path.realpath(path))
                if not target.is_relative_to(root):
                    raise RunError(f"{path} is a link that leads out of the run folder, to {target}; remove it")
            elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise RunError(f"{path} is neither a file nor a folder; remove it from the run folder")
