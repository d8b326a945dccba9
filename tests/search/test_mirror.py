"""A study in a database beside the journal: it follows, catches up, and knows the dead from the living."""

import gc
import itertools
import socket
import threading
import time
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from greenfront.errors import ConfigError, RunError
from greenfront.search import mirror, storage
from greenfront.search.journal import Result, RungScore, State, results_in
from greenfront.search.mirror import mirrored
from greenfront.search.samplers import make_sampler
from greenfront.search.storage import ASKED, check_storage, connect
from greenfront.search.study import Proposal, Study
from tests.search.postgres import MISSING, running
from tests.search.test_profiles import Notes
from tests.search.toy_run import toy_space


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


def study_of(journal: Path) -> Study:
    return Study(toy_space(), ["loss", "ms"], make_sampler("random", {}, 0), journal)


def begin(study: Study) -> Proposal:
    proposal = study.ask()
    study.begin(proposal.number)
    return proposal


def end(study: Study, proposal: Proposal, state: State = "scored", rungs: int = 0) -> None:
    loss = 0.1 * (proposal.number + 1)
    scores = tuple(RungScore(10 * rung, 0.5, loss, 1.0) for rung in range(rungs))
    known = None if state == "failed" else loss
    result = Result(proposal.number, proposal.plan, proposal.origin, state, known, known, 1.5, "", scores, steps=10)
    study.keep(study.tell(result, None if known is None else [known, 1.0], {"latency": -0.5}))


def rows(url: str) -> list[FrozenTrial]:
    """Of the only study of a database, in the order in which they were asked for."""
    database = connect(url)
    (name,) = optuna.get_all_study_names(database)
    found = optuna.load_study(storage=database, study_name=name).trials
    database.engine.dispose()
    return sorted(found, key=lambda row: str(row.user_attrs[ASKED]))


def same(rows: list[FrozenTrial], journal: Path) -> bool:
    """Whether rows and journal say the same of every trial."""
    trials = sorted(study_of(journal).journal.trials, key=lambda trial: mirror.asked(trial))
    assert len(rows) == len(trials)
    for row, trial in zip(rows, trials, strict=True):
        assert row.state == trial.state
        assert row.params == trial.params
        assert row.values == trial.values
        assert row.constraints == trial.constraints
        assert row.intermediate_values == trial.intermediate_values
        assert {**row.user_attrs, **trial.user_attrs} == row.user_attrs
    return True


def test_the_database_follows_the_journal(journal: Path, url: str) -> None:
    study = study_of(journal)
    end(study, begin(study))  # before there was a database
    with mirrored(url, study, "toy", Notes()):
        first, second, third = (begin(study) for _ in range(3))
        end(study, third)
        end(study, first, "paused", rungs=1)
        end(study, second, "failed")
    assert same(rows(url), journal)
    assert [row.state for row in rows(url)].count(TrialState.RUNNING) == 1  # the paused one
    study = study_of(journal)
    (paused,) = (result for result in study.results if result.state == "paused")
    assert paused.plan == first.plan
    with mirrored(url, study, "toy", Notes()):
        end(study, Proposal(paused.number, paused.plan, paused.origin), "scored", rungs=2)
    assert same(rows(url), journal)
    assert {row.state for row in rows(url)} == {TrialState.COMPLETE, TrialState.FAIL}


def test_trials_under_way_are_failed_once_their_driver_is_dead(journal: Path, url: str) -> None:
    study = study_of(journal)
    with mirrored(url, study, "toy", Notes()):
        lost = begin(study)
    assert [row.state for row in rows(url)] == [TrialState.RUNNING]
    study = study_of(journal)
    with mirrored(url, study, "toy", Notes()):
        end(study, begin(study))
    states = {row.params == study.journal.trials[0].params: row.state for row in rows(url)}
    assert states == {True: TrialState.COMPLETE, False: TrialState.FAIL} or lost.plan == study.results[0].plan
    assert len(study.results) == 1  # what the journal doesn't have isn't a result


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats by the second, which is what SQLite's clock tells."""
    for module in (storage, mirror):
        monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 1)
        monkeypatch.setattr(module, "GRACE_SECONDS", 2)


@pytest.mark.usefixtures("quick")
def test_another_machines_driver_is_dead_when_its_heart_stops(
    journal: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "elsewhere")
        study = study_of(journal)
        with mirrored(url, study, "toy", Notes()):
            begin(study)
    beating, database = threading.Event(), connect(url)

    def live() -> None:
        while not beating.wait(0.3):
            database.record_heartbeat(1)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        with (
            pytest.raises(RunError, match=r"another driver \(elsewhere \d+\) searches in toy-"),
            mirrored(url, study_of(journal), "toy", Notes()),
        ):
            pytest.fail("it lives")
    finally:
        beating.set()
        thread.join()
    with mirrored(url, study_of(journal), "toy", Notes()):
        pass
    assert [row.state for row in rows(url)] == [TrialState.FAIL]
    database.engine.dispose()


def test_a_journal_that_is_behind_has_a_study_of_its_own(journal: Path, url: str, tmp_path: Path) -> None:
    study = study_of(journal)
    with mirrored(url, study, "toy", Notes()):
        end(study, begin(study))
        older = journal.read_bytes()
        end(study, begin(study))
    journal.write_bytes(older)
    notes = Notes()
    with mirrored(url, study_of(journal), "toy", notes):
        pass
    assert any("trials that this run folder doesn't" in text for text in notes.said)
    database = connect(url)
    assert len(optuna.get_all_study_names(database)) == 2
    database.engine.dispose()
    assert len(results_in(journal)) == 1


def mirrors() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "greenfront-storage"]


def await_mirrors() -> None:
    """Until closed ones have ended too, which closes their connections."""
    for thread in mirrors():
        thread.join(30)
    assert not mirrors()


def gone() -> OperationalError:
    return OperationalError("COMMIT", None, Exception("the server is gone"))


def test_what_was_written_though_the_answer_was_lost_is_not_written_again(
    journal: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "RETRY_SECONDS", 0.01)
    commit, commits = Session.commit, itertools.count()

    def lossy(session: Session) -> None:
        commit(session)
        if threading.current_thread().name == "greenfront-storage" and next(commits) % 3 == 0:
            raise gone()

    monkeypatch.setattr(Session, "commit", lossy)
    study = study_of(journal)
    with mirrored(url, study, "toy", Notes()):
        first, second, third = (begin(study) for _ in range(3))
        end(study, second, "failed")
        end(study, third)
        end(study, first, rungs=2)
    assert next(commits) > 9
    assert same(rows(url), journal)


@pytest.mark.parametrize("state", ["scored", "failed"])
def test_a_mirror_that_is_closed_writes_nothing_more(
    journal: Path, url: str, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RETRY_SECONDS", "CLOSE_SECONDS"):
        monkeypatch.setattr(mirror, name, 0.1)
    study, notes = study_of(journal), Notes()
    with monkeypatch.context() as patch:
        with mirrored(url, study, "toy", notes):

            def lose(session: Session) -> None:
                raise gone()

            patch.setattr(Session, "commit", lose)
            end(study, begin(study), state)
        assert notes.said[-1] == "search.storage lacks the last trials; the same command writes them"
        assert mirrors()  # one waits for Optuna's next try
    monkeypatch.setattr(mirror, "CLOSE_SECONDS", 60.0)
    with mirrored(url, study_of(journal), "toy", Notes()):
        pass
    await_mirrors()
    assert same(rows(url), journal)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # SQLAlchemy forgets a connection whose server has died
@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_a_server_that_is_restarted_misses_nothing(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "RETRY_SECONDS", 0.1)
    notes = Notes()
    with running() as server:
        study = study_of(journal)
        with mirrored(server.url, study, "toy", notes):
            end(study, begin(study))
            under_way = begin(study)
            server.stop()
            end(study, under_way)
            end(study, begin(study), "failed")
            until = time.monotonic() + 10
            while not any("doesn't answer" in text for text in notes.said) and time.monotonic() < until:
                time.sleep(0.05)
            server.start()
            end(study, begin(study))
        assert [text for text in notes.said if "answer" in text][-1] == "search.storage answers again"
        assert sum("doesn't answer" in text for text in notes.said) == 1
        assert same(rows(server.url), journal)
        # The same, where it is away until the search has ended: the next start writes what is missing.
        monkeypatch.setattr(mirror, "CLOSE_SECONDS", 0.5)
        study, again = study_of(journal), Notes()
        with mirrored(server.url, study, "toy", again):
            server.stop()
            end(study, begin(study))
        assert again.said[-1] == "search.storage lacks the last trials; the same command writes them"
        server.start()
        monkeypatch.setattr(mirror, "CLOSE_SECONDS", 60.0)
        with mirrored(server.url, study_of(journal), "toy", Notes()):
            pass
        await_mirrors()
        assert same(rows(server.url), journal)
    gc.collect()


def test_a_storage_that_cannot_be_used_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_storage(None)
    with pytest.raises(ConfigError, match=r"^search\.storage: must be a URL that SQLAlchemy knows.*'oracel://x/y'$"):
        check_storage("oracel://x/y")
    with pytest.raises(ConfigError, match=r"^search\.storage: the driver for mysql:// must be installed: "):
        check_storage("mysql://somebody@localhost/study")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, but nobody listens
        place = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(RunError, match=r"^search\.storage: postgresql://.* can't be reached: .*refused"):
            check_storage(f"postgresql://somebody@{place}/study")
    with pytest.raises(RunError, match=r"can't be reached: unable to open database file"):
        check_storage(f"sqlite:///{tmp_path}/nowhere/study.db")


def test_sqlite_over_a_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    check_storage(url)
    mount = type(psutil.disk_partitions(all=True)[0])("server:/home", str(tmp_path), "nfs4", "rw")
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [mount])
    with pytest.raises(ConfigError, match=rf"^search\.storage: SQLite must lie on a disk .* but {tmp_path} is nfs4"):
        check_storage(url)
