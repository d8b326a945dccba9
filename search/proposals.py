"""Which plan is tried next: the study's, where it is new, within the budgets, and has nothing that trials died of."""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from optuna.trial import FrozenTrial

from greenfront.search.allocation import Limit, Table, perturbed
from greenfront.search.journal import Result
from greenfront.search.outlook import OVER
from greenfront.search.progress import Reporter
from greenfront.search.quarantine import Quarantine
from greenfront.search.slack import missed
from greenfront.search.study import RANDOM, Proposal, Study
from greenfront.spaces import Plan, Settings, Space

REJECTIONS = 10
"""After so many proposals in a row that can't be tried, a random allocation within the budgets is tried instead."""


class Proposals:
    """Asks the study until it gives a plan that can be tried."""

    def __init__(
        self,
        study: Study,
        losses: Table,
        limits: Sequence[Limit],
        seed: int,
        slack: Callable[[Plan], Mapping[str, float]],
        keep: Callable[[FrozenTrial], None],
    ) -> None:
        """`slack` is per budget, under predicted costs; `keep` takes the rejected trials."""
        self._study, self._losses, self._limits = study, losses, limits
        self._slack, self._keep = slack, keep
        self._seed = seed
        self._refused = study.refused_last % (3 * REJECTIONS)  # after a whole round there may be more trials now
        self._quarantine = Quarantine(study.results)
        self._study.avoid(self._quarantine.forbids)
        self.exhausted = False

    def learn(self, result: Result, report: Reporter) -> None:
        """Take in what came of a trial; what is in quarantine by it is said."""
        before = self._quarantine.settings
        for found in self._quarantine.add(result):
            report.note(
                f"{found.words} is not tried any more: {len(found.trials)} trials failed with it, and none was scored; "
                f"the last: {found.reason}"
            )
        if self._quarantine.settings != before:
            self._study.avoid(self._quarantine.forbids)

    def next(self, under_way: Collection[Plan]) -> Proposal | None:
        """The next plan to try; None when none was found, and it is exhausted."""
        while self._refused < 3 * REJECTIONS:
            again = bool(self._study.under_way)  # accepted by an earlier start, which then went on to refuse others
            if self._refused >= REJECTIONS and not again:
                rng = np.random.default_rng((self._seed, self._study.asked))
                losses = without_quarantined(self._study.space, self._losses, self._quarantine)
                plan = perturbed(self._study.space, losses, self._limits, rng)
                if plan is not None:
                    self._study.suggest(plan, RANDOM)
            proposal = self._study.ask()
            slack = self._slack(proposal.plan)
            reason = self._against(proposal.plan, missed(slack), under_way)
            if not reason:
                self._refused = self._refused if again else 0
                return proposal
            self._refused += not again
            rejected = Result(proposal.number, proposal.plan, proposal.origin, "rejected", reason=reason)
            self._keep(self._study.tell(rejected, None, constraints(slack)))
        self.exhausted, self._refused = True, 0
        return None

    def _against(self, plan: Plan, over: Sequence[str], under_way: Collection[Plan]) -> str:
        """Why a plan isn't tried, if so."""
        if over:
            return f"{OVER}: {', '.join(over)}"
        if not plan or plan in self._study.tried or plan in under_way:
            return "has a result already"
        quarantined = ", ".join(found.words for found in self._quarantine.of(plan))
        return f"in quarantine: {quarantined}" if quarantined else ""


def without_quarantined(space: Space, losses: Table, quarantine: Quarantine) -> Table:
    """The losses with infinite ones for what is in quarantine: no solver takes it."""

    def of(path: str, options: Sequence[Settings], known: Sequence[float]) -> list[float]:
        return [
            float("inf") if quarantine.forbids(path, settings) else loss
            for settings, loss in zip(options, known, strict=True)
        ]

    if not quarantine.settings:
        return losses
    return {choice.name: of(choice.site.path, choice.options, losses[choice.name]) for choice in space.choices}


def constraints(slack: Mapping[str, float]) -> dict[str, float]:
    """Slack per budget in Optuna's sign: met at or below zero."""
    return {name: -share for name, share in slack.items()}
