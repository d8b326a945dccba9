"""Trials without a result, or that may get further ones: a sampler knows these as finished, the journal as running.

Optuna finishes a trial once. In memory, where the sampler looks, a paused trial is complete with the values that are
expected of it, which change as more is known; in the journal it is a running one, with its scores so far as attributes,
until it is finished: so a restart knows every rung, and nothing expected is ever kept as if it were a result.

A trial that is asked for stands in the journal from then on. So trials have the same numbers there as in memory, and a
restart proposes those that were under way first, in their order.
"""

import copy
import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from greenfront.search.encodings import PLAN
from greenfront.search.journal import only_asked
from greenfront.search.journal_file import JournalFile

_CONSTRAINTS = "constraints"
"""What Optuna's names of system attributes with constraints begin with."""


class OpenTrials:
    """The trials of a study that are under way or paused, by their number in memory, which is that in the journal."""

    def __init__(self, memory: optuna.Study, storage: JournalStorage, file: JournalFile, study_name: str) -> None:
        """`file` is the one that the storage writes."""
        self._memory, self._storage, self._file = memory, storage, file
        self._study_id = storage.get_study_id_from_name(study_name)
        self._written: dict[int, tuple[int, FrozenTrial]] = {}

    def restore(self, trial: FrozenTrial) -> None:
        """Take a trial of the journal, which is added to those in memory next, into both."""
        if trial.state == TrialState.RUNNING:
            id_ = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, trial.number)
            self._written[trial.number] = (id_, trial)
            if only_asked(trial):
                known = {name: trial.user_attrs[name] for name in (PLAN, "origin")}
                trial = create_trial(
                    state=TrialState.WAITING, system_attrs={"fixed_params": trial.params}, user_attrs=known
                )  # fmt: skip
                self._memory.add_trial(trial)
                return
            trial = copy.deepcopy(trial)
            trial.state, trial.datetime_complete = TrialState.COMPLETE, datetime.datetime.now()
            trial.values = [math.inf] * len(self._memory.directions)  # until the driver says what is expected
        self._memory.add_trial(trial)

    def revise(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float] | None,
        constraints: Mapping[str, float],
        attributes: Mapping[str, Any],
    ) -> FrozenTrial:
        """Change what the sampler sees of a trial; gives a copy of it."""
        trial = self._memory.get_trials(deepcopy=False)[number]
        _forget_constraints(trial)
        for name, value in constraints.items():
            trial.set_constraint(name, value)
        for name, attribute in attributes.items():
            trial.set_user_attr(name, attribute)
        trial.state = state
        if values is None or trial.values is None:
            trial.values = None if values is None else list(values)
        else:
            trial.values[:] = values  # in place: a sampler may have looked at the trial, and kept its list
        return copy.deepcopy(trial)

    def begun(self, number: int, attributes: Mapping[str, Any]) -> FrozenTrial:
        """A copy of a trial that was asked for, for `begin`."""
        trial = copy.copy(self._memory.get_trials(deepcopy=False)[number])
        trial.user_attrs, trial.system_attrs = dict(attributes), dict(trial.system_attrs)
        return trial

    def as_begun(self, trial: FrozenTrial) -> FrozenTrial:
        """A trial with the time at which it was asked for first, by which the journal and a database know it."""
        if trial.number in self._written:
            trial = copy.copy(trial)
            trial.datetime_start = self._written[trial.number][1].datetime_start
        return trial

    def begin(self, trial: FrozenTrial) -> None:
        """Write a trial that was asked for to the journal, unless it stands there from an earlier start."""
        if trial.number not in self._written:
            self._written[trial.number] = (self._create(trial), trial)

    def write(self, trial: FrozenTrial, *, finished: bool) -> None:
        """Bring the journal up to date with a trial, in one append; constraints come only with its finished state."""
        trial.datetime_start = self.as_begun(trial).datetime_start
        if not finished:
            trial = copy.deepcopy(trial)
            _forget_constraints(trial)
        trial.intermediate_values = {steps: nats for steps, _, nats, _ in trial.user_attrs.get("rungs", ())}
        if trial.number not in self._written:
            number = trial.number
            if not finished:
                trial.state, trial.values, trial.datetime_complete = TrialState.RUNNING, None, None
            id_ = self._create(trial)
            if not finished:
                self._written[number] = (id_, trial)
            return
        with self._file.together():
            self._update(*self._written[trial.number], trial, finished=finished)
        if finished:
            del self._written[trial.number]
        else:
            self._written[trial.number] = (self._written[trial.number][0], trial)

    def _create(self, trial: FrozenTrial) -> int:
        """Add a trial to the journal. Optuna keeps what it reads back of it, with parameters, names and distributions
        of its own, 20 KB a trial: instead it has those of the trial in memory."""
        id_ = self._storage.create_new_trial(self._study_id, template_trial=trial)
        kept, known = self._storage.get_trial(id_), self._memory.get_trials(deepcopy=False)[trial.number]
        kept.params, kept.distributions, kept.user_attrs = known.params, known.distributions, trial.user_attrs
        return id_

    def _update(self, id_: int, known: FrozenTrial, trial: FrozenTrial, *, finished: bool) -> None:
        for name, attribute in trial.user_attrs.items():
            if name not in known.user_attrs or known.user_attrs[name] != attribute:
                self._storage.set_trial_user_attr(id_, name, attribute)
        for name, attribute in trial.system_attrs.items():
            if known.system_attrs.get(name) != attribute:
                self._storage.set_trial_system_attr(id_, name, attribute)
        for steps, nats in trial.intermediate_values.items():
            if steps not in known.intermediate_values:
                self._storage.set_trial_intermediate_value(id_, steps, nats)
        if finished:
            self._storage.set_trial_state_values(id_, trial.state, trial.values)


def _forget_constraints(trial: FrozenTrial) -> None:
    for name in [name for name in trial.system_attrs if name.startswith(_CONSTRAINTS)]:
        del trial.system_attrs[name]
