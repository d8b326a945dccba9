"""Jobs whose worker was lost, or failed in a way that may have been the worker's: they are given to another one."""

from collections.abc import Callable, Iterable, Mapping

from greenfront.search.failures import TRIES
from greenfront.search.progress import Reporter
from greenfront.search.worker import Outcome

Lost = tuple[int, str]
"""Which job of a plan was lost, such as the steps that it was to be trained up to, and why."""


class Retries:
    """How often every job was lost, by its plan's id."""

    def __init__(
        self,
        known: Mapping[str, Iterable[Lost]] | None = None,
        keep: Callable[[str, list[Lost]], None] | None = None,
    ) -> None:
        """`known` is what an earlier start wrote down by `keep`."""
        self._lost = {id_: [*lost] for id_, lost in (known or {}).items()}
        self._keep = keep

    def again(self, outcome: Outcome, job: int, report: Reporter) -> bool:
        """Whether a job is to be done again, in view of what came of it; it is said and written down if so."""
        lost = self._lost.get(outcome.plan_id, [])
        before = sum(each == job for each, _ in lost)
        if 1 + before >= TRIES.get(outcome.failure, 1):
            return False
        lost = self._lost[outcome.plan_id] = [*lost, (job, outcome.reason)]
        report.note(f"{outcome.plan_id}: {outcome.reason}; it is tried again on another worker")
        if self._keep is not None:
            self._keep(outcome.plan_id, lost)
        return True

    def reasons(self, plan_id: str) -> tuple[str, ...]:
        """Why a plan's jobs were tried again, in their order."""
        return tuple(reason for _, reason in self._lost.get(plan_id, ()))
