"""The search itself: ask for a plan, have a worker score it, tell the result, keep the best ones' weights."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from greenfront.config import RunConfig
from greenfront.evaluators import Outputs
from greenfront.hardware_profiles import Cost, HardwareProfile
from greenfront.search.allocation import Limit, Table, perturbed
from greenfront.search.candidate import Candidate
from greenfront.search.contenders import Contenders
from greenfront.search.journal import Result
from greenfront.search.keeping import keep_candidate
from greenfront.search.objectives import objective_costs, objective_values
from greenfront.search.outlook import OVER, Outlook, trial_words
from greenfront.search.paused import PausedStates
from greenfront.search.pool import Finished, Pool
from greenfront.search.progress import Reporter
from greenfront.search.promotions import Climb, Promotions
from greenfront.search.run_folder import RunFolder
from greenfront.search.slack import budget_slack, missed
from greenfront.search.study import RANDOM, Proposal, Study
from greenfront.search.taken_over import taken_over
from greenfront.search.training_state import Weights
from greenfront.spaces import Plan

REJECTIONS = 10
"""After so many proposals over budget in a row, a random allocation within the budgets is tried instead."""


@dataclass
class Timing:
    """Where the search phase's time went, in seconds."""

    wall: float = 0.0
    busy: float = 0.0
    driver: list[float] = field(default_factory=list)


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
        self.timing = Timing()
        self.contenders = Contenders(config, run, study.results, self.predict)
        self.paused = PausedStates(run.paused)
        self.promotions = Promotions(config, study.results, original.score.validation, self._costs, self.paused)
        for result in study.results:
            if result.state == "paused":
                self._tell(result)
        self.outlook = Outlook(config, study.results, original, self.predict, taken_over(run))
        self._refused = study.refused_last % (3 * REJECTIONS)  # after a whole round there may be more trials now
        self._saver = ThreadPoolExecutor(1, thread_name_prefix="greenfront-save")
        self._pending: dict[int, Climb] = {}
        self._saves: list[Any] = []
        self._exhausted = False

    def predict(self, plan: Plan) -> dict[str, Cost]:
        """Predicted cost per target."""
        return {name: profile.predict(plan) for name, profile in self.profiles.items()}

    def search(self, pool: Pool, report: Reporter) -> None:
        """Keep every worker busy until all trials are done; on any exception what is finished is kept."""
        started = time.perf_counter()
        self._advance(report)
        ready: Climb | None = None
        try:
            while True:
                # The next job is found while the workers work, so that none of them waits for it.
                if ready is None:
                    ready = self._timed(self._next, report)
                if ready is not None and pool.free:
                    self._submit(pool, ready)
                    ready = None
                elif not pool.busy:
                    break
                else:
                    for finished in pool.wait(1.0):
                        if ready is not None:
                            self._submit(pool, ready)
                            ready = None
                        self._timed(self._record, finished, report)
                        self._advance(report)
            self._saves.append(self._saver.submit(self.paused.clear))  # nothing goes on any more
        finally:
            self.timing.wall += time.perf_counter() - started
            for save in self._saves:
                save.result()
            self._saver.shutdown()

    @property
    def complete(self) -> bool:
        """Whether an earlier start has done all trials."""
        return self._done >= self.config.search.trials and self.promotions.finished

    @property
    def _done(self) -> int:
        return sum(result.state != "rejected" for result in self.study.results)

    @property
    def progress(self) -> tuple[int, int]:
        """What is done and what is to do in all: trials, on rungs steps."""
        on_rungs = len(self.promotions.rungs) > 1
        return self.promotions.progress() if on_rungs else (self._done, self.config.search.trials)

    def _advance(self, report: Reporter) -> None:
        report.advance(*self.progress, self.outlook.words())

    def _submit(self, pool: Pool, climb: Climb) -> None:
        number, plan = climb.proposal.number, climb.proposal.plan
        pool.submit(number, plan.id, plan.to_json(), *([] if climb.part is None else [climb.part]))
        self._pending[number] = climb

    def _next(self, report: Reporter) -> Climb | None:
        """A trial that has earned its next rung, or a new plan, or None when there is neither (yet)."""
        climb = self.promotions.next(self._pending.values(), last=False)
        if climb is None and (proposal := self._propose(report)) is not None:
            return self.promotions.first(proposal)
        climb = climb or self.promotions.next(self._pending.values(), last=True)
        if climb is None:
            return None
        for save in self._saves:
            save.result()  # what it goes on from may be on its way to the disk
        return self.promotions.resumed(climb, report)

    def _propose(self, report: Reporter) -> Proposal | None:
        """A plan that is new and within every predicted budget, or None when enough are under way or none is left."""
        begun = self._done + sum(not climb.behind for climb in self._pending.values())
        if self._exhausted or begun >= self.config.search.trials:
            return None
        if self.study.under_way:
            return self.study.ask()  # accepted by an earlier start, which then went on to refuse others
        under_way = {climb.proposal.plan for climb in self._pending.values()}
        while self._refused < 3 * REJECTIONS:
            if self._refused >= REJECTIONS:
                rng = np.random.default_rng((self.config.search.seed, self.study.asked))
                plan = perturbed(self.study.space, self.losses, self.limits, rng)
                if plan is not None:
                    self.study.suggest(plan, RANDOM)
            proposal = self.study.ask()
            slack = self._slack(proposal.plan)
            over = missed(slack)
            known = proposal.plan in self.study.tried or proposal.plan in under_way
            if not over and proposal.plan and not known:
                self._refused = 0
                self._saves.append(self._saver.submit(self.study.begin, self.study.begun(proposal)))
                return proposal
            self._refused += 1
            reason = f"{OVER}: {', '.join(over)}" if over else "has a result already"
            rejected = Result(proposal.number, proposal.plan, proposal.origin, "rejected", reason=reason)
            self._keep(self.study.tell(rejected, None, _constraints(slack)))
        self._exhausted, self._refused = True, 0
        if begun == 1:
            report.note("one plan alone is within the budgets, as far as was found: it is tried")
        else:
            report.note(f"no further plan within the budgets was found after {begun} trials")
        return None

    def _record(self, finished: Finished, report: Reporter) -> None:
        ended = [save for save in self._saves if save.done()]
        for save in ended:
            save.result()  # a full disk ends the search now, not after all trials
        self._saves = [save for save in self._saves if save not in ended]
        climb = self._pending.pop(finished.tag)
        self.timing.busy += finished.outcome.seconds
        result = self.promotions.result(climb, finished.outcome)
        trial = self._tell(result)
        for other in self.promotions.record(result):
            self._tell(other)
        self.outlook.add(result)
        if result.state == "failed":
            report.note(f"trial {result.plan.id} failed: {result.reason}")
            self._keep(trial)
            self._saves.append(self._saver.submit(self.paused.drop, result.plan.id))
            return
        save = self._save if result.state == "scored" else self._pause
        self._saves.append(self._saver.submit(save, result, trial, finished))
        for id_ in self.promotions.given_up():
            self._saves.append(self._saver.submit(self.paused.drop, id_))
        cost = self.predict(result.plan)[self.config.hardware[0].name]
        report.note(trial_words(result, self.promotions.where(result), cost, self.config.data.metric))

    def _tell(self, result: Result) -> FrozenTrial:
        """Give the study a result, a paused one as what is expected of it."""
        expected = self.promotions.expected(result)
        slack = self._slack(result.plan, expected.validation)
        return self.study.tell(result, self._values(expected), _constraints(slack))

    def _save(self, result: Result, trial: FrozenTrial, finished: Finished) -> None:
        """Keep a contender's weights, then write the journal, then drop the weights of those it beats."""
        if self.contenders.would_take(result):
            fetched = Pool.fetch(finished.weights)
            assert fetched is not None
            assert finished.outcome.outputs is not None
            self.keep_weights(result.plan, fetched, finished.outcome.outputs, result.untrained)
        # In this order: what the journal holds has weights, and nothing is deleted before its better is safe.
        self.study.keep(trial)
        self.contenders.add(result)
        self.contenders.prune()
        self.paused.drop(result.plan.id)

    def _pause(self, result: Result, trial: FrozenTrial, finished: Finished) -> None:
        """Keep what a paused trial goes on from, then write the journal."""
        state = Pool.fetch(finished.weights)
        if state is not None:
            self.paused.save(result.plan.id, result.rungs[-1].steps, state)
        self.study.keep(trial)

    def keep_weights(self, plan: Plan, weights: Weights, outputs: Outputs, untrained: bool) -> None:
        """Write a candidate's weights, and what its metric needs of its outputs on validation."""
        keep_candidate(self.run, self.model, plan, weights, outputs, self.processor, untrained=untrained)

    def _keep(self, trial: FrozenTrial) -> None:
        self._saves.append(self._saver.submit(self.study.keep, trial))

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


def _constraints(slack: Mapping[str, float]) -> dict[str, float]:
    """Optuna's sign: met at or below zero."""
    return {name: -share for name, share in slack.items()}
