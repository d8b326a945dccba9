"""What the terminal shows while a run works: a live line with time left, or a plain log where there is no terminal."""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_SECONDS = 30.0
"""Without a terminal, progress is said at most this often."""


class ConsoleReporter:
    """A Reporter on a rich console, with everything it says also in a log file. Use as a context."""

    def __init__(self, console: Console, log: Path | None = None) -> None:
        self._console = console
        self._log = log
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._title = ""
        self._started = self._said = time.monotonic()

    def __enter__(self) -> "ConsoleReporter":
        if self._console.is_terminal:
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                SpinnerColumn,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            self._progress = Progress(
                SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
                TextColumn("·"), TimeElapsedColumn(), TextColumn("· left"), TimeRemainingColumn(),
                console=self._console, transient=True,
            )  # fmt: skip
            self._progress.start()
        self._handler = _NoteHandler(self)
        logging.getLogger("greenfront").addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        self._end_stage()
        if self._progress is not None:
            self._progress.stop()
        logging.getLogger("greenfront").removeHandler(self._handler)

    def stage(self, title: str) -> None:
        """A new stage begins; the one before is said to have ended, with its seconds."""
        self._end_stage()
        self._title, self._started, self._said = title, time.monotonic(), time.monotonic()
        self._write(f"{title} ...")
        if self._progress is not None:
            self._task = self._progress.add_task(title, total=None)
        else:
            self._console.print(f"{escape(title)} ...", highlight=False)

    def advance(self, done: int, total: int) -> None:
        """So much of the stage is done."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)
        elif time.monotonic() - self._said >= PLAIN_SECONDS and done:
            self._said = time.monotonic()
            left = (self._said - self._started) / done * (total - done)
            self._console.print(f"  {done} of {total}, about {left:.0f} s left", highlight=False)

    def note(self, text: str) -> None:
        """One line worth keeping, on the terminal and in the log file."""
        self._write(text)
        self._console.print(f"  {escape(text)}", highlight=False)

    def _end_stage(self) -> None:
        if not self._title:
            return
        seconds = time.monotonic() - self._started
        self._write(f"{self._title}: {seconds:.1f} s")
        if self._progress is not None and self._task is not None:
            self._progress.remove_task(self._task)
            self._console.print(f"[green]✓[/green] {escape(self._title)} [dim]{seconds:.0f} s[/dim]", highlight=False)
        self._title, self._task = "", None

    def _write(self, text: str) -> None:
        if self._log is not None and self._log.parent.is_dir():
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")


class _NoteHandler(logging.Handler):
    """Sends the rooms' log records of level warning and above to the reporter."""

    def __init__(self, reporter: ConsoleReporter) -> None:
        super().__init__(logging.WARNING)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.note(record.getMessage())
