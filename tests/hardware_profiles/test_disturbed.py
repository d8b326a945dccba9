"""A measurement that another process disturbs, really: both are bound to the same processor."""

import logging
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from greenfront.errors import MeasureError
from greenfront.hardware_profiles import measure_candidates, processes
from greenfront.hardware_profiles.affinity import pick_cpus
from greenfront.hardware_profiles.jobs import Job
from greenfront.hardware_profiles.spawn import run_job
from greenfront.hardware_profiles.waiting import waited_seconds
from tests.hardware_profiles.tiny import Tiny

SPIN = "import os; os.sched_setaffinity(0, [{cpu}])\nwhile True: pass"


@pytest.mark.skipif(waited_seconds() is None, reason="this system doesn't count how long threads wait")
def test_it_is_repeated_once_and_then_refused_with_what_to_do(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started: list[Job] = []

    def disturbed(job: Job) -> Any:
        started.append(job)
        intruders: list[subprocess.Popen[bytes]] = []

        def intrude(done: int, _total: int) -> None:
            if done == 1:  # timing has begun
                intruders.append(subprocess.Popen([sys.executable, "-c", SPIN.format(cpu=pick_cpus(1)[0])]))

        try:
            return run_job(job, intrude)
        finally:
            for intruder in intruders:
                intruder.kill()
                intruder.wait()

    monkeypatch.setattr(processes, "run_job", disturbed)
    target = replace(tiny.target, accepts_disturbed=False)
    with caplog.at_level(logging.WARNING), pytest.raises(MeasureError) as raised:
        measure_candidates(target, {"original": tiny.folder}, seed=0, seconds=1.0)
    message = str(raised.value)
    assert len(started) == 2
    assert "hardware 'here': what was measured can't be trusted, twice: other processes held" in message
    assert "close other programs, set `threads` below" in message
    assert sum("measuring once more" in record.getMessage() for record in caplog.records) == 1
