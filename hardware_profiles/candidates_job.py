"""The first measuring process of whole candidates: deploys them, times them in turn, and what else there is to know."""

import statistics
from pathlib import Path

from greenfront.errors import GreenfrontError, MeasureError
from greenfront.hardware_profiles.energy import EnergyMeter
from greenfront.hardware_profiles.fingerprint import ConditionsMeter
from greenfront.hardware_profiles.jobs import CandidatesAnswer, Job
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import Progress, Schedule, time_in_turn
from greenfront.hardware_profiles.timed_model import TimedModel
from greenfront.hardware_profiles.waiting import WaitingMeter

QUERIES, SMALL_SHARE = 32, 0.2
"""At least so many samples of each, and so much of the time for them: further processes take more, see `processes.py`.
"""
LARGE_QUERIES = 8
"""At least so many large queries: their median is wanted to a few per cent only."""


def candidates_job(job: Job, runtime: Runtime, progress: Progress) -> CandidatesAnswer:
    """Time the saved candidates, the original among them, in this process."""
    meter = ConditionsMeter()
    models = {name: _load(name, Path(folder), job, runtime) for name, folder in job.folders.items()}

    waiting = WaitingMeter(job.target.threads)
    small = time_in_turn(
        [model.variant for model in models.values()],
        Schedule(QUERIES, SMALL_SHARE * job.seconds),
        job.seed,
        runtime.synchronize,
        progress,
    )
    large = time_in_turn(
        [model.large_variant for model in models.values()],
        Schedule(LARGE_QUERIES, job.seconds, tolerance=0.02),
        job.seed,
        runtime.synchronize,
    )
    waited = waiting.share()
    conditions = meter.read()
    energy = EnergyMeter(job.target)
    return CandidatesAnswer(
        conditions,
        waited,
        {
            name: model.raw(
                small[name],
                large[name],
                *energy.per_query(model.run, runtime.synchronize, statistics.median(small[name])),
            )
            for name, model in models.items()
        },
    )


def _load(name: str, folder: Path, job: Job, runtime: Runtime) -> TimedModel:
    try:
        return TimedModel.load(name, folder, job.target, runtime, job.seed, Path(job.scratch))
    except (GreenfrontError, OSError, ValueError, RuntimeError) as error:
        raise MeasureError(f"candidate {name!r} can't be loaded: {error}") from error
