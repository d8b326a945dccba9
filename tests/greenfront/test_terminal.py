"""Text moves no terminal; rich's own colours do what they should."""

import io
import re

from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from greenfront.terminal import Console, printable

CONTROL = re.compile(r"[^\n\t -~\u00a0-\U0010ffff]")
"""C0, C1 and delete, but for a line's end and the tab."""


def printed(*renderables: object, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=60, force_terminal=terminal, color_system="standard" if terminal else None)
    for renderable in renderables:
        console.print(renderable)
    return out.getvalue()


@given(st.text())
def test_only_what_a_terminal_obeys_is_replaced(text: str) -> None:
    found = printable(text)
    assert len(found) == len(text)
    assert not CONTROL.search(found)
    for before, after in zip(text, found, strict=True):
        assert after in (before, "\N{REPLACEMENT CHARACTER}")
        assert after == before or not before.isprintable()


def test_text_of_every_kind_is_printable() -> None:
    table = Table("a\x1b[2Jb")
    table.add_row("c\x1b]0;title\x07d")
    found = printed("e\x1b[31mf", table, "g\u202eh")
    assert not set(found) & set("\x1b\x07\u202e")
    for word in ("\ufffd[2J", "\ufffd]0;title", "e\ufffd[31mf", "g\ufffdh"):
        assert word in found


def test_styles_are_not_text() -> None:
    assert "\x1b[1;31mred\x1b[0m \ufffd" in printed("[bold red]red[/bold red] \x1b[2J", terminal=True)
