"""The study: an ordinary Optuna study over an encoding of plans, kept in a journal file.

Sampling works on an in-memory copy, and every trial is written to the journal when it is asked for and when it has
come to something: asking for forty parameters one by one on a journal file costs 90 ms a trial, in memory with joint
sampling 20 ms. What is proposed depends on the seed and on what the journal holds, on nothing that a process forgets.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from greenfront.errors import RunError
from greenfront.search.allocation_sampler import AllocationSampler
from greenfront.search.encodings import PLAN, AllocationEncoding, DirectEncoding, Encoding
from greenfront.search.journal import (
    NAME,
    Result,
    asked_attributes,
    attributes_of,
    drop_torn_line,
    only_asked,
    result_of,
)
from greenfront.search.journal_file import open_journal
from greenfront.search.open_trials import OpenTrials
from greenfront.search.outset import OUTSET
from greenfront.search.repeatable import Repeatable
from greenfront.search.retries import Lost
from greenfront.spaces import Plan, Settings, Space

SAMPLER = "sampler"
"""The origin of a plan that was not suggested."""
RANDOM = "random allocation"
"""The origin of a plan that was drawn at random within the budgets, where the sampler's own were all over them."""
_LOST = "lost "
"""What names of the study's attributes begin with that say why a plan, whose id follows, is tried again."""


@dataclass(frozen=True)
class Proposal:
    """A plan to try, and the trial that waits for its result."""

    number: int
    plan: Plan
    origin: str


class Follower(Protocol):
    """Is told of every trial, beside the journal."""

    def begin(self, trial: FrozenTrial) -> None:
        """A trial is under way."""

    def write(self, trial: FrozenTrial) -> None:
        """A trial as the journal has it: finished, or paused."""


class Study:
    """Proposes plans of a space and learns from their results. All objectives are minimised."""

    def __init__(
        self,
        space: Space,
        objectives: Sequence[str],
        sampler: optuna.samplers.BaseSampler,
        journal: Path,
        encoding: Encoding | None = None,
    ) -> None:
        """`encoding`: of plans as parameters; `direct` where there is none.

        Raises:
            RunError: the journal is one of other parameters.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space = space
        self._encoding = encoding or DirectEncoding(space)
        self._distributions = self._encoding.distributions
        directions = [StudyDirection.MINIMIZE] * len(objectives)
        drop_torn_line(journal)
        storage, file = open_journal(journal)
        self._journal = optuna.create_study(
            storage=storage, study_name=NAME, directions=directions, load_if_exists=True
        )
        self._memory = optuna.create_study(directions=directions, sampler=sampler)
        if len(self._journal.trials) == 0:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._journal.set_metric_names(list(objectives))
        self._open = OpenTrials(self._memory, storage, file, NAME)
        self.results: list[Result] = []
        self.under_way: dict[int, Plan] = {}
        """What was asked for before an earlier start ended, by number: it is asked for again before all others."""
        for trial in self._journal.trials:
            self._check(trial, journal)
            self._open.restore(trial)
            if only_asked(trial):
                self.under_way[trial.number] = Plan.from_json(trial.user_attrs[PLAN])
            else:
                self.results.append(result_of(trial))
        self._places = {result.number: place for place, result in enumerate(self.results)}
        self.tried = {result.plan for result in self.results}  # the plans that have a result
        self.asked = len(self.results)
        """How many trials were asked for, and so the number of the next one, once those under way are asked for."""
        self._random = Repeatable(sampler)
        self.rejected = sum(result.state == "rejected" for result in self.results)
        self._waiting: dict[int, optuna.Trial] = {}
        self.mirror: Follower | None = None

    @property
    def journal(self) -> optuna.Study:
        """As it is kept in the run folder."""
        return self._journal

    def suggest(self, plan: Plan, origin: str) -> None:
        """Have this plan proposed before the sampler's own, unless it has a result already."""
        if plan in self.tried or plan in self.under_way.values():
            return
        parameters, attributes = self._encoding.parameters(plan), {"origin": origin}
        if self._encoding.plan(parameters) != plan:
            attributes[PLAN] = plan.to_json()
        self._memory.enqueue_trial(parameters, user_attrs=attributes)

    def ask(self) -> Proposal:
        """The next plan."""
        self._random.begin(self.asked)
        trial = self._memory.ask(self._distributions)
        self.asked += 1
        self.under_way.pop(trial.number, None)
        said = trial.user_attrs.get(PLAN)
        plan = self._encoding.plan(trial.params) if said is None else Plan.from_json(said)
        self._waiting[trial.number] = trial
        return Proposal(trial.number, plan, str(trial.user_attrs.get("origin", SAMPLER)))

    def accepted(self, proposal: Proposal) -> FrozenTrial:
        """The trial of a proposal that is going to be tried, for `keep_accepted`."""
        return self._open.begun(proposal.number, asked_attributes(proposal.plan, proposal.origin))

    def keep_accepted(self, trial: FrozenTrial) -> None:
        """Write to the journal that a trial is under way: in the order of the numbers, as `keep` does those that never
        are."""
        self._open.begin(trial)

    def tell(self, result: Result, values: Sequence[float] | None, constraints: Mapping[str, float]) -> FrozenTrial:
        """Finish a trial: `values` of the objectives where scored, `constraints` (met at <= 0) wherever known.

        Those of a paused trial are what is expected of it; it may be told again, paused or finished.
        Returns the trial for `keep`, which writes it to the journal.
        """
        state = {
            "scored": TrialState.COMPLETE, "paused": TrialState.COMPLETE, "rejected": TrialState.PRUNED,
            "failed": TrialState.FAIL,
        }[result.state]  # fmt: skip
        known = values if state == TrialState.COMPLETE else None
        if result.number not in self._waiting:
            place = self._places[result.number]
            self.results[place] = result
            if isinstance(self._memory.sampler, AllocationSampler):
                self._memory.sampler.revised(result.number)
            return self._open.revise(result.number, state, known, constraints, attributes_of(result))
        trial = self._waiting.pop(result.number)
        for name, value in constraints.items():
            trial.set_constraint(name, value)
        for name, attribute in attributes_of(result).items():
            trial.set_user_attr(name, attribute)
        self._places[result.number] = len(self.results)
        self.results.append(result)
        self.tried.add(result.plan)
        self.rejected += result.state == "rejected"
        return self._memory.tell(trial, known, state)

    def keep(self, trial: FrozenTrial) -> None:
        """Write a trial to the journal: a finished one for good, in one append where it was never paused."""
        self._open.write(trial, finished=trial.user_attrs["state"] != "paused")
        if self.mirror is not None:
            self.mirror.write(trial)

    def begin(self, number: int) -> None:
        """Say that a trial is under way, which is seen in a database alone."""
        if self.mirror is not None and number in self._waiting:
            self.mirror.begin(self._open.as_begun(self._memory.get_trials(deepcopy=False)[number]))

    def avoid(self, forbidden: Callable[[str, Settings], bool]) -> None:
        """Have no plan made with what is forbidden of a module's settings; a sampler that draws them will draw some."""
        if isinstance(self._encoding, AllocationEncoding):
            self._encoding.avoid(forbidden)

    @property
    def lost(self) -> dict[str, list[Lost]]:
        """What `keep_lost` wrote, by plan id."""
        kept = self._journal.user_attrs
        lost = {name.removeprefix(_LOST): kept[name] for name in kept if name.startswith(_LOST)}
        return {plan_id: [(job, reason) for job, reason in several] for plan_id, several in lost.items()}

    def keep_outset(self, outset: Mapping[str, object]) -> None:
        """Write down what the search set out from (`Outset`), once."""
        if self._journal.user_attrs.get(OUTSET) != outset:
            self._journal.set_user_attr(OUTSET, outset)

    def keep_lost(self, plan_id: str, lost: Sequence[Lost]) -> None:
        """Write down which jobs of a plan were lost, as another start must not try it as often again."""
        self._journal.set_user_attr(f"{_LOST}{plan_id}", [*lost])

    @property
    def refused_last(self) -> int:
        """How many proposals in a row were refused up to now."""
        accepted = [result.number for result in self.results if result.state != "rejected"]
        last = max((*accepted, *self.under_way), default=-1)
        return sum(result.number > last for result in self.results)

    def _check(self, trial: FrozenTrial, journal: Path) -> None:
        if trial.distributions != self._distributions:
            raise RunError(f"{journal}: its trials are of another space or encoding; choose another output folder")
