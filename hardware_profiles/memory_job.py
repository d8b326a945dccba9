"""The measuring process of one checkpoint's memory in PyTorch: nothing else is ever loaded in it."""

from pathlib import Path

import torch

from greenfront.hardware_profiles.jobs import Job, MemoryAnswer
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import Progress
from greenfront.hardware_profiles.timed_model import TimedModel
from greenfront.spaces.checkpoint import load_checkpoint

PASSES = 3


def memory_job(job: Job, runtime: Runtime, progress: Progress) -> MemoryAnswer:
    """The peak of three forward passes after loading; on CPU of the whole process, libraries included.

    Every weight is read once before: saved weights are mapped into memory, and of a mapped embedding table only
    the rows that this one input looks up would count, though a served model comes to hold all of it.
    """
    (folder,) = job.folders.values()
    model = TimedModel.of("original", load_checkpoint(Path(folder)), job.target, runtime, job.seed)
    with torch.inference_mode():
        for tensor in (*model.model.parameters(), *model.model.buffers()):
            tensor.sum()
    runtime.reset_peak_memory()
    for _ in range(PASSES):
        model.run()
    runtime.synchronize()
    peak = runtime.peak_memory()
    progress(1, 1)
    return MemoryAnswer(round(peak.megabytes, 6), peak.source)
