"""Measuring a target: its profile before the search, the finalists after it, in processes of their own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from greenfront.errors import ConfigError
from greenfront.hardware_profiles.affinity import available_cpus
from greenfront.hardware_profiles.assemble import assemble
from greenfront.hardware_profiles.cost import Cost, Interval
from greenfront.hardware_profiles.fingerprint import Conditions, fingerprint
from greenfront.hardware_profiles.jobs import CandidatesAnswer, Job, MemoryAnswer, ProfileAnswer, RawModel
from greenfront.hardware_profiles.lock import machine_lock
from greenfront.hardware_profiles.profile import HardwareProfile
from greenfront.hardware_profiles.records import Timing
from greenfront.hardware_profiles.registry import get_runtime
from greenfront.hardware_profiles.sampling import Progress
from greenfront.hardware_profiles.spawn import run_job
from greenfront.hardware_profiles.statistics import ratio_interval
from greenfront.hardware_profiles.target import Target
from greenfront.hardware_profiles.trust import (
    condition_warnings,
    memory_warnings,
    ratio_warnings,
    timing_warnings,
)
from greenfront.spaces import Space

PROFILE_SECONDS = 10.0
CANDIDATES_SECONDS = 20.0


@dataclass(frozen=True)
class Measured:
    """A candidate's measured cost, its latency as a share of the original's, and the raw samples of both."""

    cost: Cost
    ratio: Interval
    """Of paired samples, so that what the machine does slowly to both cancels; 1 for the original."""
    latency: Timing
    conditions: Conditions
    warnings: tuple[str, ...]


def measure_profile(
    target: Target,
    model_folder: Path,
    space: Space,
    *,
    seed: int,
    progress: Progress | None = None,
    seconds: float = PROFILE_SECONDS,
) -> HardwareProfile:
    """Measure what every setting of a space costs on a target, and how well the sum predicts candidates.

    At least 12 repetitions, in random order; then on until `seconds` are over or the whole models' medians
    are known to 1%. Waits while another process of this user measures on this machine.

    Raises:
        ConfigError: a target this machine can't be (threads, device, runtime).
        MeasureError: the measuring process failed, with its reason.
    """
    _check(target)
    folders = {"original": str(model_folder.resolve())}
    with machine_lock():
        job = Job("profile", target, folders, seed, seconds, space.to_json())
        answer: ProfileAnswer = run_job(job, progress)
        memory: MemoryAnswer = run_job(Job("memory", target, folders, seed, seconds))
    return assemble(target, fingerprint(), answer, memory, seed)


def measure_candidates(
    target: Target,
    folders: Mapping[str, Path],
    *,
    seed: int,
    progress: Progress | None = None,
    seconds: float = CANDIDATES_SECONDS,
) -> dict[str, Measured]:
    """Time saved candidates against the original, all in one process, then each one's memory in its own.

    `folders` maps ids to folders that `load_checkpoint` reads, `original` among them. At least 64 queries
    each, in random order; then on until `seconds` are over or all medians are known to 1%.

    Raises:
        ConfigError: no `original`, or a target this machine can't be.
        MeasureError: a measuring process failed, with its reason.
    """
    _check(target)
    if "original" not in folders:
        raise ConfigError(f"candidates must hold 'original' to be compared with, but got {', '.join(folders)}")
    resolved = {name: str(folder.resolve()) for name, folder in folders.items()}

    def timing_progress(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total + len(folders))
        planned[0] = total

    planned = [0]
    memories: dict[str, MemoryAnswer] = {}
    with machine_lock():
        answer: CandidatesAnswer = run_job(Job("candidates", target, resolved, seed, seconds), timing_progress)
        for done, (name, folder) in enumerate(resolved.items(), start=1):
            memories[name] = run_job(Job("memory", target, {name: folder}, seed, seconds))
            if progress is not None:
                progress(planned[0] + done, planned[0] + len(folders))
    return {name: _measured(name, target, answer, memories[name], seed) for name in folders}


def _measured(name: str, target: Target, answer: CandidatesAnswer, memory: MemoryAnswer, seed: int) -> Measured:
    raw: RawModel = answer.candidates[name]
    latency = Timing.of(raw.samples_ms, seed=seed)
    ratio = ratio_interval(raw.samples_ms, answer.candidates["original"].samples_ms, seed=seed)
    warnings = [
        *condition_warnings(target, fingerprint(), answer.conditions),
        *timing_warnings(name, latency),
        *memory_warnings(memory),
        *(ratio_warnings(name, ratio) if name != "original" else ()),
    ]
    cost = Cost(latency.interval_ms, memory.peak_memory_mb, raw.weight_bytes / 1e6, raw.parameters, raw.flops)
    return Measured(cost, ratio, latency, answer.conditions, tuple(warnings))


def _check(target: Target) -> None:
    """Refuse before anything is started what this machine can't be."""
    runtime = get_runtime(target.runtime)
    if target.device not in runtime.devices:
        valid = ", ".join(runtime.devices)
        raise ConfigError(f"hardware {target.name!r}: device must be one of {valid}, but got {target.device!r}")
    if target.threads > available_cpus():
        raise ConfigError(
            f"hardware {target.name!r}: threads must be at most {available_cpus()}, "
            f"the CPUs this process may use on this machine, but got {target.threads}"
        )
