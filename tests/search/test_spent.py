"""What a search took: hours, energy, CO2 and money as a hand would reckon them, and nothing where nothing is known."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from greenfront.hardware_profiles import HardwareProfile
from greenfront.search.run_folder import RunFolder
from greenfront.search.spent import Spent, Stage, page_values, spent, spent_section
from tests.search.toy_run import toy_config, toy_profile

SECONDS = {"original": 36.0, "profile": 72.0, "search": 360.0}


def profile_of(power: float | None, device: str = "cpu") -> HardwareProfile:
    profile = toy_profile()
    return replace(profile, target=replace(profile.target, power=power, threads=2, device=device))


def run_at(folder: Path, summary: object = None) -> RunFolder:
    run = RunFolder(folder)
    run.summary.write_text(json.dumps({"seconds": SECONDS} if summary is None else summary))
    run.environment.write_text(json.dumps({"machine": {"cores": 8}}))
    return run


def test_every_stage_counts_the_threads_that_it_may_use(tmp_path: Path) -> None:
    config = toy_config(tmp_path, ray={"workers": 3, "threads_per_worker": 2})
    found = spent(run_at(tmp_path), config, {"toy": profile_of(power=20.0)})
    assert found is not None
    assert {stage.name: stage.threads for stage in found.stages} == {"original": 8, "profile": 2, "search": 6}
    hours = (36 * 8 + 72 * 2 + 360 * 6) / 3600
    assert found.cpu_hours == pytest.approx(hours)
    assert found.watts == 10.0  # of a thread: the configuration says what two take
    assert found.kwh == pytest.approx(hours * 10 / 1000)


def test_a_search_for_a_gpu_is_reckoned_as_the_processors_work(tmp_path: Path) -> None:
    found = spent(run_at(tmp_path), toy_config(tmp_path), {"toy": profile_of(power=300.0, device="cuda")})
    assert found is not None
    assert found.watts == 4.0


@pytest.mark.parametrize("summary", [{}, [], {"seconds": {"search": "long"}}, {"seconds": 3}])
def test_what_cannot_be_read_leaves_the_part_out(summary: object, tmp_path: Path) -> None:
    config, profiles = toy_config(tmp_path), {"toy": profile_of(None)}
    assert spent(run_at(tmp_path, summary), config, profiles) is None
    (tmp_path / "summary.json").unlink()
    assert spent(RunFolder(tmp_path), config, profiles) is None
    assert spent(run_at(tmp_path), config, {}) is None
    assert (spent_section(None), page_values(None)) == ("", None)


def test_estimates_are_called_so() -> None:
    found = Spent((Stage("search", 1800.0, 4),), watts=5.0, grid_intensity=400.0, price=0.3)
    words = re.sub("<[^>]+>", " ", spent_section(found))
    assert "Estimated, as nothing counts it: at most 2.00 CPU hours, at 5.00 W a thread 0.0100 kWh" in words
    assert "4.00 g of CO2 at 400 g per kWh, and electricity for 0.00300 at 0.300 per kWh" in words
    assert page_values(found) == {"cpu_hours": 2.0, "kwh": 0.01}
