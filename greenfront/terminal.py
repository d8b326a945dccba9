"""The console that everything is printed on: text from files and models moves no cursor and hides nothing."""

import re
from collections.abc import Iterable

from rich import console
from rich.segment import Segment

# Control characters but for the line's end and the tab, and those that turn the direction of writing.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_INSTEAD = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """The text with a mark in place of every character that a terminal would obey instead of showing it."""
    return _CONTROL.sub(_INSTEAD, text)


class Console(console.Console):
    """Rich's, with texts that are `printable`; what rich itself tells the terminal, such as colours, is not text."""

    def render(
        self, renderable: console.RenderableType, options: console.ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As rich does, every piece of text made printable."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control or not _CONTROL.search(text) else Segment(printable(text), style)
