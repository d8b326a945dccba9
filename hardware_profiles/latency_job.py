"""A further measuring process of candidates in PyTorch: loads what the first one deployed, times it in turn.

Candidates of a profile were never written: they are built again, untrained, which takes less than loading them would.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from transformers import PreTrainedModel

from greenfront.hardware_profiles.fingerprint import ConditionsMeter
from greenfront.hardware_profiles.groups import group_sites, profiled_sites
from greenfront.hardware_profiles.jobs import Job, LatencyAnswer
from greenfront.hardware_profiles.operations import Operations, operation_variant
from greenfront.hardware_profiles.records import PlainSettings
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import FEW_SECONDS, Progress, Schedule, Variant, time_in_turn
from greenfront.hardware_profiles.timed_model import TimedModel
from greenfront.hardware_profiles.untrained import Untrained
from greenfront.hardware_profiles.waiting import WaitingMeter
from greenfront.spaces import Plan, Space, compress
from greenfront.spaces.checkpoint import load_checkpoint

ORIGINAL_TIMES = 4
"""Samples of the original in a repetition, where a profile's candidates are compared with it: what it is off by in one
process, all of them are."""


def latency_job(job: Job, runtime: Runtime, progress: Progress) -> LatencyAnswer:
    """Samples of every folder's model and of every plan's; with a space, of the original's operations as well."""
    meter = ConditionsMeter()
    models = {name: load_checkpoint(Path(folder)) for name, folder in job.folders.items()}
    if job.plans:
        models |= _untrained(models["original"], job.plans)
    timed = [TimedModel.of(name, model, job.target, runtime, job.seed) for name, model in models.items()]
    waiting = WaitingMeter(job.target.threads)
    variants, schedule = [model.variant for model in timed], Schedule(job.repetitions, job.seconds, tolerance=0)
    if job.plans:
        variants[0] = replace(variants[0], times=ORIGINAL_TIMES)
    if job.space is not None:
        variants += _operations(Space.from_json(job.space), timed[0], runtime)
    samples_ms = time_in_turn(
        variants, schedule, job.seed, runtime.synchronize, progress, warm_seconds=FEW_SECONDS
    )  # fmt: skip
    return LatencyAnswer(meter.read(), waiting.share(), samples_ms)


def _operations(space: Space, original: TimedModel, runtime: Runtime) -> list[Variant]:
    """Those on the grid, as the profile's own process prepares them at first."""
    sites = profiled_sites(space, original.model)
    groups = group_sites(space, original.uses([site.path for site in sites]), sites)
    operations = Operations(groups, original.model, runtime).measured.values()
    return [operation_variant(operation, runtime) for operation in operations if operation.chain]


def _untrained(
    original: PreTrainedModel, plans: Mapping[str, Mapping[str, PlainSettings]]
) -> dict[str, PreTrainedModel]:
    untrained = Untrained(original)
    return {name: untrained.build(partial(compress, plan=Plan(plan))) for name, plan in plans.items()}
