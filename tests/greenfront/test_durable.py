"""What is written is there whole or not at all: after an error, after a kill at any moment, on a full disk."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from safetensors.numpy import save_file

from greenfront.cli import guarded
from greenfront.durable import OLD, PARTIAL, replacing, restored, write_atomic, writing
from greenfront.errors import RunError
from tests.disks import small_disk


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "front.json"
    write_atomic(path, "before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match=r"front\.json can't be written: No space left on device; what was finished"):
        write_atomic(path, "half of it")
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["front.json"]


def test_written_files_are_for_whoever_may_read_the_folder(tmp_path: Path) -> None:
    write_atomic(tmp_path / "front.json", "{}")
    with replacing(tmp_path / "w.safetensors") as partial:
        save_file({"a": np.zeros(3)}, partial)
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o644


def test_contents_then_name_then_folder_reach_the_disk_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        steps.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        steps.append(f"-> {Path(target).name}")
        rename(source, target)

    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr("os.replace", renamed)
    with replacing(tmp_path / "model") as partial:
        partial.mkdir()
        (partial / "weights").write_text("w")
    name = f"model.{os.getpid()}{PARTIAL}"
    assert steps == ["weights", name, "-> model", tmp_path.name]


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with replacing(tmp_path / "model") as partial:
            partial.mkdir()
            (partial / content).touch()
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_after_an_exception_everything_is_as_it_was(error: BaseException, tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", "before")

    def interrupted(partial: Path) -> None:
        partial.write_text("half")
        raise error

    with pytest.raises(type(error)), replacing(tmp_path / "file") as partial:
        interrupted(partial)
    assert (tmp_path / "file").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


KILLED = """
import os, signal, sys
from pathlib import Path
from greenfront import durable
left = int(sys.argv[2])
def deadly(name):
    function = getattr(os, name)
    def step(*arguments, **named):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return function(*arguments, **named)
    setattr(os, name, step)
for name in ("replace", "fsync", "unlink", "rmdir", "mkdir"):
    deadly(name)
with durable.replacing(Path(sys.argv[1]) / "model") as partial:
    partial.mkdir()
    for name in ("a", "b"):
        (partial / name).write_text("new")
"""


def test_a_kill_at_any_step_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """A real kill; `restored` is what the next start does."""
    seen = set()
    for left in range(30):
        folder = tmp_path / str(left)
        (folder / "model").mkdir(parents=True)
        for name in ("a", "b"):
            (folder / "model" / name).write_text("old")
        code = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(left)]).returncode
        restored(folder)
        contents = [(folder / "model" / name).read_text() for name in ("a", "b")]
        assert contents in (["old", "old"], ["new", "new"])
        assert [path.name for path in folder.iterdir()] == ["model"]
        seen.add(contents[0])
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert contents == ["new", "new"]
    assert seen == {"old", "new"}
    assert left > 5


def test_what_made_way_comes_back_only_where_nothing_took_its_place(tmp_path: Path) -> None:
    for name in (f"a{OLD}", "b", f"b{OLD}"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    restored(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["a", f"a/a{OLD}", "b", "b/b"]
    restored(tmp_path / "missing")


@pytest.mark.parametrize("write", ["text", "tensors"])
def test_a_full_disk_is_one_message_and_loses_nothing(write: str, tmp_path: Path) -> None:
    def text(partial: Path) -> None:
        partial.write_text("x" * 10**6)

    def tensors(partial: Path) -> None:
        save_file({"a": np.zeros(10**6)}, partial)

    writers: dict[str, Callable[[Path], None]] = {"text": text, "tensors": tensors}
    said = r"file can't be written: .*No space left on device.*the same command goes on"
    with small_disk(tmp_path / "disk", "256k") as disk:
        path = disk / "file"
        write_atomic(path, "before")
        with pytest.raises(RunError, match=said), replacing(path) as partial:
            writers[write](partial)
        assert path.read_text() == "before"
        assert [each.name for each in disk.iterdir()] == ["file"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_whatever_else_meets_a_full_disk_is_one_message_too(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise OSError(number, os.strerror(number), "/somewhere/file")

    with pytest.raises(typer.Exit) as caught:
        guarded(command)()
    assert caught.value.exit_code == 1
    said = capsys.readouterr().err
    assert f"error: [Errno {number}] {os.strerror(number)}: '/somewhere/file'; what was finished before is kept" in said


def test_other_errors_of_the_system_are_not_taken_for_a_full_disk() -> None:
    def command() -> None:
        raise FileNotFoundError("mine")

    with pytest.raises(FileNotFoundError, match="mine"):
        guarded(command)()


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ValueError, match="mine"), writing(Path("file")):
        raise ValueError("mine")
