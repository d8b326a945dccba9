"""The same candidates in one fresh process after another, until their latencies are known.

A process draws the places of its code in memory once, and what a small model takes depends on them (Mytkowicz et al.
2009, "Producing wrong data without doing anything obviously wrong"): after one untimed query ratios of one candidate
spread by 6% to 7% from process to process, with warm caches still by about 2% (decision 16). One process alone tells
what it drew, and a deployment draws anew: the mean of several is what can be expected of it.
"""

import logging
import math
import time
from dataclasses import dataclass, replace
from typing import Any

from greenfront.errors import MeasureError
from greenfront.hardware_profiles.cost import Interval
from greenfront.hardware_profiles.jobs import CandidatesAnswer, Job, LatencyAnswer
from greenfront.hardware_profiles.sampling import Progress
from greenfront.hardware_profiles.spawn import run_job
from greenfront.hardware_profiles.statistics import across, ratio_interval, relative_half_width
from greenfront.hardware_profiles.trust import REMEDY, ratio_refusals, waiting_refusal

FEWEST, MOST = 5, 24
"""Processes: with the fewest, there are 64 samples of each candidate, MLPerf's rule for a 90th percentile."""
FEWEST_AGAIN, AGAIN_REPETITIONS, AGAIN_SECONDS = 2, 4, 2.0
"""Processes that calibrate a profile, beside the one that measured it, at least; samples in each of them, at least, and
seconds for them. Processes differ by more than samples in one do, so that more of them are better than longer ones."""
TOLERANCE = 0.02
"""Half the width of a ratio's interval, relative: known well enough."""
FIRST_SECONDS, FURTHER_SECONDS = 10.0, 1.0
"""Of timing in a process, where its least samples take less."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Processes:
    """What the first process found, and what further ones took."""

    first: CandidatesAnswer
    further: tuple[LatencyAnswer, ...]

    def further_ms(self, name: str) -> list[list[float]]:
        """A candidate's samples, of each further process."""
        return [answer.samples_ms[name] for answer in self.further]

    def ratio(self, name: str, seed: int) -> Interval:
        """A candidate's latency as a share of the original's: of paired samples in every process."""
        timed = [{id_: raw.samples_ms for id_, raw in self.first.candidates.items()}]
        timed += [answer.samples_ms for answer in self.further]
        return across([ratio_interval(ms[name], ms["original"], seed=seed).median for ms in timed], seed=seed)


def time_again(job: Job, progress: Progress) -> tuple[LatencyAnswer, ...]:
    """Do a latency job in at least `FEWEST_AGAIN` fresh processes, and in more while half of the next one fits."""
    started, found = time.monotonic(), list[LatencyAnswer]()
    while len(found) < FEWEST_AGAIN or (time.monotonic() - started) * (1 + 0.5 / len(found)) < job.seconds:
        again = replace(job, seed=job.seed + len(found) + 1, seconds=AGAIN_SECONDS, repetitions=AGAIN_REPETITIONS)
        found.append(_undisturbed(again))
        progress(min(round(time.monotonic() - started), round(job.seconds)), round(job.seconds))
    return tuple(found)


def measure_in_processes(job: Job, progress: Progress) -> Processes:
    """Do a candidates job, then time what it deployed in further processes, until ratios are known to 2%.

    At least `FEWEST` processes; then until `job.seconds` are over or there are `MOST`. A process that others disturbed
    too much is repeated once.

    Raises:
        MeasureError: a process failed, with its reason, or was disturbed twice, or its ratios differ too much from
            process to process, with what to do; unless the target accepts that.
    """
    end = time.monotonic() + job.seconds
    found = Processes(_undisturbed(replace(job, seconds=min(job.seconds, FIRST_SECONDS))), ())
    progress(1, FEWEST)
    deployed = {name: raw.deployed for name, raw in found.first.candidates.items()}
    while len(found.further) + 1 < MOST and (len(found.further) + 1 < FEWEST or not _known(found, job, end)):
        again = replace(
            job, name="latency", folders=deployed, seed=job.seed + len(found.further) + 1, seconds=FURTHER_SECONDS
        )
        found = replace(found, further=(*found.further, _undisturbed(again)))
        progress(len(found.further) + 1, _planned(found, job))
    reasons = ratio_refusals({name: found.ratio(name, job.seed) for name in deployed})
    if reasons and not job.target.accepts_disturbed:
        raise MeasureError(f"{_refused(job)}: {'; '.join(reasons)}; {REMEDY}")
    return found


def _known(found: Processes, job: Job, end: float) -> bool:
    """Whether all ratios are known, or the time is over."""
    ratios = (found.ratio(name, job.seed) for name in found.first.candidates)
    return time.monotonic() > end or all(relative_half_width(ratio) <= TOLERANCE for ratio in ratios)


def _planned(found: Processes, job: Job) -> int:
    """How many processes it will take, as an interval narrows with the root of their number."""
    done = len(found.further) + 1
    widest = max(relative_half_width(found.ratio(name, job.seed)) for name in found.first.candidates)
    return min(max(FEWEST, done, math.ceil(done * (widest / TOLERANCE) ** 2)), MOST)


def _undisturbed(job: Job) -> Any:
    """The answer to a job, the second one where the first can't be trusted; raises MeasureError after that.

    Where the target accepts disturbed measurements, the second stands; what is wrong with it is among its warnings.
    """
    for attempt in (1, 2):
        answer = run_job(job)
        reason = waiting_refusal(job.target, answer.waited)
        if not reason or (attempt == 2 and job.target.accepts_disturbed):
            return answer
        if attempt == 1:
            _log.warning("measuring once more: %s", reason)
    raise MeasureError(f"{_refused(job)}, twice: {reason}; {REMEDY}")


def _refused(job: Job) -> str:
    return f"hardware {job.target.name!r}: what was measured can't be trusted"
