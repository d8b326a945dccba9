import dataclasses
import sys

import pytest

from greenfront.hardware_profiles import Conditions, Interval, PredictionError, Target, Timing, fingerprint
from greenfront.hardware_profiles.jobs import MemoryAnswer
from greenfront.hardware_profiles.records import Calibration
from greenfront.hardware_profiles.trust import (
    condition_warnings,
    large_query_warnings,
    memory_warnings,
    prediction_warnings,
    ratio_refusals,
    ratio_warnings,
    timing_warnings,
    waiting_refusal,
    waiting_warnings,
)
from greenfront.hardware_profiles.waiting import waited_seconds

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
        (1.0, PredictionError(0.02, 0.05, 0.05, 1.0, 3), None),
        (1.0, PredictionError(0.08, 0.20, 0.25, 1.0, 3), "8.0% in the median, by up to 20.0% for 19 in 20"),
        (1.0, PredictionError(0.01, 0.07, 0.09, 1.0, 12), "12 candidates the fit had not seen (2% and 6% wanted)"),
        (1.0, None, "unchecked"),
        (2.5, PredictionError(0.02, 0.05, 0.05, 1.0, 3), "2.50 times what their operations do"),
    ],
)
def test_a_bad_prediction_is_said(slope: float, error: PredictionError | None, message: str | None) -> None:
    warnings = prediction_warnings(Calibration(slope, 1.0, {}, ()), error)
    assert len(warnings) == (message is not None)
    assert message is None or message in warnings[0]


def test_a_difference_within_the_noise_is_said() -> None:
    assert ratio_warnings("x", Interval(0.8, 0.78, 0.82)) == []
    assert "x can't be told from the original: 0.950 to 1.020" in ratio_warnings("x", Interval(0.99, 0.95, 1.02))[0]


def test_a_ratio_that_is_known_badly_is_said() -> None:
    assert ratio_warnings("x", Interval(0.5, 0.49, 0.51)) == []
    (said,) = ratio_warnings("x", Interval(0.5, 0.48, 0.52))
    assert "x takes 0.480 to 0.520 of the original's latency, from process to process" in said
    assert "another measurement may differ by more than 5%" in said


@pytest.mark.parametrize(("waited", "said"), [(None, False), (0.0, False), (0.05, False), (0.09, True)])
def test_waiting_for_a_processor_is_said(waited: float | None, said: bool) -> None:
    warnings = waiting_warnings(waited)
    assert len(warnings) == said
    assert not said or "held the measured processors for 9% of the time" in warnings[0]


def test_a_throughput_that_is_known_badly_is_said() -> None:
    assert large_query_warnings("x", Timing.of([100.0, 101.0] * 4, seed=0)) == []
    (said,) = large_query_warnings("x", Timing.of([100.0, 180.0] * 4, seed=0))
    assert "x's throughput is known to no better than" in said


@pytest.mark.parametrize(("waited", "refused"), [(0.0, False), (None, False), (0.15, False), (0.5, True)])
def test_a_process_that_waited_too_long_is_refused(waited: float | None, refused: bool) -> None:
    said = "other processes held the measured processor for 50% of the time"
    assert waiting_refusal(TARGET, waited).startswith(said if refused else "")
    assert bool(waiting_refusal(TARGET, waited)) == refused


def test_ratios_that_differ_too_much_are_refused() -> None:
    ratios = {"original": Interval(1, 1, 1), "x": Interval(0.5, 0.40, 0.60), "y": Interval(0.5, 0.49, 0.51)}
    (reason,) = ratio_refusals(ratios)
    assert reason == "x takes 0.40 to 0.60 times the original's latency, known to no better than 20%"


def test_a_process_knows_how_long_it_waited() -> None:
    before = waited_seconds()
    after = waited_seconds()
    if sys.platform == "linux":
        assert before is not None
        assert after is not None
        assert 0 <= before <= after


def test_a_peak_that_could_not_be_reset_is_said() -> None:
    assert memory_warnings(MemoryAnswer(100.0, "VmHWM")) == []
    assert "includes loading" in memory_warnings(MemoryAnswer(100.0, "ru_maxrss"))[0]
