"""Profiles that are given: what they say where the YAML is silent, what fits, and what is measured elsewhere."""

from dataclasses import replace
from pathlib import Path

import pytest

from greenfront.config import RunConfig, TargetConfig
from greenfront.errors import ConfigError
from greenfront.hardware_profiles import HardwareProfile, fingerprint
from greenfront.search.profiles import full_target, prepare_profiles, resolve_targets
from greenfront.search.progress import Silent
from greenfront.search.run_folder import RunFolder
from tests.search.toy_run import LENGTH, toy_config, toy_profile, toy_space

POWERFUL = {"sequence_length": LENGTH, "runtime": "torch"}


class Notes(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    toy_profile().save(tmp_path / "here.json")
    return tmp_path / "here.json"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    other = replace(fingerprint(), processor="Cortex-A76", cores=4)
    replace(toy_profile("board"), fingerprint=other).save(tmp_path / "there.json")
    return tmp_path / "there.json"


def prepared(config: RunConfig) -> tuple[dict[str, HardwareProfile], list[str]]:
    report = Notes()
    run = RunFolder.create(config)
    return prepare_profiles(config, run, toy_space(), report), report.said


def test_a_given_profile_says_what_the_yaml_does_not(tmp_path: Path, here: Path) -> None:
    config = resolve_targets(toy_config(tmp_path / "run", hardware={"name": "toy", "profile": str(here)}))
    assert config.hardware[0].sequence_length == LENGTH
    assert set(vars(config.hardware[0])) == set(TargetConfig.model_fields)
    assert full_target(config.hardware[0], config) == toy_profile().target
    assert resolve_targets(config) == config
    found, _ = prepared(config)
    assert found["toy"] == toy_profile()


def test_the_runtime_is_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = toy_config(tmp_path / "run")
    for name in ("onnxruntime", "torch"):
        monkeypatch.setattr("greenfront.hardware_profiles.registry.default_runtime", lambda device, name=name: name)
        assert resolve_targets(config).hardware[0].runtime == name


def test_grid_price_and_power_are_those_of_the_yaml(tmp_path: Path, here: Path) -> None:
    hardware = {"name": "toy", "profile": str(here), "grid_intensity": 10.0, "price": 3.0, "power": 50.0}
    found, _ = prepared(resolve_targets(toy_config(tmp_path / "run", hardware=hardware)))
    profile, before = found["toy"], toy_profile().original
    assert (profile.target.grid_intensity, profile.target.price) == (10.0, 3.0)
    cost = profile.original
    assert cost.energy_source == "estimated"
    assert cost.energy_j == pytest.approx(50.0 * cost.latency_ms.median / 1000)
    kwh = cost.energy_j * 1e6 / 3.6e6
    assert cost.co2_g_per_million == pytest.approx(10.0 * kwh)
    assert cost.money_per_million == pytest.approx(3.0 * kwh)
    assert (cost.latency_ms, cost.size_mb) == (before.latency_ms, before.size_mb)


def test_another_workload_is_refused(tmp_path: Path, here: Path) -> None:
    hardware = {"name": "toy", "profile": str(here), "batch_size": 8}
    with pytest.raises(ConfigError, match=r"batch_size: 1 against 8 here"):
        prepared(resolve_targets(toy_config(tmp_path / "run", hardware=hardware)))


def test_a_profile_of_another_machine_is_refused_with_the_way_out(tmp_path: Path, there: Path) -> None:
    config = resolve_targets(toy_config(tmp_path / "run", hardware={"name": "board", "profile": str(there)}))
    with pytest.raises(
        ConfigError, match=r"^hardware 'board': .* another machine \(processor: Cortex-A76 against .* cores: 4 "
    ) as e:
        prepared(config)
    assert "`elsewhere: true`" in str(e.value)


@pytest.mark.parametrize("by_flag", [True, False])
def test_a_target_elsewhere_is_predicted(tmp_path: Path, here: Path, there: Path, by_flag: bool) -> None:
    board = {"name": "board", "profile": str(there), **({} if by_flag else {"elsewhere": True})}
    hardware = [{"name": "toy", "profile": str(here)}, board]
    config = resolve_targets(toy_config(tmp_path / "run", hardware=hardware), elsewhere=by_flag)
    assert [target.elsewhere for target in config.hardware] == [False, True]
    found, said = prepared(config)
    assert list(found) == ["toy", "board"]
    assert found["board"].fingerprint.processor == "Cortex-A76"
    assert "board: predicted, measured elsewhere (Cortex-A76)" in said
    assert not any("toy: predicted" in text for text in said)
    again, said = prepared(config)  # from the run folder
    assert again == found
    assert said == []
