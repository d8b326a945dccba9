"""A further measuring process of candidates in PyTorch: loads what the first one deployed, times it in turn."""

from pathlib import Path

from greenfront.hardware_profiles.fingerprint import ConditionsMeter
from greenfront.hardware_profiles.jobs import Job, LatencyAnswer
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import FEW_SECONDS, Progress, Schedule, time_in_turn
from greenfront.hardware_profiles.timed_model import TimedModel
from greenfront.hardware_profiles.waiting import WaitingMeter
from greenfront.spaces.checkpoint import load_checkpoint


def latency_job(job: Job, runtime: Runtime, progress: Progress) -> LatencyAnswer:
    """Samples of every folder's model."""
    meter = ConditionsMeter()
    models = [
        TimedModel.of(name, load_checkpoint(Path(folder)), job.target, runtime, job.seed)
        for name, folder in job.folders.items()
    ]
    waiting = WaitingMeter(job.target.threads)
    variants, schedule = [model.variant for model in models], Schedule(job.repetitions, job.seconds, tolerance=0)
    samples_ms = time_in_turn(
        variants, schedule, job.seed, runtime.synchronize, progress, warm_seconds=FEW_SECONDS
    )  # fmt: skip
    return LatencyAnswer(meter.read(), waiting.share(), samples_ms)
