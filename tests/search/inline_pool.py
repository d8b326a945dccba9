"""A pool without Ray: jobs are done where they are given, by the real code of a worker."""

from typing import Any

from greenfront.search.pool import Finished, Pool
from greenfront.search.training_state import Part, Weights
from greenfront.search.worker import Assignment, Job, Outcome, Worker


class InlinePool(Pool):
    """Two places, answers in the order given; `reasons` are why the jobs of these numbers fail."""

    def __init__(self, assignment: Assignment, reasons: dict[int, str] | None = None) -> None:
        self.worker = Worker(assignment)
        self.jobs: list[Any] = []
        self._reasons = reasons or {}
        self._ended: list[Finished] = []

    @property
    def free(self) -> int:
        return 2 - len(self._ended)

    @property
    def busy(self) -> int:
        return len(self._ended)

    def submit(self, tag: int, plan_id: str, plan_json: str, part: Part | None = None) -> None:
        self._end(tag, plan_id, plan_json, self.worker.evaluate(plan_json, part))

    def give(self, tag: int, plan_id: str, job: Job) -> None:
        self._end(tag, plan_id, job, self.worker.perform(job))

    def wait(self, seconds: float) -> list[Finished]:
        return [self._ended.pop(0)]

    def _end(self, tag: int, plan_id: str, job: object, came: tuple[Outcome, Weights | None]) -> None:
        assert self.free
        reason = self._reasons.get(len(self.jobs), "")
        self.jobs.append(job)
        outcome, weights = (Outcome(plan_id, None, None, 0.0, reason), None) if reason else came
        self._ended.append(Finished(tag, outcome, weights))
