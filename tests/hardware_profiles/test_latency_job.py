"""Further processes that time candidates in PyTorch: those that were written, and those that are built again."""

import math
import random
from pathlib import Path

import pytest

from greenfront.hardware_profiles import HardwareProfile, latency_job
from greenfront.hardware_profiles.jobs import Job
from greenfront.hardware_profiles.records import plain_plan
from greenfront.hardware_profiles.timed_model import TimedModel
from greenfront.hardware_profiles.torch_runtime import TorchRuntime
from greenfront.spaces import compress, save_checkpoint
from tests.hardware_profiles.tiny import Tiny


def nothing(_done: int, _total: int) -> None:
    return None


def test_samples_of_folders_and_of_plans(tiny: Tiny, tmp_path: Path) -> None:
    saved, drawn = (tiny.space.random(random.Random(seed)) for seed in (0, 1))
    save_checkpoint(compress(tiny.model, saved), tmp_path / saved.id)
    folders = {"original": str(tiny.folder), saved.id: str(tmp_path / saved.id)}
    job = Job("latency", tiny.target, folders, 0, 0.0, repetitions=2, plans={drawn.id: plain_plan(drawn)})
    answer = latency_job.latency_job(job, TorchRuntime(tiny.target), nothing)
    assert answer.samples_ms.keys() == {"original", saved.id, drawn.id}
    assert all(len(samples) >= 2 and min(samples) > 0 for samples in answer.samples_ms.values())


def test_what_is_built_again_is_the_plan(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = tiny.space.random(random.Random(3))
    built: dict[str, int] = {}

    class Seen(TimedModel):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            built[self.name] = self.parameters

    monkeypatch.setattr(latency_job, "TimedModel", Seen)
    job = Job(
        "latency", tiny.target, {"original": str(tiny.folder)}, 0, 0.0, repetitions=1, plans={"x": plain_plan(plan)}
    )
    latency_job.latency_job(job, TorchRuntime(tiny.target), nothing)
    assert built["x"] == sum(weight.numel() for weight in compress(tiny.model, plan).parameters())
    assert built["original"] == sum(weight.numel() for weight in tiny.model.parameters())


def test_every_candidate_of_a_profile_is_calibrated_in_several_processes(profile: HardwareProfile) -> None:
    """A median of each: the profile's own process, and a further one."""
    assert profile.calibration.plans
    for plan in profile.calibration.plans:
        assert plan.latency.n == len(plan.latency.samples_ms) == 2
        assert all(math.isfinite(sample) and sample > 0 for sample in plan.latency.samples_ms)
