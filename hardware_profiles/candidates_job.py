"""The measuring process of whole candidates: all loaded together, timed in turn."""

from pathlib import Path

from greenfront.errors import GreenfrontError, MeasureError
from greenfront.hardware_profiles.fingerprint import ConditionsMeter
from greenfront.hardware_profiles.jobs import CandidatesAnswer, Job
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import Progress, Schedule, interleave, warm_up
from greenfront.hardware_profiles.timed_model import TimedModel

QUERIES = 64
"""At least so many samples of each: MLPerf's early-stopping rule for a 90th percentile."""


def candidates_job(job: Job, runtime: Runtime, progress: Progress) -> CandidatesAnswer:
    """Time the saved candidates, the original among them, in this process."""
    meter = ConditionsMeter()
    models = {name: _load(name, Path(folder), job, runtime) for name, folder in job.folders.items()}
    for model in models.values():
        warm_up(model.variant, runtime.synchronize)
    samples = interleave(
        [model.variant for model in models.values()],
        Schedule(QUERIES, job.seconds),
        watched=list(models),
        seed=job.seed,
        synchronize=runtime.synchronize,
        progress=progress,
    )
    conditions = meter.read()
    return CandidatesAnswer(
        conditions,
        {name: model.raw(samples[name], Path(job.folders[name])) for name, model in models.items()},
    )


def _load(name: str, folder: Path, job: Job, runtime: Runtime) -> TimedModel:
    try:
        return TimedModel.load(name, folder, job.target, runtime, job.seed)
    except (GreenfrontError, OSError, ValueError, RuntimeError) as error:
        raise MeasureError(f"candidate {name!r} can't be loaded: {error}") from error
