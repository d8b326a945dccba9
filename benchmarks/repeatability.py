"""Whether a candidate's latency, as a share of the original's, comes out the same again, also on a busier machine.

    python benchmarks/repeatability.py runs/reuters [--candidate ID] [--runtime onnxruntime] [--busy 1]

Five separate measurements; in the second and the fourth, `--busy` other processes keep a core busy each. Prints each
ratio with its interval, what the measurement says against itself, and the spread over all that were not refused.
"""

import argparse
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from greenfront.errors import MeasureError
from greenfront.hardware_profiles import Target, measure_candidates
from greenfront.search import Front, RunFolder

RUNS, BUSY_RUNS = 5, (2, 4)
SPREAD = 0.05


def main() -> int:
    """Print one line per measurement; 1 when trusted ratios differ by more than 5%."""
    options = _options()
    run = RunFolder.existing(options.run)
    id_ = options.candidate or Front.load(run.front).members[0].id
    folders = {"original": run.original, id_: run.candidate(id_)}
    target = Target("here", "cpu", options.runtime, 1, 1, options.tokens, large_batch=max(2, 2048 // options.tokens))
    console = Console(width=120, highlight=False)
    logging.basicConfig(format="  %(message)s")
    trusted = []
    for number in range(1, RUNS + 1):
        busy = options.busy if number in BUSY_RUNS else 0
        try:
            with _spinning(busy):
                found = measure_candidates(target, folders, seed=number, seconds=options.seconds)[id_]
        except MeasureError as error:
            console.print(f"{number}: {busy} busy, refused: {error}")
            continue
        ratio = found.ratio
        said = "; ".join(found.warnings) or "no warnings"
        console.print(f"{number}: {busy} busy, ratio {ratio.median:.4f} [{ratio.low:.4f}, {ratio.high:.4f}], {said}")
        trusted.append((ratio.median, not found.warnings))
    ratios = [ratio for ratio, _ in trusted]
    clean = [ratio for ratio, quiet in trusted if quiet]
    for name, some in (("all that were not refused", ratios), ("those without warnings", clean)):
        if some:
            console.print(f"spread of {name}: {max(some) / min(some) - 1:.2%} ({len(some)} of {RUNS})")
    return int(bool(clean) and max(clean) / min(clean) - 1 > SPREAD)


@contextmanager
def _spinning(processes: int) -> Iterator[None]:
    """So many processes that never rest, free to run on any processor."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def _options() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("--candidate", help="default: the fastest of the front")
    arguments.add_argument("--runtime", default="onnxruntime")
    arguments.add_argument("--tokens", type=int, default=64)
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--busy", type=int, default=1)
    return arguments.parse_args()


if __name__ == "__main__":
    sys.exit(main())
