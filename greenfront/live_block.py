"""What a terminal shows of the stage at work: its bar with the time left, and where it stands, redrawn as one."""

from collections.abc import Callable, Iterable, Mapping

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

from greenfront.time_left import duration

REDRAWN_PER_SECOND = 4
"""More would take time from what is measured beside it."""


class LiveBlock(Progress):
    """A bar for each task and below it `words`, by their heading; gone when it is stopped."""

    def __init__(self, console: Console, left: Callable[[], float | None]) -> None:
        """`left`: the seconds that the task goes on, asked whenever it is drawn; None where that isn't known."""
        self.words: Mapping[str, str] = {}
        whole = Column(no_wrap=True)
        super().__init__(
            SpinnerColumn(table_column=whole), _Title(), BarColumn(bar_width=24, table_column=whole),
            MofNCompleteColumn(table_column=whole), TextColumn("·"), TimeElapsedColumn(table_column=whole),
            _Left(left, table_column=whole),
            console=console, transient=True, refresh_per_second=REDRAWN_PER_SECOND,
        )  # fmt: skip

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars, then the words."""
        yield from super().get_renderables()
        if self.words:
            yield standing(self.words)


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
