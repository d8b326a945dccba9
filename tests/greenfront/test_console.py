"""What a user sees of a run: one block on a terminal, lines without control codes elsewhere, everything in the log."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from greenfront import console as room
from greenfront.console import ConsoleReporter
from greenfront.live_block import LiveBlock

WORDS = {
    "hypervolume": "0.2513 (+0.0042 by the last trial)",
    "best": "latency ~2.31 ms (at most 4.10 ms), size ~21.3 MB (at most 45.0 MB), accuracy 0.888 (at least 0.846)",
    "rungs": "12 at 0 steps, 7 at 30 steps, 3 finished (100 steps), 1 failed",
    "saved": "17 trainings, [predicted] over budget",
}


class Clock:
    """Stands in for `time` in the console's room."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def strftime(self, form: str) -> str:
        return "2026-11-22 17:00:00"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(room, "time", found)
    return found


def search(reporter: ConsoleReporter, clock: Clock, trials: int = 4) -> None:
    """A stage of trials of 20 seconds each, the first two done by an earlier start."""
    reporter.stage("Searching")
    reporter.advance(2, trials, {**WORDS, "hypervolume": "0.1"})
    for done in range(3, trials + 1):
        clock.now += 20
        reporter.note(f"trial {done}")
        reporter.advance(done, trials, WORDS)
    reporter.stage("Writing")


def test_without_a_terminal_there_are_lines_alone(clock: Clock, tmp_path: Path) -> None:
    out, log = io.StringIO(), tmp_path / "log.txt"
    with ConsoleReporter(Console(file=out, width=80), log) as reporter:
        search(reporter, clock, trials=5)
    lines = out.getvalue().splitlines()
    assert "\x1b" not in out.getvalue()
    assert all(line == line.rstrip() for line in lines)
    # After 40 s, and at the end; every trial has its own line.
    assert lines[:4] == ["Searching ...", "  trial 3", "  trial 4", "  4 of 5, about 20 s left"]
    assert lines[4:8] == [f"  {heading:<12} {text}" for heading, text in WORDS.items()]
    assert lines[8:] == ["  trial 5", *lines[4:8], "Writing ..."]
    said = [line.removeprefix("2026-11-22 17:00:00 ") for line in log.read_text().splitlines()]
    assert said[1].startswith("2 of 5; hypervolume 0.1; best ")
    assert said[2:5] == ["trial 3", f"3 of 5, about 40 s left; hypervolume {WORDS['hypervolume']}", "trial 4"]
    assert said[5] == "4 of 5, about 20 s left"  # nothing else is new
    assert said[-4:-1] == ["5 of 5", "Searching: 60.0 s", "Writing ..."]


def test_a_block_says_everything_at_80_columns() -> None:
    block = LiveBlock(Console(file=io.StringIO(), width=80, force_terminal=True), lambda: 440.0)
    task = block.add_task("Searching", total=None)
    block.words = WORDS
    block.update(task, completed=12, total=40)
    plain = io.StringIO()
    Console(file=plain, width=80).print(block.get_renderable())
    lines = [line.rstrip() for line in plain.getvalue().splitlines()]
    assert "Searching" in lines[0]
    assert "12/40" in lines[0]
    assert lines[0].endswith("7 min left")
    assert len(lines) == 6  # only `best` takes two
    text = " ".join(" ".join(lines).split())
    assert all(f"{heading} {said}" in text for heading, said in WORDS.items())


def test_a_long_title_leaves_room_for_the_time() -> None:
    out = io.StringIO()
    block = LiveBlock(Console(file=io.StringIO(), width=80, force_terminal=True), lambda: 440.0)
    block.update(block.add_task("Measuring 12 finalists and the original for target one-core"), completed=3, total=15)
    Console(file=out, width=80).print(block.get_renderable())
    assert out.getvalue().count("\n") == 1
    assert "Measuring 12 finalists" in out.getvalue()
    assert "… " in out.getvalue()
    assert out.getvalue().rstrip().endswith("3/15 · 0:00:00 · 7 min left")


def test_on_a_terminal_the_last_words_stay(clock: Clock) -> None:
    out = io.StringIO()
    with ConsoleReporter(Console(file=out, width=80, force_terminal=True, color_system=None), None) as reporter:
        search(reporter, clock)
    end = out.getvalue().rpartition("✓ Searching")[2]
    assert "40 s" in end
    assert "hypervolume  0.2513" in end
    assert "17 trainings, [predicted] over budget" in end
    assert "hypervolume" not in end.rpartition("Writing")[2]  # another stage stands elsewhere
