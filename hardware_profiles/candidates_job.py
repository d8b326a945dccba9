"""The measuring process of whole candidates: all loaded together, timed in turn."""

import statistics
import time
from pathlib import Path

from greenfront.errors import GreenfrontError, MeasureError
from greenfront.hardware_profiles.energy import EnergyMeter
from greenfront.hardware_profiles.fingerprint import ConditionsMeter
from greenfront.hardware_profiles.jobs import CandidatesAnswer, Job
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import Progress, Schedule, Variant, interleave, warm_up
from greenfront.hardware_profiles.timed_model import TimedModel
from greenfront.hardware_profiles.waiting import waited_seconds

QUERIES = 64
"""At least so many samples of each: MLPerf's early-stopping rule for a 90th percentile."""
LARGE_QUERIES = 8
"""At least so many large queries: their median is wanted to a few per cent only."""


def candidates_job(job: Job, runtime: Runtime, progress: Progress) -> CandidatesAnswer:
    """Time the saved candidates, the original among them, in this process."""
    meter = ConditionsMeter()
    models = {name: _load(name, Path(folder), job, runtime) for name, folder in job.folders.items()}

    def timed(variants: list[Variant], schedule: Schedule, progress: Progress | None) -> dict[str, list[float]]:
        for variant in variants:
            warm_up(variant, runtime.synchronize)
        return interleave(
            variants,
            schedule,
            watched=list(models),
            seed=job.seed,
            synchronize=runtime.synchronize,
            progress=progress,
        )

    started, waited = time.perf_counter(), waited_seconds()
    small = timed([model.variant for model in models.values()], Schedule(QUERIES, job.seconds), progress)
    large = timed(
        [model.large_variant for model in models.values()],
        Schedule(LARGE_QUERIES, job.seconds / 2, tolerance=0.02),
        None,
    )
    share = _waited_share(waited, time.perf_counter() - started, job.target.threads)
    conditions = meter.read()
    energy = EnergyMeter(job.target)
    return CandidatesAnswer(
        conditions,
        share,
        {
            name: model.raw(
                small[name],
                large[name],
                *energy.per_query(model.run, runtime.synchronize, statistics.median(small[name])),
            )
            for name, model in models.items()
        },
    )


def _waited_share(before: float | None, seconds: float, threads: int) -> float | None:
    after = waited_seconds()
    if before is None or after is None:
        return None
    return round(max(after - before, 0.0) / (seconds * threads), 4)


def _load(name: str, folder: Path, job: Job, runtime: Runtime) -> TimedModel:
    try:
        return TimedModel.load(name, folder, job.target, runtime, job.seed, Path(job.scratch))
    except (GreenfrontError, OSError, ValueError, RuntimeError) as error:
        raise MeasureError(f"candidate {name!r} can't be loaded: {error}") from error
