"""The search itself: ask for a plan, have a worker score it, tell the result, keep the best ones' weights."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial

from greenfront.config import RunConfig
from greenfront.evaluators import Outputs
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search.allocation import Limit, Table
from greenfront.search.candidate import Candidate
from greenfront.search.contenders import Contenders
from greenfront.search.journal import Result
from greenfront.search.keeping import keep_candidate
from greenfront.search.objectives import objective_costs, objective_values
from greenfront.search.outlook import Outlook, trial_words
from greenfront.search.paused import PausedStates
from greenfront.search.pending import Pending
from greenfront.search.pool import Finished, Pool
from greenfront.search.predictions import Predictions
from greenfront.search.progress import Draws, Reporter
from greenfront.search.promotions import Climb, Promotions
from greenfront.search.proposals import Proposals, constraints
from greenfront.search.retries import Retries
from greenfront.search.run_folder import RunFolder
from greenfront.search.saving import Saving
from greenfront.search.slack import budget_slack
from greenfront.search.study import Proposal, Study
from greenfront.search.taken_over import taken_over
from greenfront.search.training_state import Weights
from greenfront.spaces import Plan


@dataclass
class Timing:
    """Where the search phase's time went, in seconds, and the most memory that a worker held, in MB."""

    wall: float = 0.0
    busy: float = 0.0
    driver: list[float] = field(default_factory=list)
    worker_peak_mb: float = 0.0


class Driver:
    """Runs trials until `search.trials` plans have been fine-tuned and scored, or failed."""

    def __init__(
        self,
        config: RunConfig,
        run: RunFolder,
        study: Study,
        profiles: Mapping[str, HardwareProfile],
        original: Candidate,
        losses: Table,
        limits: Sequence[Limit],
        model: Any,
        processor: Any,
    ) -> None:
        self.config, self.run, self.study, self.profiles = config, run, study, profiles
        self.original, self.losses, self.limits = original, losses, limits
        self.model, self.processor = model, processor
        self.predict = Predictions(profiles)
        self.timing = Timing()
        self.contenders = Contenders(config, run, study.results, self.predict)
        self.paused = PausedStates(run.paused)
        self.promotions = Promotions(config, study.results, original.score.validation, self._costs, self.paused)
        for result in study.results:
            if result.state == "paused":
                self._tell(result)
        self.outlook = Outlook(config, study.results, original, self.predict, taken_over(run))
        self.retries = Retries(study.lost, lambda *lost: self._saving.submit(study.keep_lost, *lost))
        self.proposals = Proposals(study, losses, limits, config.search.seed, self._slack, self._keep)
        self._saving = Saving()
        self._pending = Pending()
        self._again = deque[Climb]()  # those of them that are given to a worker once more
        self._lost = deque[tuple[Climb, Finished]]()  # whose weights were lost on the way

    def search(self, pool: Pool, report: Reporter) -> None:
        """Keep every worker busy until all trials are done; on any exception what is finished is kept."""
        started = time.perf_counter()
        self._advance(report)
        self._draw(pool, report)
        ready: Climb | None = None
        try:
            while True:
                # The next job is found while the workers work, so that none of them waits for it.
                if ready is None:
                    ready = self._timed(self._next, report)
                if ready is not None and pool.free:
                    self._submit(pool, ready)
                    self._draw(pool, report)
                    ready = None
                elif ready is not None or pool.busy:
                    for finished in pool.wait(1.0):
                        if ready is not None and pool.free:
                            self._submit(pool, ready)
                            ready = None
                        self._timed(self._record, self._pending.pop(finished.tag), finished, report)
                        self._advance(report)
                        self._draw(pool, report)
                else:
                    self._saving.wait()
                    if not self._lost:
                        break
                while self._lost:
                    self._timed(self._record, *self._lost.popleft(), report)
            self._saving.submit(self.paused.clear)  # nothing goes on any more
        finally:
            self.timing.wall += time.perf_counter() - started
            self._saving.close()

    @property
    def complete(self) -> bool:
        """Whether an earlier start has done all trials."""
        return self._done >= self.config.search.trials and self.promotions.finished

    @property
    def trials_left(self) -> int:
        """How many are still to do, at least one where some wait on a rung."""
        return max(self.config.search.trials - self._done, 0 if self.complete else 1)

    @property
    def _done(self) -> int:
        return len(self.study.results) - self.study.rejected

    @property
    def progress(self) -> tuple[int, int]:
        """What is done and what is to do in all: trials, on rungs steps."""
        on_rungs = len(self.promotions.rungs) > 1
        return self.promotions.progress() if on_rungs else (self._done, self.config.search.trials)

    def _advance(self, report: Reporter) -> None:
        report.advance(*self.progress, self.outlook.words())

    def _draw(self, pool: Pool, report: Reporter) -> None:
        if isinstance(report, Draws):
            report.picture(self.outlook.drawing.picture(pool.busy, pool.busy + pool.free))

    def _submit(self, pool: Pool, climb: Climb) -> None:
        number, plan = climb.proposal.number, climb.proposal.plan
        pool.submit(number, plan.id, plan.to_json(), *([] if climb.part is None else [climb.part]))
        self._pending.add(climb)
        self.study.begin(number)

    def _next(self, report: Reporter) -> Climb | None:
        """One that was lost, a trial that has earned its next rung, a new plan, or None when there is none (yet)."""
        if self._again:
            return self._again.popleft()
        climb = self.promotions.next(self._pending.climbs, last=False)
        if climb is None and (proposal := self._propose(report)) is not None:
            return self.promotions.first(proposal)
        climb = climb or self.promotions.next(self._pending.climbs, last=True)
        if climb is None:
            return None
        self._saving.wait()  # what it goes on from may be on its way to the disk
        return self.promotions.resumed(climb, report)

    def _propose(self, report: Reporter) -> Proposal | None:
        """A plan to try, or None when enough are under way or none is left."""
        begun = self._done + self._pending.new
        if self.proposals.exhausted or begun >= self.config.search.trials:
            return None
        proposal = self.proposals.next(self._pending.plans)
        if proposal is not None:
            self._saving.submit(self.study.keep_accepted, self.study.accepted(proposal))
        elif begun == 1:
            report.note("one plan alone is within the budgets, as far as was found: it is tried")
        else:
            report.note(f"no further plan within the budgets was found after {begun} trials")
        return proposal

    def _record(self, climb: Climb, finished: Finished, report: Reporter) -> None:
        self._saving.check()  # a full disk ends the search now, not after all trials
        outcome, job = finished.outcome, self.promotions.rungs[climb.rung]
        self.timing.busy += outcome.seconds
        self.timing.worker_peak_mb = max(self.timing.worker_peak_mb, outcome.peak_mb or 0.0)
        if self.retries.again(outcome, job, report):
            self._pending.add(climb)
            self._again.append(climb)
            return
        result = self.promotions.result(climb, outcome, self.retries.reasons(outcome.plan_id))
        trial = self._tell(result)
        for other in self.promotions.record(result):
            self._tell(other)
        self.outlook.add(result)
        self.proposals.learn(result, report)
        if result.state == "failed":
            report.note(f"trial {result.plan.id} failed: {result.reason}")
            self._keep(trial)
            self._saving.submit(self.paused.drop, result.plan.id)
            return
        self._saving.submit(self._save if result.state == "scored" else self._pause, result, trial, climb, finished)
        for id_ in self.promotions.given_up():
            self._saving.submit(self.paused.drop, id_)
        cost = self.predict(result.plan)[self.config.hardware[0].name]
        report.note(trial_words(result, self.promotions.where(result), cost, self.config.data.metric))

    def _tell(self, result: Result) -> FrozenTrial:
        """Give the study a result, a paused one as what is expected of it."""
        expected = self.promotions.expected(result)
        slack = self._slack(result.plan, expected.validation)
        return self.study.tell(result, self._values(expected), constraints(slack))

    def _save(self, result: Result, trial: FrozenTrial, climb: Climb, finished: Finished) -> None:
        """Keep a contender's weights, then write the journal, then drop the weights of those it beats."""
        if self.contenders.would_take(result):
            finished = finished.brought()
            if finished.outcome.failure:
                self._lost.append((climb, finished))
                return
            assert finished.outcome.outputs is not None
            self.keep_weights(result.plan, finished.weights, finished.outcome.outputs, result.untrained)
        # In this order: what the journal holds has weights, and nothing is deleted before its better is safe.
        self.study.keep(trial)
        self.contenders.add(result)
        self.contenders.prune()
        self.paused.drop(result.plan.id)

    def _pause(self, result: Result, trial: FrozenTrial, climb: Climb, finished: Finished) -> None:
        """Keep what a paused trial goes on from, then write the journal."""
        finished = finished.brought()
        if finished.outcome.failure:
            self._lost.append((climb, finished))
            return
        if finished.weights is not None:
            self.paused.save(result.plan.id, result.rungs[-1].steps, finished.weights)
        self.study.keep(trial)

    def keep_weights(self, plan: Plan, weights: Weights, outputs: Outputs, untrained: bool) -> None:
        """Write a candidate's weights, and what its metric needs of its outputs on validation."""
        keep_candidate(self.run, self.model, plan, weights, outputs, self.processor, untrained=untrained)

    def _keep(self, trial: FrozenTrial) -> None:
        self._saving.submit(self.study.keep, trial)

    def _slack(self, plan: Plan, validation: float | None = None) -> dict[str, float]:
        """Slack per budget under predicted costs; budgets on the score only where there is one."""
        budgets = self.config.budgets
        if validation is None:
            budgets = budgets.model_copy(update={"accuracy": None, "accuracy_drop": None})
        return budget_slack(self.predict(plan), validation or 0.0, self.original, budgets)

    def _values(self, result: Result) -> list[float] | None:
        return objective_values(self.config, result, self.predict(result.plan))

    def _costs(self, plan: Plan) -> list[float]:
        return objective_costs(self.config, self.predict(plan))

    def _timed(self, function: Any, *arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            self.timing.driver.append(time.perf_counter() - started)
