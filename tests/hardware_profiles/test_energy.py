"""Energy of a query: from counters that stand in files, as RAPL's do, and by estimate."""

import dataclasses
import sys
from pathlib import Path

import psutil
import pytest

from greenfront.hardware_profiles import Target, energy
from greenfront.hardware_profiles.energy import EnergyMeter, estimated_watts

TARGET = Target("here", "cpu", "torch", threads=2, batch_size=1, sequence_length=64)


class Package:
    """A processor's counter of microjoules, in a folder such as the kernel's."""

    def __init__(self, folder: Path, microjoules: int = 5_000_000) -> None:
        self._domain = folder / "intel-rapl" / "intel-rapl:0"
        self._domain.mkdir(parents=True)
        (self._domain / "name").write_text("package-0\n")
        (self._domain / "max_energy_range_uj").write_text("262143328850\n")
        self.rapl = str(folder / "intel-rapl")
        self.use(microjoules, start=0)

    def use(self, microjoules: int, start: int | None = None) -> None:
        counter = self._domain / "energy_uj"
        before = int(counter.read_text()) if start is None else start
        counter.write_text(f"{before + microjoules}\n")


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "SECONDS", 0.05)


def test_a_counter_is_read_around_the_queries_alone(tmp_path: Path) -> None:
    package = Package(tmp_path)
    meter = EnergyMeter(TARGET, package.rapl)
    package.use(3_000_000)  # what loading took
    joules, source = meter.per_query(lambda: package.use(200_000), lambda: None, latency_ms=1.0)
    assert source == "counter"
    assert joules == pytest.approx(0.2, rel=1e-5)
    again, _ = meter.per_query(lambda: package.use(400_000), lambda: None, latency_ms=1.0)
    assert again == pytest.approx(0.4, rel=1e-5)


def test_a_counter_that_stands_still_is_none(tmp_path: Path) -> None:
    meter = EnergyMeter(TARGET, Package(tmp_path).rapl)
    _, source = meter.per_query(lambda: None, lambda: None, latency_ms=1.0)
    assert source == "estimated"


def test_without_a_counter_energy_is_power_times_time(tmp_path: Path) -> None:
    meter = EnergyMeter(dataclasses.replace(TARGET, power=15.0), str(tmp_path / "none"))
    joules, source = meter.per_query(pytest.fail, lambda: None, latency_ms=20.0)  # an estimate runs nothing
    assert source == "estimated"
    assert joules == pytest.approx(0.3)


def test_the_power_of_an_unknown_processor_is_that_of_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "_is_virtual", lambda: True)
    assert estimated_watts(TARGET) == 8.0
    assert estimated_watts(dataclasses.replace(TARGET, power=3.5)) == 3.5
    assert estimated_watts(dataclasses.replace(TARGET, device="cuda")) == 300.0


def test_the_power_of_a_known_processor_is_its_cores_share(monkeypatch: pytest.MonkeyPatch) -> None:
    from codecarbon.core import cpu, util

    monkeypatch.setattr(energy, "_is_virtual", lambda: False)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 16)
    monkeypatch.setattr(cpu, "detect_cpu_model", lambda: "AMD EPYC 4124P")  # 65 W in codecarbon's table
    monkeypatch.setattr(util, "count_physical_cpus", lambda: 1)
    assert estimated_watts(TARGET) == pytest.approx(65 * 2 / 16)
    assert estimated_watts(dataclasses.replace(TARGET, threads=64)) == pytest.approx(65)


def test_without_codecarbon_energy_is_estimated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Package(tmp_path)
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    meter = EnergyMeter(TARGET, package.rapl)
    joules, source = meter.per_query(lambda: package.use(200_000), lambda: None, 10.0)
    assert source == "estimated"
    assert joules == pytest.approx(0.08)
