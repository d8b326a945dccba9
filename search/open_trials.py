"""Trials that have a result and may get further ones: a sampler knows them as finished, the journal as running.

Optuna finishes a trial once. In memory, where the sampler looks, a paused trial is complete with the values that are
expected of it, which change as more is known; in the journal it is a running one, with its scores so far as attributes,
until it is finished: so a restart knows every rung, and nothing expected is ever kept as if it were a result.
"""

import copy
import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

_CONSTRAINTS = "constraints"
"""What Optuna's names of system attributes with constraints begin with."""


class OpenTrials:
    """The trials of a study that are paused, by their number in memory."""

    def __init__(self, memory: optuna.Study, storage: JournalStorage, study_name: str) -> None:
        self._memory, self._storage = memory, storage
        self._study_id = storage.get_study_id_from_name(study_name)
        self._written: dict[int, tuple[int, FrozenTrial]] = {}

    def restore(self, trial: FrozenTrial) -> None:
        """Take a trial of the journal, which is added to those in memory next, into both."""
        if trial.state == TrialState.RUNNING:
            id_ = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, trial.number)
            self._written[trial.number] = (id_, trial)
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

    def write(self, trial: FrozenTrial, *, finished: bool) -> None:
        """Bring the journal up to date with a trial; its finished state comes last, and constraints only with it."""
        if not finished:
            trial = copy.deepcopy(trial)
            _forget_constraints(trial)
        trial.intermediate_values = {steps: nats for steps, _, nats, _ in trial.user_attrs.get("rungs", ())}
        if trial.number not in self._written:
            number = trial.number
            if not finished:
                trial.state, trial.values, trial.datetime_complete = TrialState.RUNNING, None, None
            id_ = self._storage.create_new_trial(self._study_id, template_trial=trial)
            if not finished:
                self._written[number] = (id_, trial)
            return
        id_, known = self._written[trial.number]
        for name, attribute in trial.user_attrs.items():
            if known.user_attrs.get(name) != attribute:
                self._storage.set_trial_user_attr(id_, name, attribute)
        for name, attribute in trial.system_attrs.items():
            if known.system_attrs.get(name) != attribute:
                self._storage.set_trial_system_attr(id_, name, attribute)
        for steps, nats in trial.intermediate_values.items():
            if steps not in known.intermediate_values:
                self._storage.set_trial_intermediate_value(id_, steps, nats)
        if finished:
            self._storage.set_trial_state_values(id_, trial.state, trial.values)
            del self._written[trial.number]
        else:
            self._written[trial.number] = (id_, trial)


def _forget_constraints(trial: FrozenTrial) -> None:
    for name in [name for name in trial.system_attrs if name.startswith(_CONSTRAINTS)]:
        del trial.system_attrs[name]
