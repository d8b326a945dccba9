"""What a run took: seconds per stage, how busy workers were, which budgets nothing could meet."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from greenfront.config import RunConfig
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
        self, run: RunFolder, config: RunConfig, timing: Timing, unreachable: Sequence[str], results: Sequence[Result]
    ) -> None:
        """Leave it in the run folder, with what the search phase's time and steps went into."""
        workers = config.workers()
        run.write_json(
            run.summary,
            {
                "seconds": self.seconds,
                "workers": workers,
                "search_phase_seconds": round(timing.wall, 2),
                "workers_busy": round(timing.busy / max(workers * timing.wall, 1e-9), 4),
                "driver_ms_per_trial": round(1000 * sum(timing.driver) / max(config.search.trials, 1), 2),
                "steps_trained": steps_trained(results, config.fine_tune.steps),
                "stopped_after_steps": stopped(results),
                "unreachable_budgets": list(unreachable),
            },
        )


def unreachable_budgets(run: RunFolder) -> tuple[str, ...]:
    """The budgets that no plan could meet, as a finished run has kept them."""
    if not run.summary.exists():
        return ()
    with droppable(run.summary, "what the search took is forgotten"):
        return tuple(json.loads(run.summary.read_text(encoding="utf-8"))["unreachable_budgets"])
