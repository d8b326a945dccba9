"""What the terminal shows while a run works: a live block with time left, or a plain log where there is no terminal."""

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from greenfront.terminal import printable
from greenfront.time_left import TimeLeft, duration

if TYPE_CHECKING:
    from rich.progress import TaskID

    from greenfront.live_block import LiveBlock
    from greenfront.search import Picture

PLAIN_SECONDS = 30.0
"""Without a terminal, progress is said at most this often."""


class ConsoleReporter:
    """A Reporter on a rich console, with everything it says also in a log file. Use as a context."""

    def __init__(self, console: Console, log: Path | None = None) -> None:
        self._console = console
        self._log = log
        self._block: LiveBlock | None = None
        self._task: TaskID | None = None
        self._title = ""
        self._words: Mapping[str, str] = {}
        self._started = self._said = time.monotonic()
        self._left = TimeLeft(self._started)

    def __enter__(self) -> "ConsoleReporter":
        if self._console.is_terminal and not self._console.quiet and not self._console.stderr:
            from greenfront.live_block import LiveBlock  # light only for who needs no terminal

            self._block = LiveBlock(self._console, lambda: self._left.seconds(time.monotonic()))
            self._block.start()
        self._handler = _NoteHandler(self)
        logging.getLogger("greenfront").addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        self._end_stage()
        if self._block is not None:
            self._block.stop()
        logging.getLogger("greenfront").removeHandler(self._handler)

    def stage(self, title: str, seconds: float | None = None) -> None:
        """A new stage begins, of so many seconds if that is known; the one before is said to have ended."""
        self._end_stage()
        self._title, self._started, self._said = title, time.monotonic(), time.monotonic()
        self._left = TimeLeft(self._started, seconds)
        self._write(f"{title} ...")
        if self._block is not None:
            self._task = self._block.add_task(title, total=None)
        else:
            self._console.print(f"{escape(title)} ...", highlight=False)

    def advance(self, done: int, total: int, words: Mapping[str, str] | None = None) -> None:
        """So much of the stage is done; a terminal keeps the last `words`, the log file those that changed."""
        now = time.monotonic()
        self._left.advance(done, total, now)
        if words is not None:
            new = [f"; {heading} {text}" for heading, text in words.items() if self._words.get(heading) != text]
            self._write(f"{done} of {total}{self._time_left()}{''.join(new)}")
            self._words = words
        if self._block is not None and self._task is not None:
            self._block.words = self._words
            self._block.update(self._task, completed=done, total=total)
        elif now - self._said >= PLAIN_SECONDS and done:
            self._said = now
            self._line(f"{done} of {total}{self._time_left()}")
            self._print_words()

    def picture(self, picture: "Picture") -> None:
        """How a search stands: drawn by a terminal, while it goes on; nothing of it stays."""
        if self._block is not None:
            self._block.picture = picture

    def note(self, text: str) -> None:
        """One line worth keeping, on the terminal and in the log file."""
        self._write(text)
        self._line(text)

    def _end_stage(self) -> None:
        if not self._title:
            return
        seconds = time.monotonic() - self._started
        self._write(f"{self._title}: {seconds:.1f} s")
        if self._block is not None and self._task is not None:
            self._block.words, self._block.picture = {}, None
            self._block.remove_task(self._task)
            self._console.print(f"[green]✓[/green] {escape(self._title)} [dim]{seconds:.0f} s[/dim]", highlight=False)
        self._print_words()
        self._title, self._task, self._words = "", None, {}

    def _line(self, text: str) -> None:
        """A line below the stage's title: folded by a terminal, else whole, as files are searched by lines."""
        if self._block is not None:
            self._console.print(Padding(Text(text), (0, 0, 0, 2), expand=False))
        else:
            self._console.print(f"  {escape(text)}", highlight=False, soft_wrap=True)

    def _print_words(self) -> None:
        if self._words and self._block is not None:
            from greenfront.live_block import standing

            self._console.print(standing(self._words))
        elif self._words:
            for heading, text in self._words.items():
                self._line(f"{heading:<12} {text}")

    def _time_left(self) -> str:
        seconds = self._left.seconds(time.monotonic())
        return f", about {duration(seconds)} left" if seconds and seconds > 0.5 else ""

    def _write(self, text: str) -> None:
        if self._log is not None and self._log.parent.is_dir():
            # Of a disk that is full, or can't be written, the search itself says more than its log could.
            with suppress(OSError), self._log.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {printable(text)}\n")


class _NoteHandler(logging.Handler):
    """Sends the rooms' log records of level warning and above to the reporter."""

    def __init__(self, reporter: ConsoleReporter) -> None:
        super().__init__(logging.WARNING)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.note(record.getMessage())
