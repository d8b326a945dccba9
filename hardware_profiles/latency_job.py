"""A further measuring process of candidates in PyTorch: loads what the first one deployed, times it in turn.

Candidates of a profile were never written: they are built again, untrained, which takes less than loading them would.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from transformers import PreTrainedModel

from greenfront.hardware_profiles.fingerprint import ConditionsMeter
from greenfront.hardware_profiles.jobs import Job, LatencyAnswer
from greenfront.hardware_profiles.records import PlainSettings
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import FEW_SECONDS, Progress, Schedule, time_in_turn
from greenfront.hardware_profiles.timed_model import TimedModel
from greenfront.hardware_profiles.untrained import Untrained
from greenfront.hardware_profiles.waiting import WaitingMeter
from greenfront.spaces import Plan, compress
from greenfront.spaces.checkpoint import load_checkpoint


def latency_job(job: Job, runtime: Runtime, progress: Progress) -> LatencyAnswer:
    """Samples of every folder's model, and of every plan's."""
    meter = ConditionsMeter()
    models = {name: load_checkpoint(Path(folder)) for name, folder in job.folders.items()}
    if job.plans:
        models |= _untrained(models["original"], job.plans)
    timed = [TimedModel.of(name, model, job.target, runtime, job.seed) for name, model in models.items()]
    waiting = WaitingMeter(job.target.threads)
    variants, schedule = [model.variant for model in timed], Schedule(job.repetitions, job.seconds, tolerance=0)
    samples_ms = time_in_turn(
        variants, schedule, job.seed, runtime.synchronize, progress, warm_seconds=FEW_SECONDS
    )  # fmt: skip
    return LatencyAnswer(meter.read(), waiting.share(), samples_ms)


def _untrained(
    original: PreTrainedModel, plans: Mapping[str, Mapping[str, PlainSettings]]
) -> dict[str, PreTrainedModel]:
    untrained = Untrained(original)
    return {name: untrained.build(partial(compress, plan=Plan(plan))) for name, plan in plans.items()}
