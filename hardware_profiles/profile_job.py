"""The measuring process of a profile: operations, the original and a few whole candidates, interleaved."""

from pathlib import Path

from greenfront.hardware_profiles.calibration import calibration_plans
from greenfront.hardware_profiles.fingerprint import ConditionsMeter
from greenfront.hardware_profiles.jobs import Job, ProfileAnswer, RawOperation, RawPlan
from greenfront.hardware_profiles.operations import (
    Group,
    Operation,
    build_operations,
    group_sites,
    operation_name,
)
from greenfront.hardware_profiles.records import PlainSettings, SiteUse, plain_plan
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import (
    Progress,
    Schedule,
    Variant,
    inner_passes,
    interleave,
    warm_up,
)
from greenfront.hardware_profiles.timed_model import TimedModel
from greenfront.hardware_profiles.tracing import Use, trace
from greenfront.spaces import Choice, Plan, Settings, Space, compress

MINIMUM_REPETITIONS = 12
CLEARLY = 0.95
"""Warming up tells times apart to a few per cent."""
ENOUGH = 1000
"""Plans that a space must have for nine distinct ones from cheap to dear."""


def profile_job(job: Job, runtime: Runtime, progress: Progress) -> ProfileAnswer:
    """Measure what a profile is made of, in this process."""
    assert job.space is not None
    meter = ConditionsMeter()
    space = Space.from_json(job.space)
    folder = Path(job.folders["original"])
    original = TimedModel.load("original", folder, job.target, runtime, job.seed)
    uses = trace(original.model, original.run, [site.path for site in space.sites])
    groups = group_sites(space, uses)
    operations = [operation for group in groups for operation in build_operations(group, original.model, runtime)]
    warm_up(original.variant, runtime.synchronize)
    warmed = {o.name: _warm_variant(o, runtime) for o in operations if o.chain}
    timed = {name: variant for name, (variant, _) in warmed.items()}
    fitted, held_out = calibration_plans(_faster(space, groups, warmed), job.seed)
    candidates = {plan: _candidate(plan, original, job, runtime) for plan in (*fitted, *held_out)}
    whole = [original.variant, *(candidate.variant for candidate in candidates.values())]
    for variant in whole[1:]:
        warm_up(variant, runtime.synchronize, seconds=0.1)
    samples = interleave(
        [*whole, *timed.values()],
        Schedule(MINIMUM_REPETITIONS, job.seconds),
        watched=[variant.name for variant in whole],
        seed=job.seed,
        synchronize=runtime.synchronize,
        progress=progress,
    )
    return ProfileAnswer(
        model=type(original.model).__name__,
        conditions=meter.read(),
        original=original.raw(samples["original"], folder),
        operations=[_raw_operation(o, timed.get(o.name), samples.get(o.name, [])) for o in operations],
        sites=_site_uses(space, groups, uses),
        plans=[
            RawPlan(plain_plan(plan), plan in held_out, samples[candidate.name])
            for plan, candidate in candidates.items()
        ],
    )


def _candidate(plan: Plan, original: TimedModel, job: Job, runtime: Runtime) -> TimedModel:
    return TimedModel(f"plan {plan.id}", compress(original.model, plan), job.target, runtime, job.seed)


def _warm_variant(operation: Operation, runtime: Runtime) -> tuple[Variant, float]:
    """An operation with as many inner passes as make its samples long enough, and its ms per single run so far."""
    once = Variant(operation.name, operation.chain)
    pass_ms = warm_up(once, runtime.synchronize, seconds=0.05)
    return Variant(operation.name, operation.chain, inner=inner_passes(pass_ms)), pass_ms / len(operation.chain)


def _faster(space: Space, groups: list[Group], warmed: dict[str, tuple[Variant, float]]) -> Space:
    """The space without settings that were no faster while warming up: the search will leave them out, too.

    Whole candidates full of them (attention approximations on short inputs) would calibrate a sum that nobody asks for.
    """
    group_of = {path: group.name for group in groups for path in group.paths}

    def estimate(choice: Choice, settings: Settings) -> float:
        found = warmed.get(operation_name(group_of[choice.site.path], settings))
        return found[1] if found else 0.0

    faster = space.restrict(lambda choice, settings: estimate(choice, settings) < CLEARLY * estimate(choice, {}))
    return faster if faster.size >= ENOUGH else space


def _raw_operation(operation: Operation, variant: Variant | None, samples_ms: list[float]) -> RawOperation:
    return RawOperation(
        group=operation.group.name,
        settings=dict(operation.settings),
        samples_ms=samples_ms,
        chain=len(operation.chain),
        inner=variant.inner if variant else 0,
        parameters=operation.parameters,
        bytes=operation.bytes,
        flops=operation.flops,
    )


def _site_uses(space: Space, groups: list[Group], uses: dict[str, Use]) -> dict[str, SiteUse]:
    group_of = {path: group.name for group in groups for path in group.paths}
    found: dict[str, SiteUse] = {}
    for site in space.sites:
        choices: dict[str, list[PlainSettings]] = {
            choice.method: [dict(settings) for settings in choice.settings]
            for choice in space.choices
            if choice.site.path == site.path
        }
        calls = uses[site.path].calls if site.path in uses else 0
        found[site.path] = SiteUse(site.signature, group_of[site.path], calls, choices)
    return found
