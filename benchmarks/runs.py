"""What finished runs reached: speed, size, test score, prediction error, and how busy their workers were.

    python benchmarks/runs.py runs/reuters [more runs ...]

Everything is read from the run folders; nothing is measured again.
"""

import argparse
import json
import statistics
from pathlib import Path

from rich.console import Console
from rich.table import Table

from greenfront.search import Front, RunFolder


def main() -> None:
    """Print one row per verified candidate and one line per run."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("runs", nargs="+", type=Path)
    console = Console(width=120)
    for path in arguments.parse_args().runs:
        run = RunFolder.existing(path)
        front = Front.load(run.front)
        table = Table(title=run.path.name)
        for name in ("id", "ms", "x faster", "predicted ms", "error", "MB", "x smaller", "validation", "test", "drop"):
            table.add_column(name, justify="right")
        errors = []
        base = front.original.costs()[front.target]
        assert front.original.score.test is not None
        for found in (front.original, *front.candidates):
            if not found.verified or found.score.test is None:
                continue
            cost, predicted = found.costs()[front.target], found.predicted[front.target]
            latency, expected = cost.latency_ms.median, predicted.latency_ms.median
            if found.plan:
                errors.append(abs(expected - latency) / latency)
            table.add_row(
                ("* " if found.on_front else "") + found.id,
                f"{latency:.2f}", f"{base.latency_ms.median / latency:.2f}",
                f"{expected:.2f}", f"{(expected - latency) / latency:+.1%}",
                f"{cost.size_mb:.1f}", f"{base.size_mb / cost.size_mb:.2f}",
                f"{found.score.validation:.4f}", f"{found.score.test:.4f}",
                f"{1 - found.score.test / front.original.score.test:+.2%}",
            )  # fmt: skip
        console.print(table)
        summary = json.loads(run.summary.read_text())
        console.print(
            f"median prediction error {statistics.median(errors):.1%}; workers busy {summary['workers_busy']:.1%} of "
            f"{summary['search_phase_seconds']:.0f} s; driver {summary['driver_ms_per_trial']:.1f} ms a trial; "
            f"seconds per stage {summary['seconds']}",
            highlight=False,
        )


if __name__ == "__main__":
    main()
