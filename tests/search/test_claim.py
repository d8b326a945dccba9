"""One search a folder: the lock names its holder, nothing is touched without it, what kills left is put right."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from greenfront.errors import RunError
from greenfront.search import RunFolder
from greenfront.search.claim import claimed, tidy
from greenfront.search.folder_lock import LOCK, held, holder
from greenfront.search.reopening import reopened
from tests.search.toy_run import toy_config, toy_profile


def test_two_searches_in_one_folder_are_refused_by_name(tmp_path: Path) -> None:
    with held(tmp_path):
        assert holder(tmp_path) is not None
        with pytest.raises(RunError, match=rf"process {os.getpid()} on .* is searching in {tmp_path}"), held(tmp_path):
            pass
        assert holder(tmp_path) is not None
    assert holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    with held(tmp_path):
        pass


HOLDS = "import sys; from pathlib import Path; from greenfront.search.folder_lock import held\n"
HOLDS += "with held(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        said = holder(tmp_path)
        assert said is not None
        assert said.startswith(f"process {process.pid} on ")
        with pytest.raises(RunError, match=f"process {process.pid} on"), held(tmp_path):
            pass
        process.send_signal(signal.SIGKILL)
    assert (tmp_path / LOCK).exists()
    assert holder(tmp_path) is None
    with held(tmp_path):
        pass


def test_looking_at_the_lock_does_not_stop_a_search_from_beginning(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()
    for _ in range(50):
        assert holder(tmp_path) is None
        with held(tmp_path):
            assert holder(tmp_path)


def test_a_second_configuration_changes_nothing_while_the_first_one_works(tmp_path: Path) -> None:
    """Before anything is measured a folder may be corrected; not while somebody works in it."""
    first, second = (toy_config(tmp_path / "run", search={"trials": trials}) for trials in (5, 6))
    with claimed(first, RunFolder.create) as run:
        run.original.mkdir()
        with pytest.raises(RunError, match="is searching in"), claimed(second, RunFolder.create):
            pass
        assert run.load_config().search.trials == 5
        assert run.original.exists()
    with claimed(second, RunFolder.create) as run:
        assert run.load_config().search.trials == 6


def test_a_refused_configuration_leaves_no_folder(tmp_path: Path) -> None:
    def refuse(config: object) -> RunFolder:
        raise RunError("not this one")

    with pytest.raises(RunError, match="not this one"), claimed(toy_config(tmp_path / "run"), refuse):
        pass
    assert not (tmp_path / "run").exists()


def test_a_folder_with_the_lock_alone_is_empty(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("process 1 on a machine that is gone")
    with claimed(toy_config(tmp_path), reopened) as run:
        toy_profile().save(run.profile("toy"))
    assert not (tmp_path / LOCK).exists()


def test_what_kills_left_is_put_right_and_nothing_else_is_touched(tmp_path: Path) -> None:
    run = RunFolder.create(toy_config(tmp_path / "run"))
    gone = [
        run.path / "front.json.123.partial", run.path / "candidates" / "ab.123.partial",
        run.path / "finished" / "ab" / "record.json.1.partial", run.path / "candidates" / "cd.replaced",
    ]  # fmt: skip
    for path in gone:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    (run.path / "candidates" / "cd").mkdir()
    back = run.path / "candidates" / "ef.replaced"
    back.mkdir()
    (back / "config.json").write_text("{}")
    mine = run.path / "exported" / "notes.partial"
    mine.parent.mkdir()
    mine.write_text("mine")
    os.symlink(run.study, run.path / "study.journal.lock")
    tidy(run.path)
    assert not [path for path in gone if path.exists()]
    assert (run.path / "candidates" / "ef" / "config.json").exists()
    assert mine.exists()
    assert not os.path.lexists(run.path / "study.journal.lock")
