"""A measurement that another process disturbs, really: both are bound to the same processor."""

import logging
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from greenfront.errors import MeasureError
from greenfront.hardware_profiles import measure, measure_candidates
from greenfront.hardware_profiles.affinity import pick_cpus
from greenfront.hardware_profiles.jobs import Job
from greenfront.hardware_profiles.waiting import waited_seconds
from tests.hardware_profiles.tiny import Tiny

SPIN = "import os, time; os.sched_setaffinity(0, [{cpu}]); end = time.time() + 3\nwhile time.time() < end: pass"


@pytest.mark.skipif(waited_seconds() is None, reason="this system doesn't count how long threads wait")
def test_it_is_repeated_once_and_then_refused_with_what_to_do(tiny: Tiny, caplog: pytest.LogCaptureFixture) -> None:
    intruders = []
    target = replace(tiny.target, accepts_disturbed=False)

    def intrude(done: int, total: int) -> None:
        if done == 1:  # timing has begun
            intruders.append(subprocess.Popen([sys.executable, "-c", SPIN.format(cpu=pick_cpus(1)[0])]))

    try:
        with caplog.at_level(logging.WARNING), pytest.raises(MeasureError) as raised:
            measure_candidates(target, {"original": tiny.folder}, seed=0, seconds=1.0, progress=intrude)
    finally:
        for intruder in intruders:
            intruder.wait()
    message = str(raised.value)
    assert len(intruders) == 2
    assert "hardware 'here': measured twice, but neither can be trusted: other processes held" in message
    assert "close other programs, set `threads` below" in message
    assert sum("measuring once more" in record.getMessage() for record in caplog.records) == 1


def test_the_second_one_stands_where_the_target_accepts_that(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with it is decided elsewhere; here everything always is."""
    answers = iter("ab")
    monkeypatch.setattr(measure, "run_job", lambda *_: SimpleNamespace(candidates={}, name=next(answers)))
    monkeypatch.setattr(measure, "refusals", lambda *_: ["a neighbour"])
    target = replace(tiny.target, accepts_disturbed=True)
    job = Job("candidates", target, {"original": str(tiny.folder)}, 0, 1.0)
    assert measure._undisturbed(job, lambda *_: None).name == "b"  # type: ignore[attr-defined]
