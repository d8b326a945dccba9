"""Who has no room is told before it begins, and what trainings have taken counts for the next one."""

from pathlib import Path

import psutil
import pytest

from greenfront.errors import NoRoom
from greenfront.search import memory
from greenfront.search.memory import MemoryWatch, available_mb
from greenfront.search.worker import Worker
from greenfront.spaces import Plan
from tests.search.tiny_assignment import assignment
from tests.search.toy_run import toy_space

PLAN = Plan({toy_space().sites[0].path: {"rank": 2}})


def group(folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    """A control group's files."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.setattr(memory, "_GROUPS", folder)


def test_the_machine_limits_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group(tmp_path, monkeypatch, {"memory.max": "max\n", "memory.current": "5\n"})
    machine = psutil.virtual_memory()
    assert 0 < available_mb() < machine.total / 1e6


@pytest.mark.parametrize("files", [
    {"memory.max": "1000000000\n", "memory.current": "600000000\n", "memory.stat": "anon 5\ninactive_file 100000000\n"},
    {"memory/memory.limit_in_bytes": "1000000000", "memory/memory.usage_in_bytes": "600000000",
     "memory/memory.stat": "total_inactive_file 100000000\n"},
], ids=["second version", "first version"])  # fmt: skip
def test_a_control_group_limits_it(files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group(tmp_path, monkeypatch, files)
    assert available_mb() == pytest.approx(950 - 600 + 100)


def test_no_room_is_said_before_anything_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_mb", lambda: 100.0)
    watch = MemoryWatch()
    with watch.training(8_000_000):  # 96 MB
        pass
    wanted = r"training takes about 1\d\d MB more, and its machine has 100 MB free"
    with pytest.raises(NoRoom, match=wanted), watch.training(9_000_000):
        pytest.fail("it was begun")


def test_what_a_training_took_counts_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = MemoryWatch()
    with watch.training(0):
        held = bytearray(200_000_000)
        held[::4096] = b"1" * len(held[::4096])
    del held
    assert watch.peak_mb is not None
    monkeypatch.setattr(memory, "available_mb", lambda: 50.0)
    with pytest.raises(NoRoom), watch.training(0):
        pytest.fail("it was begun")


def test_a_trial_without_room_fails_with_that_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(assignment())
    good, _ = worker.evaluate(PLAN.to_json())
    assert good.peak_mb is not None
    assert good.peak_mb > 50
    monkeypatch.setattr(memory, "available_mb", lambda: 0.0)
    outcome, weights = worker.evaluate(PLAN.to_json())
    assert (outcome.failure, outcome.validation, weights) == ("memory", None, None)
    assert outcome.reason.startswith("out of memory: training takes about ")
