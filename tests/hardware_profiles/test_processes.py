"""How many processes measure the same candidates, and what becomes of disturbed ones: the processes are stand-ins."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from greenfront.errors import MeasureError
from greenfront.hardware_profiles import Conditions, Target, processes
from greenfront.hardware_profiles.candidates_job import QUERIES
from greenfront.hardware_profiles.jobs import CandidatesAnswer, Job, LatencyAnswer, RawModel
from greenfront.hardware_profiles.processes import (
    AGAIN_REPETITIONS,
    AGAIN_SECONDS,
    FEWEST,
    FEWEST_AGAIN,
    MOST,
    measure_in_processes,
    time_again,
)
from greenfront.hardware_profiles.sampling import FEW

TARGET = Target("here", "cpu", "torch", 1, 1, 64)
JOB = Job("candidates", TARGET, {"original": "o", "x": "x"}, seed=0, seconds=60.0)
QUIET = Conditions("2026-01-01T00:00:00Z", 1.0, 0.0, 0.0, 0.0, (0,))
Ratio = Callable[[int], float]


def stand_in(monkeypatch: pytest.MonkeyPatch, ratio: Ratio, waited: Iterator[float]) -> list[Job]:
    """Processes that answer at once: `ratio` by the job's seed, `waited` in the order of the processes."""
    jobs: list[Job] = []

    def answer(job: Job) -> CandidatesAnswer | LatencyAnswer:
        jobs.append(job)
        samples_ms = {"original": [10.0] * 8, "x": [10.0 * ratio(job.seed)] * 8}
        if job.name == "latency":
            return LatencyAnswer(QUIET, next(waited), samples_ms)
        raw = {
            name: RawModel(samples, [20.0], 1, 1, 1, f"deployed/{name}", 1.0, "estimated")
            for name, samples in samples_ms.items()
        }
        return CandidatesAnswer(QUIET, next(waited), raw)

    monkeypatch.setattr(processes, "run_job", answer)
    return jobs


def nothing(_done: int, _total: int) -> None:
    return None


def never() -> Iterator[float]:
    while True:
        yield 0.0


def test_as_few_as_make_a_90th_percentile_where_processes_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = stand_in(monkeypatch, lambda _: 0.2, never())
    reports: list[tuple[int, int]] = []
    found = measure_in_processes(JOB, lambda done, total: reports.append((done, total)))
    assert [job.name for job in jobs] == ["candidates", *["latency"] * (FEWEST - 1)]
    assert QUERIES + (FEWEST - 1) * FEW >= 64  # MLPerf's rule for a 90th percentile
    assert len({job.seed for job in jobs}) == FEWEST
    assert jobs[1].folders == {"original": "deployed/original", "x": "deployed/x"}
    assert found.ratio("x", 0).median == pytest.approx(0.2)
    assert found.ratio("original", 0).high == 1.0
    assert reports == [(number, FEWEST) for number in range(1, FEWEST + 1)]


def test_more_where_they_differ_and_the_mean_of_all_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = stand_in(monkeypatch, lambda seed: 0.18 if seed % 2 else 0.22, never())
    ratio = measure_in_processes(JOB, nothing).ratio("x", 0)
    assert FEWEST < len(jobs) <= MOST
    assert ratio.median == pytest.approx(0.2, abs=0.005)
    assert 0.18 < ratio.low < 0.2 < ratio.high < 0.22


def test_no_more_than_the_time_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = stand_in(monkeypatch, lambda seed: 0.18 if seed % 2 else 0.22, never())
    measure_in_processes(replace(JOB, seconds=0.0), nothing)
    assert len(jobs) == FEWEST


def test_a_disturbed_process_is_repeated_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = stand_in(monkeypatch, lambda _: 0.2, iter([0.0, 0.5, *[0.0] * MOST]))
    with caplog.at_level(logging.WARNING):
        found = measure_in_processes(JOB, nothing)
    assert len(jobs) == FEWEST + 1
    assert max(answer.waited or 0 for answer in found.further) == 0.0
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["measuring once more"]


def test_ratios_that_differ_too_much_are_refused_unless_that_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, lambda seed: 0.05 if seed % 2 else 0.4, never())
    with pytest.raises(MeasureError, match=r"can't be trusted: x takes 0\.\d+ to .*; close other"):
        measure_in_processes(JOB, nothing)
    accepting = replace(JOB, target=replace(TARGET, accepts_disturbed=True))
    assert measure_in_processes(accepting, nothing).ratio("x", 0).high > 0.2


def test_a_process_that_stays_disturbed_stands_where_the_target_accepts_that(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = stand_in(monkeypatch, lambda _: 0.2, iter([0.5, 0.6, *[0.0] * MOST]))
    found = measure_in_processes(replace(JOB, target=replace(TARGET, accepts_disturbed=True)), nothing)
    assert found.first.waited == 0.6
    assert len(jobs) == FEWEST + 1


def test_a_profile_is_calibrated_in_a_few_processes_of_few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = stand_in(monkeypatch, lambda _: 0.2, never())
    plans: dict[str, dict[str, dict[str, int | float | str]]] = {"x": {"layer": {"rank": 8}}}
    found = time_again(Job("latency", TARGET, {"original": "o"}, 7, 0.0, plans=plans), nothing)
    assert len(found) == len(jobs) == FEWEST_AGAIN
    assert len({job.seed for job in jobs}) == FEWEST_AGAIN
    assert {(job.repetitions, job.seconds) for job in jobs} == {(AGAIN_REPETITIONS, AGAIN_SECONDS)}
    assert all(job.plans == plans for job in jobs)


@pytest.mark.parametrize(("seconds", "expected"), [(35.0, 4), (37.0, 5), (15.0, FEWEST_AGAIN)])
def test_another_process_begins_where_half_of_it_fits(
    monkeypatch: pytest.MonkeyPatch, seconds: float, expected: int
) -> None:
    jobs = stand_in(monkeypatch, lambda _: 0.2, never())
    monkeypatch.setattr("greenfront.hardware_profiles.processes.time.monotonic", lambda: 8.0 * len(jobs))
    assert len(time_again(Job("latency", TARGET, {"original": "o"}, 0, seconds), nothing)) == expected
