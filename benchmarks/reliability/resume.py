"""A search that is interrupted and resumed ten times beside an undisturbed one: its time, its memory, its plans.

    python benchmarks/reliability/resume.py --folder /tmp/resume

Both have one worker and read one profile. It is interrupted (Ctrl-C) whenever two more trials have ended, so that of
the trial in flight little is lost. Time is that from the beginning of the search proper (`Searching ...`) to its end or
interrupt, so without starting; memory is the driver's highest resident size.
"""

import argparse
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from small_search import Setting, Small, interrupt

SEARCHING = "Searching"
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Took:
    """Of one search, over all of its starts; `memory_mb` of the last one."""

    seconds: float
    memory_mb: float
    starts: int


def main() -> None:
    """Run both and print them side by side."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--trials", type=int, default=20)
    arguments.add_argument("--steps", type=int, default=200, help="of a trial, so that it takes some seconds")
    arguments.add_argument("--resumed", type=int, default=10)
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    setting = Setting(trials=given.trials, steps=given.steps)
    first = Small(given.folder, "undisturbed", setting)
    whole = watched(first, [])
    second = Small(given.folder, "resumed", setting, first.output / "profiles" / "here.json")
    parts = watched(second, [(n + 1) * given.trials // (given.resumed + 1) for n in range(given.resumed)])
    table = Table("", "undisturbed", "resumed", "ratio")
    table.add_row("starts", str(whole.starts), str(parts.starts), "")
    table.add_row("search, s", f"{whole.seconds:.1f}", f"{parts.seconds:.1f}", f"{parts.seconds / whole.seconds:.3f}")
    memory = parts.memory_mb / whole.memory_mb
    table.add_row("driver, MB", f"{whole.memory_mb:.0f}", f"{parts.memory_mb:.0f}", f"{memory:.3f}")
    table.add_row("same plans", "", str(first.sequence() == second.sequence()), "")
    Console(width=100).print(table)


def watched(small: Small, interrupts: list[int]) -> Took:
    """Run a search to its end, interrupted whenever so many trials have ended."""
    seconds, starts = 0.0, 0
    for ended in (*interrupts, None):
        process, starts = small.start(), starts + 1
        spent, memory = one_start(small, process, ended)
        seconds += spent
    if not small.is_finished():
        raise SystemExit(f"it did not finish; see {small.folder / small.name}.txt")
    return Took(seconds, memory, starts)


def one_start(small: Small, process: "subprocess.Popen[bytes]", trials: int | None) -> tuple[float, float]:
    """Seconds of searching in one start, and the driver's highest memory in MB."""
    driver, memory = psutil.Process(process.pid), 0.0
    began: float | None = None
    ended: float | None = None
    while process.poll() is None:
        try:
            memory = max(memory, driver.memory_info().rss / 1e6)
        except psutil.Error:
            break
        searching = small.stage() == SEARCHING
        if began is None and searching:
            began = time.monotonic()
        if began is not None and ended is None and not searching:
            ended = time.monotonic()
        if trials is not None and searching and len(small.finished_trials()) >= trials:
            ended = time.monotonic()
            interrupt(process)
            break
        time.sleep(POLL_SECONDS)
    process.wait(600)
    return (0.0 if began is None else (ended or time.monotonic()) - began), memory


if __name__ == "__main__":
    main()
