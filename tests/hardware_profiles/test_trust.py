import dataclasses

import pytest

from greenfront.hardware_profiles import Conditions, Interval, PredictionError, Target, Timing, fingerprint
from greenfront.hardware_profiles.jobs import MemoryAnswer
from greenfront.hardware_profiles.records import Calibration
from greenfront.hardware_profiles.trust import (
    condition_warnings,
    memory_warnings,
    prediction_warnings,
    ratio_warnings,
    timing_warnings,
)

TARGET = Target("here", "cpu", "torch", 1, 1, 64)
MACHINE = dataclasses.replace(fingerprint(), cores=4)
QUIET = Conditions("2026-01-01T00:00:00Z", 10.0, 0.2, 0.1, 0.1, (3,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"load_average": 4.0}, None),  # our own work of the minute before, already over
        (
            {"load_average": 4.0, "busy_cores_at_start": 3.9},
            "busy before measuring with 1 of its 4 cores: 3.9 in use",
        ),
        ({"other_cores": 3.0}, None),  # three others, one core left for one thread
        ({"other_cores": 3.8}, "other processes used 3.8 of 4 cores while 1 were measured"),
        ({"affinity": ()}, "can't bind"),
    ],
)
def test_a_busy_machine_is_told_from_an_idle_one(change: dict[str, object], message: str | None) -> None:
    conditions = Conditions(**{**vars(QUIET), **change})
    warnings = condition_warnings(TARGET, MACHINE, conditions)
    assert len(warnings) == (message is not None)
    assert message is None or message in warnings[0]


def test_drift_and_noise_are_said() -> None:
    assert timing_warnings("x", Timing.of([1.0] * 30, seed=0)) == []
    (drifted,) = timing_warnings("x", Timing.of([1.0] * 10 + [1.0] * 10 + [1.08] * 10, seed=0))
    assert "x drifted by +8.0%" in drifted
    (noisy,) = timing_warnings("x", Timing.of([1.0, 2.0, 1.5] * 3, seed=0))
    assert "no better than" in noisy


@pytest.mark.parametrize(
    ("slope", "error", "message"),
    [
        (1.0, PredictionError(0.02, 0.05, 3), None),
        (1.0, PredictionError(0.08, 0.25, 3), "off by up to 25% (median 8%) on 3 candidates"),
        (1.0, None, "unchecked"),
        (2.5, PredictionError(0.02, 0.05, 3), "2.50 times what their operations do"),
    ],
)
def test_a_bad_prediction_is_said(slope: float, error: PredictionError | None, message: str | None) -> None:
    warnings = prediction_warnings(Calibration(slope, 0.0, ()), error)
    assert len(warnings) == (message is not None)
    assert message is None or message in warnings[0]


def test_a_difference_within_the_noise_is_said() -> None:
    assert ratio_warnings("x", Interval(0.8, 0.75, 0.85)) == []
    assert "x can't be told from the original: 0.950 to 1.020" in ratio_warnings("x", Interval(0.99, 0.95, 1.02))[0]


def test_a_peak_that_could_not_be_reset_is_said() -> None:
    assert memory_warnings(MemoryAnswer(100.0, "VmHWM")) == []
    assert "includes loading" in memory_warnings(MemoryAnswer(100.0, "ru_maxrss"))[0]
