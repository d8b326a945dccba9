"""Ray workers: started, given one plan each, replaced when they die."""

import time
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.exceptions import RayError

from greenfront.errors import RunError
from greenfront.search.failures import POISONED, Failure
from greenfront.search.growth import Growth
from greenfront.search.placement import Needs
from greenfront.search.reasons import loss_of
from greenfront.search.successors import START_SECONDS, Successors
from greenfront.search.time_limit import TimeLimit
from greenfront.search.training_state import Part, Weights
from greenfront.search.worker import Assignment, Job, Outcome, Worker
from greenfront.time_left import duration

PATIENCE_SECONDS = 60.0
"""A search that has workers begins without the rest then, which joins it."""


@dataclass(frozen=True)
class Finished:
    """One answer: the plan's tag, what came of it, and the weights, still in the object store (None if none)."""

    tag: int
    outcome: Outcome
    weights: Any

    def brought(self) -> "Finished":
        """The same with the weights here; where they are lost, as their machine has left since, a failure."""
        if self.outcome.reason or self.weights is None:
            return replace(self, weights=None)
        try:
            return replace(self, weights=Pool.fetch(self.weights))
        except RayError as error:
            failure, reason = loss_of(error)
            lost = Outcome(self.outcome.plan_id, None, None, self.outcome.seconds, reason, failure=failure)
            return Finished(self.tag, lost, None)


@dataclass(frozen=True)
class _Given:
    """A job on its way: for which plan, the weights to come, on which worker, since when and how long at most."""

    tag: int
    plan_id: str
    weights: Any
    actor: Any
    since: float
    limit_seconds: float

    def failed(self, failure: Failure, reason: str) -> Finished:
        """That nothing came of it."""
        seconds = time.monotonic() - self.since
        return Finished(self.tag, Outcome(self.plan_id, None, None, seconds, reason, failure=failure), None)


class Pool:
    """Workers that each take one plan at a time, as many as `Growth` says. One that dies, hangs, or fails in a way that
    nobody expected, has a successor, which is given nothing before it is there."""

    def __init__(
        self, assignment: Assignment, workers: int, limit: TimeLimit | None = None, growth: Growth | None = None
    ) -> None:
        """`growth`: what a worker takes, and how many there should be, if not just `workers` with a processor for each
        of their threads."""
        self._assignment = ray.put(assignment)
        self._threads = assignment.threads
        self._steps = assignment.fine_tune.steps
        self._limit = limit or TimeLimit(None, self._steps)
        self._growth = growth or Growth(Needs(float(assignment.threads)), workers)
        self._running: dict[Any, _Given] = {}  # by the reference of the outcome
        self._idle: list[Any] = []
        self._successors = Successors(self._start)
        self._open(self._growth.wanted)

    def _open(self, workers: int) -> None:
        """Start so many, and wait for them; where that takes long, as others hold the cluster's nodes, for one."""
        for _ in range(workers):
            self._successors.add()
        began = time.monotonic()
        while self._successors.references:
            waited = time.monotonic() - began
            if waited > PATIENCE_SECONDS and self._idle:
                return
            if waited > START_SECONDS:
                cpus = ray.cluster_resources().get("CPU", 0)
                raise RunError(
                    f"ray.workers: {workers} workers with {self._growth.needs} each did not start in "
                    f"{START_SECONDS:.0f} s; Ray has {cpus:g} CPUs in all"
                )
            ready, _ = ray.wait(self._successors.references, num_returns=1, timeout=1.0)
            for reference in ready:
                self._idle += self._successors.welcome(reference)

    @property
    def free(self) -> int:
        """How many workers wait for a plan."""
        return len(self._idle)

    @property
    def busy(self) -> int:
        """How many plans are being evaluated."""
        return len(self._running)

    def submit(self, tag: int, plan_id: str, plan_json: str, part: Part | None = None) -> None:
        """Give a plan to a free worker, for all of its training or for a part."""
        actor = self._idle.pop()
        steps = self._steps if part is None else part.stop - part.start
        outcome, weights = actor.evaluate.options(num_returns=2).remote(plan_json, part)
        self._run(tag, plan_id, actor, outcome, weights, steps)

    def give(self, tag: int, plan_id: str, job: Job) -> None:
        """Give another job on a plan to a free worker."""
        actor = self._idle.pop()
        outcome, weights = actor.perform.options(num_returns=2).remote(job)
        self._run(tag, plan_id, actor, outcome, weights, job.steps)

    def wait(self, seconds: float) -> list[Finished]:
        """What has finished, after at most so many seconds. A worker that is lost is an outcome.

        Raises:
            RunError: no worker is left, and none could be started again.
        """
        present = len(self._running) + len(self._idle) + len(self._successors.references)
        for _ in range(self._growth.missing(present)):
            self._successors.add()
        done, _ = ray.wait([*self._running, *self._successors.references], num_returns=1, timeout=seconds)
        finished = []
        for reference in done:
            if reference in self._running:
                finished.append(self._answered(reference))
            else:
                self._idle += self._successors.welcome(reference)
        finished += [self._cut_off(reference) for reference in self._overdue()]
        self._successors.check(len(self._running) + len(self._idle))
        return finished

    @staticmethod
    def fetch(weights: Any) -> Weights | None:
        """Bring a candidate's weights here."""
        found: Weights | None = ray.get(weights)
        return found

    def _run(self, tag: int, plan_id: str, actor: Any, outcome: Any, weights: Any, steps: int) -> None:
        limit_seconds = self._limit.seconds(steps)
        self._running[outcome] = _Given(tag, plan_id, weights, actor, time.monotonic(), limit_seconds)

    def _answered(self, reference: Any) -> Finished:
        given = self._running.pop(reference)
        try:
            outcome: Outcome = ray.get(reference)
            finished = Finished(given.tag, outcome, given.weights)
            self._limit.learn(outcome.seconds, outcome.steps)
        except RayError as error:
            finished = given.failed(*loss_of(error))
        if finished.outcome.failure in POISONED:
            self._successors.replace(given.actor)
        else:
            self._idle.append(given.actor)
        return finished

    def _overdue(self) -> list[Any]:
        now = time.monotonic()
        return [reference for reference, given in self._running.items() if now - given.since > given.limit_seconds]

    def _cut_off(self, reference: Any) -> Finished:
        given = self._running.pop(reference)
        self._successors.replace(given.actor)
        return given.failed("time", f"it took longer than {duration(given.limit_seconds)} (search.trial_limit)")

    def _start(self) -> Any:
        threads = str(self._threads)
        environment = {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "false",
        }
        actor_class = ray.remote(**self._growth.needs.options(), runtime_env={"env_vars": environment})(Worker)
        return actor_class.remote(self._assignment)
