"""A run's study in a database as well, for dashboards and for whoever asks which trials are under way.

The journal in the run folder stays the truth: the database follows it, and what it missed while it was away is written
when it answers again, or at the next start. Trials under way are running ones there, with Optuna's heartbeat, so
that anybody can tell a living driver's from those of a dead one.
"""

import copy
import os
import queue
import secrets
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import optuna
import psutil
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from greenfront.errors import RunError
from greenfront.search.journal import only_asked
from greenfront.search.progress import Reporter
from greenfront.search.storage import ASKED, GRACE_SECONDS, HEARTBEAT_SECONDS, ClosedError, Storage, connect
from greenfront.search.study import Study

NAME = "storage"
"""The journal's attribute with the name of the study in the database."""
DRIVER = "driver"
"""Attribute of a trial there: whose it is."""
RETRY_SECONDS, POLL_SECONDS = 2.0, 0.2
CLOSE_SECONDS, BROKEN_OFF_SECONDS = 60.0, 2.0
"""How long a search waits at its end for the database, and where it was interrupted."""
_Action = Callable[[], None]


@contextmanager
def mirrored(url: str | None, study: Study, name: str, report: Reporter) -> Iterator[None]:
    """Have a database follow the study for the time of a search; without a URL nothing does. `name` is the run's.

    Raises:
        ConfigError, RunError: it can't be used, or a living driver elsewhere searches in the same study.
    """
    if url is None:
        yield
        return
    journal = study.journal
    mirror = Mirror(connect(url), [trial for trial in journal.trials if not only_asked(trial)], report)
    try:
        found = mirror.open(str(journal.user_attrs.get(NAME, "")), name, journal.directions)
    except (StorageInternalError, SQLAlchemyError) as error:
        mirror.close(0.0)
        raise RunError(f"search.storage: {url} can't be reached any more: {error.__cause__ or error}") from error
    except BaseException:
        mirror.close(0.0)
        raise
    if found != journal.user_attrs.get(NAME):
        journal.set_user_attr(NAME, found)
    study.mirror = mirror
    wait = BROKEN_OFF_SECONDS
    try:
        yield
        wait = CLOSE_SECONDS
    finally:
        study.mirror = None
        mirror.close(wait)


class Mirror:
    """Writes trials into a study of the database, in a thread of its own, one after the other."""

    def __init__(self, storage: Storage, trials: Sequence[FrozenTrial], report: Reporter) -> None:
        """`trials` are those of the journal."""
        self._storage, self._trials, self._report = storage, trials, report
        self._rows: dict[str, int] = {}  # by when they were asked for
        self._flying: set[int] = set()  # rows with a heartbeat
        self._actions: queue.SimpleQueue[_Action | None] = queue.SimpleQueue()
        self._until = float("inf")
        self._away = False
        self._thread = threading.Thread(target=self._work, name="greenfront-storage", daemon=True)

    def open(self, study_name: str, run_name: str, directions: Sequence[optuna.study.StudyDirection]) -> str:
        """Begin to follow, in the study of an earlier start where there is one; gives the name of the study.

        Raises:
            RunError: a living driver elsewhere searches there.
        """
        known = {asked(trial) for trial in self._trials}
        study = self._study(study_name, directions) if study_name else None
        if study is not None and any(_key(t) not in known for t in study.trials if t.state.is_finished() and _told(t)):
            self._report.note("search.storage knows trials that this run folder doesn't: a new study is begun there")
            study = None
        if study is None:
            study_name = f"{run_name}-{secrets.token_hex(3)}"
            study = self._study(study_name, directions)
        self._take_over(study, known)
        self._id = self._storage.get_study_id_from_name(study_name)
        rows = {_key(row): row for row in study.trials if _key(row) in known}
        self._rows = {key: row._trial_id for key, row in rows.items()}
        self._thread.start()
        for trial in self._trials:
            row = rows.get(asked(trial))
            if row is not None and row.state.is_finished() and not trial.state.is_finished():
                del self._rows[asked(trial)]  # somebody failed it, though it is only paused
            elif row is None or not row.state.is_finished():
                self.write(trial)
        self._report.note(f"search.storage: the study is {study_name}")
        return study_name

    def begin(self, trial: FrozenTrial) -> None:
        """A trial is under way."""
        started = copy.deepcopy(trial)
        self._actions.put(lambda: self._put(started, under_way=True))

    def write(self, trial: FrozenTrial) -> None:
        """A trial as the journal has it: finished, or paused, which is running there."""
        written = copy.deepcopy(trial)
        written.intermediate_values = {steps: nats for steps, _, nats, _ in trial.user_attrs.get("rungs", ())}
        self._actions.put(lambda: self._put(written, under_way=False))

    def close(self, seconds: float) -> None:
        """Wait until all is written, at most so long; then say what isn't, and write nothing more."""
        if self._thread.ident is not None:
            self._until = time.monotonic() + seconds
            self._actions.put(None)
            self._thread.join(seconds + RETRY_SECONDS)
            self._storage.closed = True  # or the thread, if it still waits, wrote while the next start does
            if not self._actions.empty() or self._thread.is_alive():
                self._report.note("search.storage lacks the last trials; the same command writes them")
        self._storage.engine.dispose()

    def _study(self, name: str, directions: Sequence[optuna.study.StudyDirection]) -> optuna.Study:
        return optuna.create_study(
            storage=self._storage, study_name=name, directions=[*directions], load_if_exists=True
        )  # fmt: skip

    def _take_over(self, study: optuna.Study, known: set[str]) -> None:
        """Fail the trials under way of a driver that is dead; wait for its heartbeat to be stale where it was another
        machine's."""
        host, deadline = socket.gethostname(), time.monotonic() + GRACE_SECONDS + 2 * HEARTBEAT_SECONDS
        running = study.get_trials(states=(TrialState.RUNNING,))
        for trial in running:
            self._storage.record_heartbeat(trial._trial_id)  # the journal's are never stale, others have one at all
        while others := [t for t in study.get_trials(states=(TrialState.RUNNING,)) if _key(t) not in known]:
            for trial in others:
                where, _, process = str(trial.user_attrs.get(DRIVER, " 0")).rpartition(" ")
                if where == host and (int(process) == os.getpid() or not psutil.pid_exists(int(process))):
                    self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            if time.monotonic() > deadline:
                whose = others[0].user_attrs.get(DRIVER)
                raise RunError(f"search.storage: another driver ({whose}) searches in {study.study_name}; end it first")
            for trial in running:
                if _key(trial) in known:
                    self._storage.record_heartbeat(trial._trial_id)
            with _quiet():
                fail_stale_trials(study)
            time.sleep(POLL_SECONDS)

    def _work(self) -> None:
        try:
            self._follow()
        finally:
            self._storage.engine.dispose()  # `close` may have given up waiting before the last connection was made

    def _follow(self) -> None:
        """Everything in order, with a heartbeat between; what fails is tried again."""
        beat = time.monotonic()
        while True:
            try:
                action = self._actions.get(timeout=max(0.0, beat + HEARTBEAT_SECONDS - time.monotonic()))
            except queue.Empty:
                self._try(self._beat)
                beat = time.monotonic()
                continue
            if action is None or not self._try(action):
                return
            if time.monotonic() > beat + HEARTBEAT_SECONDS:
                self._try(self._beat)
                beat = time.monotonic()

    def _try(self, action: _Action) -> bool:
        while not self._storage.closed:
            try:
                action()
            except UpdateFinishedTrialError:
                pass  # an earlier try was written, though its answer was lost
            except ClosedError:
                break
            except (StorageInternalError, SQLAlchemyError) as error:
                if not self._away:
                    self._away = True
                    line = str(error.__cause__ or error).strip().splitlines()[0]
                    self._report.note(
                        f"search.storage doesn't answer, and is given the rest when it does again: {line}"
                    )
                if time.monotonic() > self._until:
                    break
                time.sleep(RETRY_SECONDS)
                continue
            if self._away:
                self._away = False
                self._report.note("search.storage answers again")
            return True
        self._actions.put(action)
        return False

    def _beat(self) -> None:
        for row in self._flying:
            self._storage.record_heartbeat(row)

    def _put(self, trial: FrozenTrial, *, under_way: bool) -> None:
        """Bring a row up to date; its finished state comes last, and constraints only with it."""
        key = asked(trial)
        finished = trial.state.is_finished() and not under_way and trial.user_attrs.get("state") != "paused"
        row = self._rows.get(key)
        if row is None:
            new = copy.deepcopy(trial)
            new.user_attrs = {**new.user_attrs, ASKED: key, DRIVER: f"{socket.gethostname()} {os.getpid()}"}
            if not finished:
                new.state, new.values, new.datetime_complete = TrialState.RUNNING, None, None
                new.system_attrs = {}
            row = self._storage.create_new_trial(self._id, template_trial=new)
            self._rows[key] = row
        known = self._storage.get_trial(row)
        if known.state.is_finished():
            self._flying.discard(row)
            return
        self._update(known, trial, finished=finished)
        if under_way:
            self._flying.add(row)
            self._storage.record_heartbeat(row)
        else:
            self._flying.discard(row)

    def _update(self, known: FrozenTrial, trial: FrozenTrial, *, finished: bool) -> None:
        row = known._trial_id
        for name, value in trial.user_attrs.items():
            if name not in known.user_attrs or known.user_attrs[name] != value:
                self._storage.set_trial_user_attr(row, name, value)
        for step, value in trial.intermediate_values.items():
            if step not in known.intermediate_values:
                self._storage.set_trial_intermediate_value(row, step, value)
        if finished:
            for name, value in trial.system_attrs.items():
                self._storage.set_trial_system_attr(row, name, value)
            self._storage.set_trial_state_values(row, trial.state, trial.values)


def asked(trial: FrozenTrial) -> str:
    """When a trial was asked for, to the microsecond: its name, here and there."""
    assert trial.datetime_start is not None
    return trial.datetime_start.isoformat()


def _key(row: FrozenTrial) -> str:
    return str(row.user_attrs.get(ASKED, ""))


def _told(trial: FrozenTrial) -> bool:
    """Whether a trial has a result, and wasn't only failed for having no driver any more."""
    return "state" in trial.user_attrs


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
