"""What a run took: seconds per stage, how busy workers were, which budgets nothing could meet."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from greenfront.config import RunConfig
from greenfront.json_source import read_json
from greenfront.search.driver import Timing
from greenfront.search.droppable import droppable
from greenfront.search.journal import Result
from greenfront.search.promotions import steps_trained, stopped
from greenfront.search.run_folder import RunFolder


@dataclass
class Summary:
    """Seconds per stage, and what the search phase did with its time."""

    seconds: dict[str, float]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        started = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - started, 2)

    def write(
        self,
        run: RunFolder,
        config: RunConfig,
        timing: Timing,
        unreachable: Sequence[str],
        results: Sequence[Result],
        *,
        trials_left: int = 0,
    ) -> None:
        """Leave it in the run folder, with what the search phase's time and steps went into.

        `trials_left` are those that an interrupted search, whose candidates were verified, has still to do.
        """
        workers = config.workers()
        run.write_json(
            run.summary,
            {
                "seconds": self.seconds,
                "workers": workers,
                "search_phase_seconds": round(timing.wall, 2),
                "workers_busy": round(timing.busy / max(workers * timing.wall, 1e-9), 4),
                "driver_ms_per_trial": round(1000 * sum(timing.driver) / max(config.search.trials, 1), 2),
                "worker_peak_memory_mb": round(timing.worker_peak_mb),
                "steps_trained": steps_trained(results, config.fine_tune.steps),
                "failed": dict(Counter(result.failure or "failed" for result in results if result.state == "failed")),
                "tried_again": sum(len(result.lost) for result in results),
                "trials_left": trials_left,
                "stopped_after_steps": stopped(results),
                "unreachable_budgets": list(unreachable),
            },
        )


def unreachable_budgets(run: RunFolder) -> tuple[str, ...]:
    """The budgets that no plan could meet, as a finished run has kept them."""
    if not run.summary.exists():
        return ()
    with droppable(run.summary, "what the search took is forgotten"):
        return tuple(read_json(run.summary)["unreachable_budgets"])


def trials_left(run: RunFolder) -> int:
    """The trials that a verified run has still to do: none of one that was finished in the ordinary way."""
    if not run.summary.exists():
        return 0
    with droppable(run.summary, "what the search took is forgotten"):
        return int(read_json(run.summary).get("trials_left", 0))
