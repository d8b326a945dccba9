"""Files that a search writes while somebody follows them: each time only what is new is read."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from greenfront.search.journal import NAME, Result, only_asked, result_of
from greenfront.search.journal_file import open_journal


class FollowedJournal:
    """A study's journal. Where it is another file than before, or shorter, it is read anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._storage: JournalStorage | None = None
        self._file = (0, 0)
        self._results: dict[int, Result] = {}

    def read(self) -> tuple[list[tuple[FrozenTrial, Result]], dict[str, Any]]:
        """Every trial that was told, with its result, and the study's attributes; nothing where there is no journal.

        Raises:
            RunError: a line that can't be read, see `open_journal`.
        """
        if not self._path.exists():
            self._storage = None
            return [], {}
        found = self._path.stat()
        inode, size = self._file
        if self._storage is None or found.st_ino != inode or found.st_size < size:
            self._storage, self._results = open_journal(self._path)[0], {}
        self._file = (found.st_ino, found.st_size)
        try:
            return self._known(self._storage)
        except Exception:  # whatever Optuna stumbles over in a line that is new: opening it anew says which
            self._storage = open_journal(self._path)[0]
            return self._known(self._storage)

    def _known(self, storage: JournalStorage) -> tuple[list[tuple[FrozenTrial, Result]], dict[str, Any]]:
        if not storage.get_all_studies():
            return [], {}
        study = storage.get_study_id_from_name(NAME)
        told = [t for t in storage.get_all_trials(study, deepcopy=False) if not only_asked(t)]
        return [(trial, self._result(trial)) for trial in told], dict(storage.get_study_user_attrs(study))

    def _result(self, trial: FrozenTrial) -> Result:
        """A finished trial stays what it is."""
        if trial.number not in self._results:
            result = result_of(trial)
            if trial.state == TrialState.RUNNING:
                return result
            self._results[trial.number] = result
        return self._results[trial.number]


@dataclass(frozen=True)
class Stage:
    """What a run does, by its log: since when (`22:37:21`), and how far it said it is."""

    title: str = ""
    since: str = ""
    progress: str = ""

    def __str__(self) -> str:
        return f"{self.title}, since {self.since}{self.progress and f': {self.progress}'}" if self.title else ""


LINE = re.compile(r"\d{4}-\d\d-\d\d (?P<time>\d\d:\d\d:\d\d) (?P<said>.*)")
BEGINS = re.compile(r"(?P<title>.+) \.\.\.")
PROGRESS = re.compile(r"\d+ of \d+(, about [^;]* left)?")


class FollowedLog:
    """The log of a run, as `ConsoleReporter` writes it: `TITLE ...` begins a stage, `TITLE: 1.5 s` ends it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stage = Stage()
        self._read = 0

    def stage(self) -> Stage:
        """The stage at work, an empty one between two or where there is no log. A line counts once it is whole."""
        try:
            with self._path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._read:
                    self._read, self._stage = 0, Stage()
                file.seek(self._read)
                new = file.read()
        except OSError:
            return Stage()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode("utf-8", errors="replace").splitlines():
            if (found := LINE.fullmatch(line)) is not None:
                self._take(found["time"], found["said"])
        return self._stage

    def _take(self, time: str, said: str) -> None:
        if (begins := BEGINS.fullmatch(said)) is not None:
            self._stage = Stage(begins["title"], time)
        elif said.startswith(f"{self._stage.title}: "):
            self._stage = Stage()
        elif (progress := PROGRESS.match(said)) is not None and self._stage.title:
            self._stage = Stage(self._stage.title, self._stage.since, progress[0])
