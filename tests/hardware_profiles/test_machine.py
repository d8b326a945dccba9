"""The machine itself: fingerprint, conditions, CPUs, and the lock: one measurement at a time."""

import dataclasses
import logging
import os
import subprocess
import sys
import threading
import time
from typing import Any

import psutil
import pytest
import torch

from greenfront.errors import MeasureError
from greenfront.hardware_profiles import Conditions, Fingerprint, fingerprint, lock
from greenfront.hardware_profiles.affinity import available_cpus, pick_cpus
from greenfront.hardware_profiles.fingerprint import ConditionsMeter
from greenfront.hardware_profiles.lock import lock_path, machine_lock


def test_a_fingerprint_knows_this_machine_and_is_stable() -> None:
    here = fingerprint()
    assert here == fingerprint()
    assert here.cores == os.cpu_count()
    assert here.torch == torch.__version__
    assert here.processor not in ("", "unknown")


@pytest.mark.parametrize("field", ["processor", "flags", "cores", "accelerator", "governor", "torch"])
def test_what_decides_latency_makes_another_machine(field: str) -> None:
    here = fingerprint()
    change: dict[str, Any] = {field: 99 if field == "cores" else "other"}
    there = dataclasses.replace(here, **change)
    assert [difference.split(":")[0] for difference in here.differences(there)] == [field]


def test_every_other_field_may_differ() -> None:
    here = fingerprint()
    there = Fingerprint(**{**vars(here), "system": "x", "python": "x", "transformers": "x", "memory_mb": 1})
    assert here.differences(there) == []


def test_the_conditions_see_work_of_other_processes() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        meter = ConditionsMeter()
        time.sleep(1)
        conditions = meter.read()
    finally:
        busy.kill()
        busy.wait()
    assert isinstance(conditions, Conditions)
    assert conditions.other_cores > 0.3
    assert conditions.busy_cores_at_start > 0.3
    assert 0.9 < conditions.seconds < 30
    assert set(conditions.affinity) <= set(range(psutil.cpu_count() or 1))


def test_a_clock_that_is_set_back_meanwhile_changes_no_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    meter, now = ConditionsMeter(), time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    assert meter.read().seconds < 30


def test_as_many_cpus_are_picked_as_threads_while_there_are_enough() -> None:
    assert len(pick_cpus(1)) == 1
    assert pick_cpus(1)[0] in os.sched_getaffinity(0)
    assert sorted(pick_cpus(10_000)) == sorted(os.sched_getaffinity(0))
    assert available_cpus() == len(os.sched_getaffinity(0))


def test_hyperthreads_of_one_core_are_the_last_to_be_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    monkeypatch.setattr("greenfront.hardware_profiles.affinity._siblings", lambda cpu: f"core {cpu // 2}")
    assert pick_cpus(2) == [3, 1]
    assert pick_cpus(3) == [3, 1, 2]


def test_a_second_measurement_waits_and_says_for_whom(caplog: pytest.LogCaptureFixture) -> None:
    held_until: list[float] = []
    entered: list[float] = []

    def second() -> None:
        with machine_lock():
            entered.append(time.perf_counter())

    with caplog.at_level(logging.WARNING):
        with machine_lock():
            thread = threading.Thread(target=second)
            thread.start()
            while not caplog.records:
                time.sleep(0.01)
            assert entered == []
            held_until.append(time.perf_counter())
        thread.join(timeout=10)
    assert entered[0] >= held_until[0]
    assert f"process {os.getpid()} is measuring on this machine" in caplog.text


def test_who_does_not_wait_is_told_who_measures() -> None:
    told = f"process {os.getpid()} is measuring on this machine"
    with machine_lock(), pytest.raises(MeasureError, match=told), machine_lock(wait=False):
        pass


def test_a_killed_holder_frees_the_lock(caplog: pytest.LogCaptureFixture) -> None:
    code = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'a'); fcntl.flock(file, fcntl.LOCK_EX);"
        "print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock.lock_path())], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with machine_lock():
        assert caplog.records == []


def test_the_lock_is_one_per_user() -> None:
    assert str(os.getuid()) in lock_path().name
