"""The measuring process of one model's memory: nothing else is ever loaded in it."""

from pathlib import Path

from greenfront.hardware_profiles.jobs import Job, MemoryAnswer
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import Progress
from greenfront.hardware_profiles.timed_model import TimedModel

PASSES = 3


def memory_job(job: Job, runtime: Runtime, progress: Progress) -> MemoryAnswer:
    """The peak of three forward passes after loading; on CPU of the whole process, libraries included."""
    (folder,) = job.folders.values()
    model = TimedModel.load("original", Path(folder), job.target, runtime, job.seed)
    runtime.reset_peak_memory()
    for _ in range(PASSES):
        model.run()
    runtime.synchronize()
    peak = runtime.peak_memory()
    progress(1, 1)
    return MemoryAnswer(round(peak.megabytes, 6), peak.source)
