"""What a run tells its user while it works."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Picture:
    """What a terminal draws of a search: its front so far, by prediction, how it grew, and how many workers work."""

    head: tuple[str, ...]
    front: tuple[tuple[str, ...], ...]
    """A row a member, cheapest first, with as many cells as the head."""
    hypervolume: tuple[float, ...]
    """After each trial that has ended, the last one last."""
    busy: int
    workers: int


class Reporter(Protocol):
    """Receives a run's progress; the command line draws it, a log file keeps it."""

    def stage(self, title: str, seconds: float | None = None) -> None:
        """A new stage begins; the one before has ended. `seconds`: how long it should take, where that is known."""

    def advance(self, done: int, total: int, words: Mapping[str, str] | None = None) -> None:
        """So much of the stage is done; `words` say by heading where it stands, if there is more to say of it."""

    def note(self, text: str) -> None:
        """One line worth keeping."""


@runtime_checkable
class Draws(Protocol):
    """What a Reporter may have beside: it draws a search."""

    def picture(self, picture: Picture) -> None:
        """How the search stands; said whenever a trial begins or ends."""


class Silent:
    """A Reporter that says nothing."""

    def stage(self, title: str, seconds: float | None = None) -> None:
        """Ignore."""

    def advance(self, done: int, total: int, words: Mapping[str, str] | None = None) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""
