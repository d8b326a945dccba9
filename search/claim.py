"""A run folder for one search: held, tidied up after whatever ended the last one, and made of this configuration."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from greenfront.config import RunConfig
from greenfront.durable import restored, writing
from greenfront.errors import RunError
from greenfront.search.run_folder import RunFolder

OWN = ("", "candidates", "finished", "library", "paused", "profiles", "measured", "earlier")
"""The folders in which a run writes."""


@contextmanager
def claimed(config: RunConfig, take: Callable[[RunConfig], RunFolder]) -> Iterator[RunFolder]:
    """The folder that `take` gives for a configuration, for this process alone.

    What a configuration changes in a folder is changed by whoever holds it: two searches that are started together
    with different ones would otherwise both think that the folder is theirs.

    Raises:
        RunError: as `take`; another process holds the folder, or it can't be written.
    """
    assert config.output is not None
    path = Path(os.path.abspath(config.output))
    made = not path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"output: {path} can't be written: {error.strerror}") from error
    try:
        with RunFolder(path).alone():
            tidy(path)
            yield take(config)
    except RunError:
        if made:
            with suppress(OSError):
                path.rmdir()  # nothing is left behind by a refusal
        raise


def tidy(path: Path) -> None:
    """Put right what kills have left of files, folders and locks, for whoever holds the folder at `path`."""
    with writing(path):
        for name in OWN:
            restored(path / name)
        for below in (path / "finished").glob("*"):
            restored(below)
        # Optuna's lock of the journal is a link that outlives its process; it would be waited for for 30 s.
        (path / "study.journal.lock").unlink(missing_ok=True)
