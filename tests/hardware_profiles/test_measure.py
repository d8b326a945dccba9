"""The measuring processes, really started."""

import dataclasses
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from greenfront.errors import ConfigError, MeasureError
from greenfront.hardware_profiles import HardwareProfile, Measured, measure_candidates, measure_profile
from greenfront.hardware_profiles.calibration import LEAST_SHARE
from greenfront.hardware_profiles.candidates_job import QUERIES
from greenfront.hardware_profiles.jobs import Job
from greenfront.hardware_profiles.sampling import FEW
from greenfront.hardware_profiles.spawn import run_job
from greenfront.spaces import Plan, Space
from tests.hardware_profiles.tiny import Tiny


def test_a_profile_holds_every_setting_of_every_site(tiny: Tiny, profile: HardwareProfile) -> None:
    profile.check_space(tiny.space)
    assert profile.sites.keys() == {site.path for site in tiny.space.sites}
    assert profile.original_latency.n >= 64
    assert all(operation.latency.n >= 11 for operation in profile.operations)
    assert all(operation.latency.interval_ms.median > 0 for operation in profile.operations)
    assert profile.model == "BertForSequenceClassification"


def test_a_profile_was_measured_on_one_cpu_with_held_out_plans(profile: HardwareProfile) -> None:
    assert len(profile.conditions.affinity) == 1
    least_ms = LEAST_SHARE * profile.original_latency.interval_ms.median
    pairs = [(p.predicted_ms, p.latency.interval_ms.median) for p in profile.calibration.plans if p.held_out]
    held_out = sorted(abs(predicted - took) / max(took, least_ms) for predicted, took in pairs)
    assert 8 <= len(held_out) < len(profile.calibration.plans)
    assert profile.error is not None
    assert profile.error.plans == len(held_out)
    assert held_out[0] <= profile.error.median <= profile.error.p95 <= profile.error.worst
    assert profile.error.worst == pytest.approx(held_out[-1])
    assert -1 <= profile.error.tau <= 1


def test_large_queries_are_predicted_too(profile: HardwareProfile) -> None:
    large = profile.large_batch
    assert {plan.held_out for plan in large.plans} == {False, True}
    assert min(large.per_latency, large.ms_per_gflop) >= 0
    assert large.error is not None
    for calibrated in large.plans:
        predicted = profile.predict(Plan(calibrated.plan)).large_batch_latency_ms
        assert predicted == pytest.approx(
            max(calibrated.predicted_ms, 0.01 * profile.original.large_batch_latency_ms), rel=1e-6
        )


def test_a_profiles_calibration_is_what_it_predicts(profile: HardwareProfile) -> None:
    """Of plans that the fit has seen; what is held out is predicted without it."""
    for calibrated in profile.calibration.plans:
        predicted = profile.predict(Plan(calibrated.plan)).latency_ms.median
        expected = max(calibrated.predicted_ms / profile.calibration.beside, 0.01 * profile.original.latency_ms.median)
        assert (predicted == pytest.approx(expected)) != calibrated.held_out


def test_candidates_are_measured_side_by_side(tiny: Tiny, cheapest: Plan, measured: dict[str, Measured]) -> None:
    assert measured.keys() == {"original", cheapest.id}
    for found in measured.values():
        assert found.latency.n == sum(found.processes)
        first, further = found.processes
        assert (first >= QUERIES, further >= FEW) == (True, True)
        assert len(found.conditions) == 2
    original, small = measured["original"], measured[cheapest.id]
    assert original.ratio.low == original.ratio.median == original.ratio.high == 1.0
    assert small.cost.parameters < original.cost.parameters
    assert small.cost.flops < original.cost.flops
    assert small.cost.size_mb < original.cost.size_mb
    assert original.cost.size_mb == (tiny.folder / "model.safetensors").stat().st_size / 1e6
    assert 50 < original.cost.peak_memory_mb < 2000  # a process with PyTorch in it


def test_measured_and_predicted_agree_where_they_must(
    profile: HardwareProfile, cheapest: Plan, measured: dict[str, Measured]
) -> None:
    predicted, found = profile.predict(cheapest), measured[cheapest.id].cost
    assert predicted.parameters == found.parameters
    assert predicted.flops == found.flops
    assert predicted.size_mb == pytest.approx(found.size_mb, abs=0.01)
    assert profile.original.flops == measured["original"].cost.flops


def test_without_an_original_nothing_is_compared(tiny: Tiny) -> None:
    with pytest.raises(ConfigError, match=r"must hold 'original'.*got other"):
        measure_candidates(tiny.target, {"other": tiny.folder}, seed=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threads": 4096}, r"threads must be at most \d+, .* but got 4096"),
        ({"device": "tpu"}, r"device must be one of cpu, cuda for runtime torch, but got 'tpu'"),
        ({"runtime": "tvm"}, r"runtime must be one of torch, onnxruntime, but got 'tvm'"),
    ],
)
def test_a_target_this_machine_cannot_be_is_refused_before_anything_starts(
    tiny: Tiny, change: dict[str, object], message: str
) -> None:
    target = dataclasses.replace(tiny.target, **change)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=message):
        measure_profile(target, tiny.folder, Space(()), seed=0)


def test_a_failing_process_gives_its_last_line(tiny: Tiny, tmp_path: Path) -> None:
    job = Job("candidates", tiny.target, {"original": str(tmp_path)}, 0, 0.1)
    with pytest.raises(MeasureError) as raised:
        run_job(job)
    message = str(raised.value)
    assert "hardware 'here': measuring (candidates) failed: MeasureError: candidate 'original' can't be" in message
    assert str(tmp_path) in message
    assert "Traceback" not in message
    assert "\n" not in message


def test_an_interrupt_ends_the_process(tiny: Tiny) -> None:
    def workers() -> list[psutil.Process]:
        children = psutil.Process().children()
        return [child for child in children if "greenfront.hardware_profiles.worker" in child.cmdline()]

    def interrupt() -> None:
        while not workers():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_job(Job("memory", tiny.target, {"original": str(tiny.folder)}, 0, 0.1))
    thread.join()
    assert workers() == []
