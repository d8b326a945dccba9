"""The measuring process of a profile: rounds of operations, the original and whole candidates, until the sum holds."""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from transformers import PreTrainedModel

from greenfront.hardware_profiles.assemble import calibrate, held_out_error, operation_table
from greenfront.hardware_profiles.candidate_plans import draw_plans
from greenfront.hardware_profiles.energy import EnergyMeter
from greenfront.hardware_profiles.fingerprint import ConditionsMeter
from greenfront.hardware_profiles.groups import Group, group_sites, profiled_sites
from greenfront.hardware_profiles.jobs import Job, ProfileAnswer, RawOperation, RawPlan, RawRound, RawRounds
from greenfront.hardware_profiles.operations import Operation, Operations
from greenfront.hardware_profiles.records import PlainSettings, SiteUse, plain_plan, settings_key
from greenfront.hardware_profiles.rest_of_model import RestOfModel
from greenfront.hardware_profiles.runtime import Runtime
from greenfront.hardware_profiles.sampling import Progress, Schedule, Variant, inner_passes, interleave, warm_up
from greenfront.hardware_profiles.statistics import median_interval, relative_half_width
from greenfront.hardware_profiles.timed_model import TimedModel
from greenfront.hardware_profiles.tracing import Use
from greenfront.hardware_profiles.untrained import Untrained
from greenfront.spaces import Plan, Site, Space, compress
from greenfront.spaces.compression import method_name

FITTED, HELD_OUT, MOST_PLANS = 6, 10, 26
TURNED_OVER = 5
"""Held-out plans that a further round holds out no more, and as many new ones that it does instead."""
LARGE_FITTED, LARGE_HELD_OUT = 5, 3
"""Of these, for large queries."""
REPETITIONS, LARGE_REPETITIONS = 4, 2
ORIGINAL_TIMES, DENSE_TIMES, SETTING_TIMES = 16, 6, 3
"""Samples in a repetition: all changes are against the original and its modules; four times sixteen make a p90."""
ROUND_SHARE = 0.2
"""Of the time, for a round."""
MEDIAN_ERROR, P95_ERROR, ORIGINAL_HALF_WIDTH = 0.01, 0.03, 0.01
"""When the prediction is good enough: errors on held-out plans, and how well the original's median is known."""
CHAIN_MS = 6.0
"""A chain of long operations is cut to what takes so long, but for two."""
INTERPOLATION, MOST_NEW_OPERATIONS = 0.003, 8
"""More settings are measured where interpolation is off by such a share of the original's latency, at most so many."""


def profile_job(job: Job, runtime: Runtime, progress: Progress) -> ProfileAnswer:
    """Measure what a profile is made of, in this process, within about `job.seconds`."""
    meter = ConditionsMeter()
    end = time.monotonic() + job.seconds

    def report(_done: int = 0, _total: int = 0) -> None:
        progress(min(round(job.seconds - end + time.monotonic()), round(job.seconds)), round(job.seconds))

    profiling = _Profiling(job, runtime, report)
    profiling.draw(FITTED, held_out=False)
    profiling.draw(HELD_OUT, held_out=True)
    profiling.measure(Schedule(REPETITIONS, ROUND_SHARE * job.seconds, tolerance=0))
    profiling.measure_large(Schedule(LARGE_REPETITIONS, ROUND_SHARE / 2 * job.seconds, tolerance=0.02))
    while not profiling.is_good() and (left := end - time.monotonic()) > 0:
        profiling.refine()
        profiling.measure(Schedule(1, min(left, ROUND_SHARE * job.seconds), tolerance=0))
    return profiling.answer(meter)


class _Profiling:
    """What has been built and timed so far."""

    def __init__(self, job: Job, runtime: Runtime, report: Progress) -> None:
        assert job.space is not None
        self._job, self._runtime, self._report = job, runtime, report
        self._space = Space.from_json(job.space)
        self._rng = random.Random(job.seed)
        folder = Path(job.folders["original"])
        self._original = TimedModel.load("original", folder, job.target, runtime, job.seed, Path(job.scratch))
        sites = profiled_sites(self._space, self._original.model)
        uses = self._original.uses([site.path for site in sites])
        self._untrained = Untrained(self._original.model)
        self._operations = Operations(group_sites(self._space, uses, sites), self._original.model, runtime)
        self._sites = _site_uses(self._space, sites, self._operations.groups, uses)
        on_cpu = job.target.device == "cpu"  # only there are a model's weights what caches hold
        self._rest = RestOfModel(self._original.model, self._operations, runtime) if on_cpu else None
        self._variants: dict[str, Variant] = {}
        self._add_variants(list(self._operations.measured.values()))
        self._fitted: dict[Plan, TimedModel] = {}
        self._held_out: dict[Plan, TimedModel] = {}
        self._rounds: list[RawRound] = []
        self._large_ms: dict[str, list[list[float]]] = {}
        warm_up(self._original.variant, runtime.synchronize)

    def draw(self, count: int, *, held_out: bool) -> None:
        """Build new candidates, to fit on or to hold out."""
        refused = {(each.site, settings_key(each.settings)) for each in self._operations.refused}
        space = self._space.restrict(lambda choice, s: (choice.site.path, settings_key(s)) not in refused)
        drawn = self._held_out if held_out else self._fitted
        for plan in draw_plans(space, count, self._rng, {*self._fitted, *self._held_out}):
            model: PreTrainedModel = self._untrained.build(partial(compress, plan=plan))
            drawn[plan] = TimedModel.of(plan.id, model, self._job.target, self._runtime, self._job.seed)
            drawn[plan].run()
            self._report(0, 0)

    def measure(self, schedule: Schedule) -> None:
        """Time everything built, in one round."""
        original = replace(self._original.variant, times=ORIGINAL_TIMES)
        whole = [original, *(model.variant for model in self._candidates.values())]
        timed = self._interleave([*whole, *self._variants.values()], schedule)
        names = {variant.name for variant in whole}
        self._rounds.append(
            RawRound(
                {name: samples for name, samples in timed.items() if name in names},
                {name: samples for name, samples in timed.items() if name not in names},
            )
        )

    def measure_large(self, schedule: Schedule) -> None:
        """Time large queries of some candidates."""
        models = [*list(self._fitted.values())[:LARGE_FITTED], *list(self._held_out.values())[:LARGE_HELD_OUT]]
        for model in (self._original, *models):
            model.large_run()
            self._report(0, 0)
        variants = [replace(self._original.large_variant, times=2), *(model.large_variant for model in models)]
        self._large_ms = self._interleave(variants, schedule)

    def is_good(self) -> bool:
        """Whether predictions hold on held-out plans, and the original is known well."""
        interval = median_interval(self._original_ms, seed=0)
        measured = self._measured()
        fitted = calibrate(operation_table(measured, 0), measured, interval.median, 0)
        error = held_out_error(fitted.plans, interval.median)
        holds = error is None or (error.median <= MEDIAN_ERROR and error.p95 <= P95_ERROR)
        return holds and relative_half_width(interval) <= ORIGINAL_HALF_WIDTH

    def refine(self) -> None:
        """More settings where interpolation is worst; some held-out plans to fit on, and new ones instead."""
        table = operation_table(self._measured(), 0)
        tolerance_ms = INTERPOLATION * median_interval(self._original_ms, seed=0).median
        self._add_variants(self._operations.refine(table.latency_ms, tolerance_ms, MOST_NEW_OPERATIONS))
        if len(self._candidates) + TURNED_OVER <= MOST_PLANS:
            for plan in list(self._held_out)[LARGE_HELD_OUT:][:TURNED_OVER]:  # the first ones check large queries
                self._fitted[plan] = self._held_out.pop(plan)
            self.draw(TURNED_OVER, held_out=True)

    def answer(self, meter: ConditionsMeter) -> ProfileAnswer:
        """Everything measured."""
        conditions = meter.read()
        median_ms = median_interval(self._original_ms, seed=0).median
        energy = EnergyMeter(self._job.target).per_query(self._original.run, self._runtime.synchronize, median_ms)
        large_ms = [sample for repetition in self._large_ms["original"] for sample in repetition]
        return ProfileAnswer(
            model=type(self._original.model).__name__,
            conditions=conditions,
            original=self._original.raw(self._original_ms, large_ms, *energy),
            measured=self._measured(),
            large_ms=self._large_ms,
            deployed={"original": str(self._original.deployed), **self._deploy()},
        )

    def _deploy(self) -> dict[str, str]:
        """Leave every candidate as it would be shipped, where processes that time them again load that."""
        deployed: dict[str, str] = {}
        again = self._runtime.makes_files and self._runtime.starts_quickly(self._job.target)
        for plan, model in self._candidates.items() if again else ():
            folder = Path(self._job.scratch) / plan.id
            deployed[plan.id] = str(self._runtime.deploy(model.model, model.inputs, folder, folder))
            self._report(0, 0)
        return deployed

    @property
    def _candidates(self) -> dict[Plan, TimedModel]:
        return {**self._fitted, **self._held_out}

    @property
    def _original_ms(self) -> list[float]:
        """Every single query of the original."""
        return [ms for each in self._rounds for repetition in each.whole_ms["original"] for ms in repetition]

    def _measured(self) -> RawRounds:
        operations = self._operations
        return RawRounds(
            operations=[_raw_operation(o, self._variants.get(o.name)) for o in operations.measured.values()],
            interpolated=operations.interpolated,
            refused=operations.refused,
            sites=self._sites,
            plans=[RawPlan(plain_plan(plan), plan in self._held_out) for plan in self._candidates],
            rounds=self._rounds,
        )

    def _add_variants(self, operations: Sequence[Operation]) -> None:
        """Warm operations up; a sample holds as many passes as make it long enough, and no more than that."""
        for operation in operations:
            if not operation.chain:
                continue
            chain, times = operation.chain, SETTING_TIMES if operation.settings else DENSE_TIMES
            pass_ms = warm_up(Variant(operation.name, chain), self._runtime.synchronize, seconds=0.05)
            kept = chain[: max(2, round(len(chain) * CHAIN_MS / pass_ms))]
            before = None if self._rest is None else self._rest.read(operation, len(kept))
            self._variants[operation.name] = Variant(
                operation.name, kept, inner_passes(pass_ms), times=times, before=before
            )
            self._report(0, 0)

    def _interleave(self, variants: Sequence[Variant], schedule: Schedule) -> dict[str, list[list[float]]]:
        """Samples by name, a list for each repetition."""
        samples = interleave(
            variants,
            schedule,
            watched=["original"],
            seed=self._rng.randrange(2**31),
            synchronize=self._runtime.synchronize,
            progress=self._report,
        )
        return {
            variant.name: [
                samples[variant.name][start : start + variant.times]
                for start in range(0, len(samples[variant.name]), variant.times)
            ]
            for variant in variants
        }


def _raw_operation(operation: Operation, variant: Variant | None) -> RawOperation:
    return RawOperation(
        group=operation.group.name,
        settings=dict(operation.settings),
        chain=len(variant.chain) if variant else 0,
        inner=variant.inner if variant else 0,
        parameters=operation.holding.parameters,
        bytes=operation.holding.bytes,
        flops=operation.holding.flops,
    )


def _site_uses(
    space: Space, sites: Sequence[Site], groups: Sequence[Group], uses: Mapping[str, Use]
) -> dict[str, SiteUse]:
    group_of = {path: group.name for group in groups for path in group.paths}
    found: dict[str, SiteUse] = {}
    for site in sites:
        choices: dict[str, list[PlainSettings]] = {}
        for choice in space.choices:
            if choice.site.path == site.path:
                for settings in choice.settings:
                    choices.setdefault(method_name(choice, settings), []).append(dict(settings))
        found[site.path] = SiteUse(
            signature=site.signature,
            shape=site.shape,
            group=group_of[site.path],
            calls=uses[site.path].calls if site.path in uses else 0,
            reductions=space.reductions.get(site.path, ()),
            choices=choices,
        )
    return found
