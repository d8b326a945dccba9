"""Measuring a target: its profile before the search, the finalists after it, in processes of their own."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from greenfront.errors import ConfigError
from greenfront.hardware_profiles.assemble import assemble
from greenfront.hardware_profiles.cost import Cost, Interval
from greenfront.hardware_profiles.fingerprint import Conditions, fingerprint
from greenfront.hardware_profiles.jobs import Job, LatencyAnswer, MemoryAnswer, ProfileAnswer
from greenfront.hardware_profiles.lock import machine_lock
from greenfront.hardware_profiles.processes import Processes, measure_in_processes, time_again
from greenfront.hardware_profiles.profile import HardwareProfile
from greenfront.hardware_profiles.records import Timing
from greenfront.hardware_profiles.registry import get_runtime
from greenfront.hardware_profiles.sampling import Progress
from greenfront.hardware_profiles.spawn import run_job
from greenfront.hardware_profiles.target import Target
from greenfront.hardware_profiles.target_check import check_target
from greenfront.hardware_profiles.trust import (
    condition_warnings,
    large_query_warnings,
    memory_warnings,
    ratio_warnings,
    timing_warnings,
    waiting_warnings,
)
from greenfront.hardware_profiles.whole_model import measured_cost
from greenfront.spaces import Plan, Space

FIRST_SHARE = 0.5
"""Of the time for a profile: for the process that measures the operations, where others follow."""


@dataclass(frozen=True)
class Measured:
    """A candidate's measured cost, its latency as a share of the original's, and the raw samples."""

    cost: Cost
    ratio: Interval
    """Of paired samples, so that what the machine does slowly to both cancels, the mean over all processes; 1 for the
    original."""
    latency: Timing
    large_latency: Timing
    processes: tuple[int, ...]
    """How many of the latency's samples each process took, one after the other."""
    conditions: tuple[Conditions, ...]
    """Of each of them."""
    warnings: tuple[str, ...]


def measure_profile(
    target: Target,
    model_folder: Path,
    space: Space,
    *,
    seed: int,
    progress: Progress | None = None,
) -> HardwareProfile:
    """Measure what every setting of a space costs on a target, and how well the sum predicts candidates.

    Rounds of repetitions in random order, until predictions hold on candidates that they were not fitted to; then, in
    a runtime that starts quickly, the candidates in further processes, for one alone says little about the next. About
    `target.seconds` in all. Waits while another process of this user measures on this machine.

    Raises:
        ConfigError: a target this machine can't be (threads, device, runtime).
        MeasureError: the measuring process failed, with its reason.
    """
    check_target(target)
    folders = {"original": str(model_folder.resolve())}
    runtime = get_runtime(target.runtime)
    again = runtime.starts_quickly(target)
    share = FIRST_SHARE if again else 1.0
    further: tuple[LatencyAnswer, ...] = ()

    def report(seconds: float) -> None:
        if progress is not None:
            progress(round(seconds), round(target.seconds))

    with machine_lock(), tempfile.TemporaryDirectory(prefix="greenfront-deployed-") as scratch:
        job = Job("profile", target, folders, seed, share * target.seconds, scratch, space.to_json())
        answer: ProfileAnswer = run_job(job, lambda done, _: report(done))
        if again:
            plans = {Plan(raw.plan).id: raw.plan for raw in answer.measured.plans}
            left = {name: plan for name, plan in plans.items() if name not in answer.deployed}
            latency = Job("latency", target, answer.deployed, seed, (1 - share) * target.seconds, plans=left)
            further = time_again(latency, lambda done, _: report(share * target.seconds + done))
        memory: MemoryAnswer = run_job(Job("memory", target, {"original": answer.original.deployed}, seed, 0))
    return assemble(target, fingerprint(runtime.versions()), answer, memory, seed, further)


def measure_candidates(
    target: Target,
    folders: Mapping[str, Path],
    *,
    seed: int,
    progress: Progress | None = None,
    seconds: float | None = None,
) -> dict[str, Measured]:
    """Time saved candidates against the original, in several processes, then each one's memory in its own.

    `folders` maps ids to folders that `load_checkpoint` reads, `original` among them. At least 64 queries each, in
    random order; then on until `seconds` (by default the target's) are over or all ratios to the original are known to
    2%. A process that others disturbed too much is repeated once.

    Raises:
        ConfigError: no `original`, or a target this machine can't be.
        MeasureError: a measuring process failed, with its reason, or was disturbed twice, with what to do.
    """
    check_target(target)
    if "original" not in folders:
        raise ConfigError(f"candidates must hold 'original' to be compared with, but got {', '.join(folders)}")
    resolved = {name: str(folder.resolve()) for name, folder in folders.items()}
    planned = [0]

    def report(done: int, total: int) -> None:
        planned[0] = total
        if progress is not None:
            progress(done, total + len(folders))

    memories: dict[str, MemoryAnswer] = {}
    with machine_lock(), tempfile.TemporaryDirectory(prefix="greenfront-deployed-") as scratch:
        allowed = target.seconds if seconds is None else seconds
        job = Job("candidates", target, resolved, seed, allowed, scratch=scratch)
        found = measure_in_processes(job, report)
        for done, (name, raw) in enumerate(found.first.candidates.items(), start=1):
            memories[name] = run_job(Job("memory", target, {name: raw.deployed}, seed, 0))
            if progress is not None:
                progress(planned[0] + done, planned[0] + len(folders))
    return {name: _measured(name, target, found, memories[name], seed) for name in folders}


def _measured(name: str, target: Target, found: Processes, memory: MemoryAnswer, seed: int) -> Measured:
    raw, further_ms = found.first.candidates[name], found.further_ms(name)
    cost, latency = measured_cost(target, raw, memory, further_ms=further_ms, seed=seed)
    ratio, large = found.ratio(name, seed), Timing.of(raw.large_samples_ms, seed=seed)
    conditions = (found.first.conditions, *(answer.conditions for answer in found.further))
    waited = (found.first.waited, *(answer.waited for answer in found.further))
    warnings = [
        *condition_warnings(target, fingerprint(), max(conditions, key=lambda each: each.other_cores)),
        *waiting_warnings(max((share for share in waited if share is not None), default=None)),
        *(ratio_warnings(name, ratio) if name != "original" else timing_warnings(name, latency)),
        *large_query_warnings(name, large),
        *memory_warnings(memory),
    ]
    processes = (len(raw.samples_ms), *map(len, further_ms))
    return Measured(cost, ratio, latency, large, processes, conditions, tuple(warnings))
