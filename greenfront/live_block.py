"""What a terminal shows of the stage at work: its bar with the time left, where it stands, and a search's front."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column, Table
from rich.text import Text

from greenfront.live_front import front_so_far, sparkline
from greenfront.time_left import duration

if TYPE_CHECKING:
    from greenfront.search import Picture

REDRAWN_PER_SECOND = 4
"""More would take time from what is measured beside it."""


class LiveBlock(Progress):
    """A bar for each task and below it `words`, by their heading, and the search's `picture`; gone when it is stopped.

    It is never higher than the terminal: the front's rows go first, then the words, from the last one on.
    """

    def __init__(self, console: Console, left: Callable[[], float | None]) -> None:
        """`left`: the seconds that the task goes on, asked whenever it is drawn; None where that isn't known."""
        self.words: Mapping[str, str] = {}
        self.picture: Picture | None = None
        self._terminal = console
        whole = Column(no_wrap=True)
        super().__init__(
            SpinnerColumn(table_column=whole), _Title(), BarColumn(bar_width=24, table_column=whole),
            MofNCompleteColumn(table_column=whole), TextColumn("·"), TimeElapsedColumn(table_column=whole),
            _Left(left, table_column=whole),
            console=console, transient=True, refresh_per_second=REDRAWN_PER_SECOND,
        )  # fmt: skip

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars, the words and the front, as far as there is room for them."""
        bars, picture, words = self.make_tasks_table(self.tasks), self.picture, dict(self.words)
        yield bars
        room = self._terminal.height - self._height(bars) - 1  # below it stands the cursor
        if picture is not None:
            words = self._with_picture(words, picture)
        while words and self._height(standing(words)) > room:
            words.popitem()
        if words:
            yield standing(words)
            room -= self._height(standing(words))
        if picture is not None and picture.front and len(words) == len(self.words) + 1:
            front = front_so_far(picture.head, picture.front, room, self._terminal.width)
            if front is not None:
                yield front

    def _with_picture(self, words: Mapping[str, str], picture: "Picture") -> dict[str, str]:
        """The words, with how the hypervolume grew where it is told, and who works."""
        found = dict(words)
        if "hypervolume" in found and not self._terminal.options.ascii_only:
            found["hypervolume"] += f"  {sparkline(picture.hypervolume)}"
        return {**found, "workers": f"{picture.busy} of {picture.workers} at work"}

    def _height(self, shown: RenderableType) -> int:
        return len(self._terminal.render_lines(shown, pad=False))


def standing(words: Mapping[str, str]) -> RenderableType:
    """Words under each other, their headings to the left."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for heading, text in words.items():
        grid.add_row(Text(heading), Text(text))
    return Padding(grid, (0, 0, 0, 2))


class _Title(ProgressColumn):
    """What is being done; in a narrow terminal what is too long of it is cut off, and nothing else."""

    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class _Left(ProgressColumn):
    """The time left, in words; nothing where it isn't known, or should be over."""

    def __init__(self, seconds: Callable[[], float | None], table_column: Column) -> None:
        super().__init__(table_column)
        self._seconds = seconds

    def render(self, task: Task) -> Text:
        seconds = self._seconds()
        return Text(f"· {duration(seconds)} left" if seconds and seconds > 0.5 else "")
