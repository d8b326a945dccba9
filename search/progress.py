"""What a run tells its user while it works."""

from collections.abc import Mapping
from typing import Protocol


class Reporter(Protocol):
    """Receives a run's progress; the command line draws it, a log file keeps it."""

    def stage(self, title: str, seconds: float | None = None) -> None:
        """A new stage begins; the one before has ended. `seconds`: how long it should take, where that is known."""

    def advance(self, done: int, total: int, words: Mapping[str, str] | None = None) -> None:
        """So much of the stage is done; `words` say by heading where it stands, if there is more to say of it."""

    def note(self, text: str) -> None:
        """One line worth keeping."""


class Silent:
    """A Reporter that says nothing."""

    def stage(self, title: str, seconds: float | None = None) -> None:
        """Ignore."""

    def advance(self, done: int, total: int, words: Mapping[str, str] | None = None) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""
