"""Optuna's journal in a file, for the one process that writes it: whole appends, and errors that say what to do."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from greenfront.durable import sync_folder, writing
from greenfront.errors import RunError

_NEW_TRIAL = 4
"""Optuna's number of the operation that adds a trial."""


class JournalFile(JournalFileBackend):
    """A journal whose appends leave no half of a line in the middle, and of which several can be made one."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        sync_folder(path.parent)
        self._path = path
        self._together: list[dict[str, Any]] | None = None
        self._broken: RunError | None = None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append and bring to the disk.

        Raises:
            RunError: it can't be written, now or at any append before: what came later would have other numbers.
        """
        if self._together is not None:
            self._together.extend(logs)
            return
        if self._broken is not None:
            raise self._broken
        before = self._path.stat().st_size
        try:
            with writing(self._path):
                super().append_logs(logs)
        except RunError as error:
            self._broken = error
            os.truncate(self._path, before)  # of a disk that is full, some of the line may be there
            raise

    @contextmanager
    def together(self) -> Iterator[None]:
        """Everything that is appended inside goes to the disk at the end, in one step; nothing after an exception."""
        self._together = []
        try:
            yield
            logs = self._together
        finally:
            self._together = None
        if logs:
            self.append_logs(logs)


def open_journal(path: Path) -> tuple[JournalStorage, JournalFile]:
    """The storage of a journal, new or there already, and its file.

    Raises:
        RunError: a line in it can't be read; names it, what it costs to cut the journal there, and how.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with writing(path):
        file = JournalFile(path)
    try:
        return JournalStorage(file), file
    except Exception as error:  # of a line that is no JSON, or no operation of Optuna's: whatever it stumbles over
        raise _explained(path, error) from error


def _explained(path: Path, error: Exception) -> RunError:
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not _is_operation(line):
            lost, every = (sum(map(_adds_trial, part)) for part in (lines[number - 1 :], lines))
            trials = "one trial, which would be" if lost == 1 else f"{lost} trials, which would be"
            return RunError(
                f"{path}: line {number} of {len(lines)} can't be read; restore the file, or cut it there with "
                f"`sed -i '{number},$d' {path}`: that costs {trials} tried again; {every - lost} stay"
            )
    return RunError(
        f"{path}: can't be read as a journal ({type(error).__name__}: {error}); restore it, or delete it: all "
        f"{sum(map(_adds_trial, lines))} trials would be tried again"
    )


def _is_operation(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _adds_trial(line: bytes) -> bool:
    """Whether a line, be it damaged, is of a new trial."""
    return f'"op_code":{_NEW_TRIAL},'.encode() in line
