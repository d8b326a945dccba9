"""A search as a terminal draws it: at any size, and nothing of it where nobody looks."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from greenfront.console import ConsoleReporter
from greenfront.live_block import LiveBlock
from greenfront.live_front import BLOCKS, evenly, front_so_far, sparkline
from greenfront.search import Picture
from tests.greenfront.test_console import WORDS

HEAD = ("id", "accuracy", "latency", "size on disk", "came from")
ROWS = tuple(
    (
        f"{number:08x}",
        f"0.{900 + number}",
        f"~{number + 1}.25 ms (5.31x)",
        f"~{20 + number}.3 MB (3.94x)",
        "allocation 40%",
    )
    for number in range(9)
)
PICTURE = Picture(HEAD, ROWS, (0.0, 0.1, 0.2, 0.2, 0.25), busy=1, workers=2)


@given(st.lists(st.floats(0, 10), max_size=60), st.integers(1, 30))
def test_blocks_rise_as_values_do(values: list[float], width: int) -> None:
    line = sparkline(sorted(values), width)
    assert len(line) == min(width, len(values))
    assert list(line) == sorted(line, key=BLOCKS.index)
    if values and max(values) > 0:
        assert line[-1] == BLOCKS[-1]


@given(st.integers(1, 50), st.integers(1, 50))
def test_rows_are_chosen_evenly(count: int, room: int) -> None:
    chosen = evenly(count, room)
    assert len(chosen) == len(set(chosen)) == min(count, room)
    assert chosen == sorted(chosen)
    assert chosen[0] == 0
    assert room == 1 or chosen[-1] == count - 1


@given(st.integers(1, 20), st.integers(30, 130))
def test_the_table_fits(height: int, width: int) -> None:
    table = front_so_far(HEAD, ROWS, height, width)
    if height < 5:
        assert table is None
        return
    assert table is not None
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    lines = out.getvalue().splitlines()
    assert len(lines) == min(height, len(ROWS) + 2)
    assert ROWS[0][0] in out.getvalue()
    assert ROWS[-1][0] in out.getvalue()
    assert width < 40 or "…" not in out.getvalue()
    assert (f"and {len(ROWS) - (height - 3)} more" in out.getvalue()) == (height < len(ROWS) + 2)


def drawn(width: int, height: int) -> list[str]:
    """What a terminal of this size shows of a search at work."""
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, legacy_windows=False)
    block = LiveBlock(console, lambda: 440.0)
    block.update(block.add_task("Searching", total=None), completed=12, total=40)
    block.words, block.picture = WORDS, PICTURE
    out = io.StringIO()
    Console(file=out, width=width).print(block.get_renderable())
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [68, 80, 120])
def test_a_search_is_drawn_whole(width: int) -> None:
    lines = drawn(width, 40)
    text = "\n".join(lines)
    assert "12/40" in lines[0]
    assert width < 80 or f"0.2513 (+0.0042 by the last trial)  {sparkline(PICTURE.hypervolume)}" in text
    assert "1 of 2 at work" in text
    assert all(row[0] in text and row[3] in text for row in ROWS)
    assert ("allocation 40%" in text) == (width >= 80)
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_never_is_higher_than_the_terminal(width: int) -> None:
    before = 0
    for height in range(3, 30):
        lines = drawn(width, height)
        assert before <= len(lines) <= height - 1
        before = len(lines)
        assert "12/40" in lines[0]


def test_pipes_and_silence_and_json_see_nothing_of_it() -> None:
    for console in (
        Console(file=io.StringIO(), width=80),
        Console(file=io.StringIO(), width=80, force_terminal=True, quiet=True),
        Console(stderr=True, width=80, force_terminal=True),
    ):
        if console.stderr:
            console.file = io.StringIO()
        with ConsoleReporter(console) as reporter:
            reporter.stage("Searching")
            reporter.picture(PICTURE)
            reporter.advance(1, 4, WORDS)
        assert isinstance(console.file, io.StringIO)
        said = console.file.getvalue()
        assert "The front so far" not in said
        assert BLOCKS[-1] not in said
        assert "\x1b[?25l" not in said


def test_what_is_drawn_is_gone_with_the_stage() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, height=40, force_terminal=True, color_system=None)
    with ConsoleReporter(console) as reporter:
        reporter.stage("Searching")
        reporter.advance(0, 4, WORDS)
        reporter.picture(PICTURE)
        reporter.advance(4, 4, WORDS)
        reporter.stage("Writing")
        end = out.getvalue().rpartition("✓ Searching")[2]
    assert "The front so far" not in end
