"""A search's front so far as a terminal draws it: a table that fits, and a line of blocks."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

BLOCKS = "▁▂▃▄▅▆▇█"
LONGEST = 24
"""Characters of a line of blocks."""
LEAST_ROWS = 2
"""A table of fewer rows says nothing about a front."""
AROUND = 3
"""Lines of a table beside its rows: title, head, and how many more there are."""
INDENT = 2


def sparkline(values: Sequence[float], width: int = LONGEST) -> str:
    """Values of at least 0 as blocks, at most `width` of them: each as high as the last of the values it stands for."""
    count = min(width, len(values))
    top = max(values, default=0.0)
    chosen = [values[(place + 1) * len(values) // count - 1] for place in range(count)]
    return "".join(BLOCKS[min(int(value / top * len(BLOCKS)), len(BLOCKS) - 1) if top else 0] for value in chosen)


def front_so_far(head: Sequence[str], rows: Sequence[Sequence[str]], height: int, width: int) -> RenderableType | None:
    """The rows in at most `height` lines, evenly chosen where there are more; None where that is too few.

    Columns that a terminal of `width` has no room for are left out, from the last one on.
    """
    room = height - (AROUND if len(rows) > height - AROUND + 1 else AROUND - 1)
    if room < min(LEAST_ROWS, len(rows)):
        return None
    shown = evenly(len(rows), room)
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    columns = sum(sum(widths[: count + 1]) + 2 * count + INDENT <= width for count in range(len(widths)))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in head[: max(columns, 1)]:
        table.add_column(title, no_wrap=True)
    for place in shown:
        table.add_row(*map(Text, rows[place][: max(columns, 1)]))
    parts: list[RenderableType] = [_line("The front so far, by predicted costs", "bold"), table]
    if len(shown) < len(rows):
        parts.append(_line(f"and {len(rows) - len(shown)} more", "dim"))
    return Padding(Group(*parts), (0, 0, 0, INDENT))


def _line(text: str, style: str) -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def evenly(count: int, room: int) -> list[int]:
    """At most `room` of so many places, both ends among them."""
    if count <= room:
        return list(range(count))
    return [round(place * (count - 1) / max(room - 1, 1)) for place in range(room)]
