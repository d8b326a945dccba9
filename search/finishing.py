"""Finishing: the front's members are distilled for longer than a trial can be, and kept so where validation improves.

With shards, each member is trained on all of the data and, apart, on each of so many parts of them; the average of the
latter competes with the former (Branch-Train-Merge, Li et al. 2022, 2208.03306). All of a member's runs start from its
kept weights, with one seed.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from transformers import PreTrainedModel

from greenfront.config import RunConfig
from greenfront.evaluators import Outputs, TaskData, score
from greenfront.evaluators.examples import Indices
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import wording
from greenfront.search.acceptance import improves
from greenfront.search.averaging import average
from greenfront.search.candidate import Candidate
from greenfront.search.continuing import Continue
from greenfront.search.finish_record import Attempt, Quality, attempts_on, finished
from greenfront.search.finishing_data import finishing_data, shards_of
from greenfront.search.growth import Growth
from greenfront.search.journal import Result
from greenfront.search.keeping import Kept, keep_attempts, keep_finished
from greenfront.search.pool import Finished, Pool
from greenfront.search.progress import Reporter
from greenfront.search.ray_session import running_ray
from greenfront.search.retries import Retries
from greenfront.search.run_folder import RunFolder
from greenfront.search.slack import accuracy_floors
from greenfront.search.time_limit import TimeLimit
from greenfront.search.training_state import Weights, to_arrays
from greenfront.search.verify import unverified
from greenfront.search.worker import Assignment
from greenfront.spaces import load_checkpoint
from greenfront.spaces.unrounding import unrounded

WARMUP = 0.05
"""Share of the steps. The optimizer begins anew, but at weights that are good already (decision 24)."""


def scored_candidates(
    run: RunFolder,
    results: Sequence[Result],
    original: Candidate,
    profiles: Mapping[str, HardwareProfile],
    config: RunConfig,
) -> list[Candidate]:
    """Every scored result as a candidate with predicted costs, and as finishing left it."""
    found = unverified(as_kept(run, results, config.data.metric), original, profiles, config)
    done = {candidate.id: finished(run, candidate.id) for candidate in found}
    return [replace(c, finished=done[c.id], untrained=c.untrained and done[c.id] is None) for c in found]


def as_kept(run: RunFolder, results: Sequence[Result], metric: str) -> list[Result]:
    """The results with the scores of the weights that are kept: finishing, or training again, may have changed them."""
    found = []
    for result in results:
        if result.state == "scored" and run.outputs(result.plan.id).exists():
            kept, done = Kept.load(run.outputs(result.plan.id)), finished(run, result.plan.id)
            result = replace(result, validation=score(Outputs(metric, kept.statistics)).value)
            if done is not None:
                result = replace(result, divergence=done.after.divergence)
            elif kept.divergence is not None:
                result = replace(result, divergence=kept.divergence, untrained=kept.untrained)
        found.append(result)
    return found


def unfinished_members(config: RunConfig, run: RunFolder, members: Sequence[Result]) -> list[Result]:
    """Those of them that have not been finished with the settings of this configuration."""
    if config.finish.steps == 0:
        return []
    settings = _settings(config)
    return [m for m in members if settings not in [attempt.settings for attempt in attempts_on(run, m.plan.id)]]


def finish(
    config: RunConfig,
    run: RunFolder,
    members: Sequence[Result],
    original: Candidate,
    assignment: Assignment,
    data: TaskData,
    processor: Any,
    report: Reporter,
) -> None:
    """Finish these members, on all workers; what came of each is in the run folder as soon as it is known.

    `assignment` is that of trials; `members` have the scores of their kept weights.
    """
    members = unfinished_members(config, run, members)
    if not members:
        return
    train, logits = finishing_data(config, run, data, assignment.original, report)
    peak = config.finish.learning_rate or config.fine_tune.learning_rate
    settings = config.fine_tune.model_copy(
        update={"steps": config.finish.steps, "learning_rate": peak, "warmup": WARMUP}
    )
    assignment = replace(assignment, train=train, train_logits=logits, fine_tune=settings)
    floors = accuracy_floors(config.budgets, original.score.validation).values()
    parts = shards_of(len(train), config.finish.shards, config.search.seed)
    took = _seconds_a_run(config, members)
    report.stage(
        f"Finishing {len(members)} {'candidate' if len(members) == 1 else 'candidates'}",
        None if took is None else took * (1 + len(parts)) / config.workers(),
    )
    with running_ray(config.ray, config.workers()):
        limit = TimeLimit.of(config.search.trial_limit, config.fine_tune.steps, members)
        pool = Pool(assignment, config.workers(), limit, Growth.of(config))
        finisher = Finisher(config, run, assignment.original, processor, [*floors], parts, report)
        finisher.work(pool, members)


@dataclass
class _Member:
    """One candidate on its way: its outputs before, and what has come of its runs."""

    result: Result
    before: Outputs
    weights: Weights
    runs: int
    """How many are still to end."""
    shards: list[tuple[int, Weights | None]] = field(default_factory=list)
    scored: list[tuple[int, Outputs, Weights]] = field(default_factory=list)
    """(shards, outputs, weights) of the single run, with shards 1, and of the average."""
    seconds: float = 0.0


@dataclass
class Finisher:
    """Trains members on and keeps what improves; `floors` are of the metric, `parts` the examples of each shard."""

    config: RunConfig
    run: RunFolder
    base: PreTrainedModel
    processor: Any
    floors: Sequence[float]
    parts: Sequence[Indices]
    report: Reporter
    retries: Retries = field(default_factory=Retries)

    def work(self, pool: Pool, members: Sequence[Result]) -> None:
        """Every member's runs, on whatever worker is free."""
        waiting = deque(job for result in members for job in self._runs(self._member(result)))
        running: dict[int, tuple[_Member, Continue]] = {}
        given, done, total = 0, 0, len(waiting) + (len(members) if self.parts else 0)
        self.report.advance(done, total)
        while waiting or running:
            while waiting and pool.free:
                member, job = waiting.popleft()
                pool.give(given, member.result.plan.id, job)
                running[given] = member, job
                given += 1
            for ended in map(Finished.brought, pool.wait(1.0)):
                member, job = running.pop(ended.tag)
                if self.retries.again(ended.outcome, id(job), self.report):
                    waiting.appendleft((member, job))
                    continue
                waiting.extend(self._take(member, job, ended))
                done += 1
                self.report.advance(done, total)

    def _member(self, result: Result) -> _Member:
        id_ = result.plan.id
        statistics = Kept.load(self.run.outputs(id_)).statistics
        model = load_checkpoint(self.run.candidate(id_))
        return _Member(
            result, Outputs(self.config.data.metric, statistics, result.divergence),
            to_arrays(unrounded(self.base, model)), 1 + len(self.parts) + bool(self.parts),
        )  # fmt: skip

    def _runs(self, member: _Member) -> list[tuple[_Member, Continue]]:
        whole = Continue(member.result.plan.to_json(), member.weights, self.config.finish.steps)
        shards = (replace(whole, part=part, to_score=False) for part in self.parts)
        return [(member, job) for job in (whole, *shards)]

    def _take(self, member: _Member, job: Continue, ended: Finished) -> list[tuple[_Member, Continue]]:
        """Take in what a run came to; the run that follows from it, if any."""
        outcome, weights = ended.outcome, ended.weights
        follows: list[tuple[_Member, Continue]] = []
        member.runs -= 1
        member.seconds += outcome.seconds
        if outcome.reason:
            self.report.note(f"{outcome.plan_id} could not be trained on: {outcome.reason}")
        if job.part is not None:
            member.shards.append((len(job.part), weights))
            if len(member.shards) == len(self.parts):
                follows = self._average(member, job)
        elif weights is not None and outcome.outputs is not None:
            member.scored.append((len(self.parts) if job.steps == 0 else 1, outcome.outputs, weights))
        if member.runs == 0:
            self._settle(member)
        return follows

    def _average(self, member: _Member, job: Continue) -> list[tuple[_Member, Continue]]:
        sizes, weights = zip(*member.shards, strict=True)
        complete = [each for each in weights if each is not None]
        member.shards.clear()
        if len(complete) < len(weights):
            member.runs -= 1
            return []
        return [(member, replace(job, weights=average(complete, sizes), steps=0, part=None, to_score=True))]

    def _settle(self, member: _Member) -> None:
        """Keep the better of a member's results where it improves on what the member was; say so."""
        result, before, steps = member.result, member.before, self.config.finish.steps
        plan, metric = result.plan, self.config.data.metric
        assert result.validation is not None
        assert result.divergence is not None
        ranked = sorted(member.scored, key=lambda each: _divergence(each[1]))
        better = [each for each in ranked if improves(before, each[1], self.floors)]
        shards, after = 1, None
        if ranked:
            shards, outputs, _ = (better or ranked)[0]
            after = Quality(score(outputs).value, _divergence(outputs))
        attempt = Attempt(
            _settings(self.config), steps, shards, bool(better), Quality(result.validation, result.divergence), after,
            round(member.seconds, 2),
        )  # fmt: skip
        attempts = [*attempts_on(self.run, plan.id), attempt]
        if better:
            _, outputs, weights = better[0]
            keep_finished(self.run, self.base, plan, attempts, weights, outputs, self.processor)
        else:
            keep_attempts(self.run, plan.id, attempts)
        if after is not None:
            how = f"the average of {shards} shards" if shards > 1 else f"{steps} steps"
            self.report.note(
                f"{plan.id} after {how}: divergence {after.divergence:.4f}, was {result.divergence:.4f}; {metric} "
                f"{wording.score(after.validation, metric)}, was {wording.score(result.validation, metric)}: "
                + ("kept" if better else "no improvement, it stays as it was")
            )


def _seconds_a_run(config: RunConfig, members: Sequence[Result]) -> float | None:
    """Of one training of each member: it takes as long as the member's trial did, step for step. None where a trial
    tells nothing of that, as it took no step or may have taken none."""
    if config.fine_tune.steps == 0 or any(member.untrained for member in members):
        return None
    return sum(member.seconds for member in members) * config.finish.steps / config.fine_tune.steps


def _divergence(outputs: Outputs) -> float:
    found = outputs.divergence
    return math.inf if found is None or not math.isfinite(found) else found


def _settings(config: RunConfig) -> str:
    """What a finish depends on, in words that a record keeps."""
    finish = config.finish
    peak = finish.learning_rate or config.fine_tune.learning_rate
    return f"{finish.steps} steps, {finish.shards} shards, learning rate {peak:g}"
