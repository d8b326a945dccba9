"""Measuring a target: its profile before the search, the finalists after it, in processes of their own."""

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from greenfront.errors import ConfigError, MeasureError
from greenfront.hardware_profiles.assemble import assemble
from greenfront.hardware_profiles.cost import Cost, Interval
from greenfront.hardware_profiles.fingerprint import Conditions, fingerprint
from greenfront.hardware_profiles.jobs import CandidatesAnswer, Job, MemoryAnswer, ProfileAnswer
from greenfront.hardware_profiles.lock import machine_lock
from greenfront.hardware_profiles.profile import HardwareProfile
from greenfront.hardware_profiles.records import Timing
from greenfront.hardware_profiles.registry import get_runtime
from greenfront.hardware_profiles.sampling import Progress
from greenfront.hardware_profiles.spawn import run_job
from greenfront.hardware_profiles.statistics import ratio_interval
from greenfront.hardware_profiles.target import Target
from greenfront.hardware_profiles.target_check import check_target
from greenfront.hardware_profiles.trust import (
    REMEDY,
    condition_warnings,
    large_query_warnings,
    memory_warnings,
    ratio_warnings,
    refusals,
    timing_warnings,
    waiting_warnings,
)
from greenfront.hardware_profiles.whole_model import measured_cost
from greenfront.spaces import Space

_log = logging.getLogger(__name__)

CANDIDATES_SECONDS = 20.0


@dataclass(frozen=True)
class Measured:
    """A candidate's measured cost, its latency as a share of the original's, and the raw samples."""

    cost: Cost
    ratio: Interval
    """Of paired samples, so that what the machine does slowly to both cancels; 1 for the original."""
    latency: Timing
    large_latency: Timing
    conditions: Conditions
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

    Rounds of repetitions in random order, until predictions hold on candidates that they were not fitted to, or
    `target.seconds` are over. Waits while another process of this user measures on this machine.

    Raises:
        ConfigError: a target this machine can't be (threads, device, runtime).
        MeasureError: the measuring process failed, with its reason.
    """
    check_target(target)
    folders = {"original": str(model_folder.resolve())}
    with machine_lock(), tempfile.TemporaryDirectory(prefix="greenfront-deployed-") as scratch:
        job = Job("profile", target, folders, seed, target.seconds, scratch, space.to_json())
        answer: ProfileAnswer = run_job(job, progress)
        memory: MemoryAnswer = run_job(Job("memory", target, {"original": answer.original.deployed}, seed, 0))
    return assemble(target, fingerprint(get_runtime(target.runtime).versions()), answer, memory, seed)


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
    each, in random order; then on until `seconds` are over or all medians are known to 1%. What other processes
    disturbed too much is measured once more.

    Raises:
        ConfigError: no `original`, or a target this machine can't be.
        MeasureError: a measuring process failed, with its reason, or was disturbed twice, with what to do.
    """
    check_target(target)
    if "original" not in folders:
        raise ConfigError(f"candidates must hold 'original' to be compared with, but got {', '.join(folders)}")
    resolved = {name: str(folder.resolve()) for name, folder in folders.items()}

    def timing_progress(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total + len(folders))
        planned[0] = total

    planned = [0]
    memories: dict[str, MemoryAnswer] = {}
    with machine_lock(), tempfile.TemporaryDirectory(prefix="greenfront-deployed-") as scratch:
        answer = _undisturbed(Job("candidates", target, resolved, seed, seconds, scratch=scratch), timing_progress)
        for done, (name, raw) in enumerate(answer.candidates.items(), start=1):
            memories[name] = run_job(Job("memory", target, {name: raw.deployed}, seed, seconds))
            if progress is not None:
                progress(planned[0] + done, planned[0] + len(folders))
    return {name: _measured(name, target, answer, memories[name], seed) for name in folders}


def _undisturbed(job: Job, progress: Progress) -> CandidatesAnswer:
    """The answer to a job, the second one where the first can't be trusted; raises MeasureError after that.

    Where the target accepts disturbed measurements, the second stands; what is wrong with it is among its warnings.
    """
    for attempt in (1, 2):
        answer: CandidatesAnswer = run_job(job, progress)
        reasons = refusals(job.target, answer, {name: _ratio(name, answer, job.seed) for name in answer.candidates})
        if not reasons or (attempt == 2 and job.target.accepts_disturbed):
            return answer
        if attempt == 1:
            _log.warning("measuring once more: %s", "; ".join(reasons))
    raise MeasureError(
        f"hardware {job.target.name!r}: measured twice, but neither can be trusted: {'; '.join(reasons)}; {REMEDY}"
    )


def _ratio(name: str, answer: CandidatesAnswer, seed: int) -> Interval:
    """Of one candidate's latency to the original's."""
    return ratio_interval(answer.candidates[name].samples_ms, answer.candidates["original"].samples_ms, seed=seed)


def _measured(name: str, target: Target, answer: CandidatesAnswer, memory: MemoryAnswer, seed: int) -> Measured:
    raw = answer.candidates[name]
    cost, latency = measured_cost(target, raw, memory, seed=seed)
    ratio, large = _ratio(name, answer, seed), Timing.of(raw.large_samples_ms, seed=seed)
    warnings = [
        *condition_warnings(target, fingerprint(), answer.conditions),
        *waiting_warnings(answer.waited),
        *timing_warnings(name, latency),
        *large_query_warnings(name, large),
        *memory_warnings(memory),
        *(ratio_warnings(name, ratio) if name != "original" else ()),
    ]
    return Measured(cost, ratio, latency, large, answer.conditions, tuple(warnings))
