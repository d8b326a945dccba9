"""A run goes on with the data, the model and the profile that it began with, or says which of them is another."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from greenfront.config import RunConfig
from greenfront.errors import DataError, RunError
from greenfront.evaluators import TaskData
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import RunFolder
from greenfront.search.begun_with import PIECE, WHOLE, check_begun_with, check_profile, model_fingerprint
from tests.search.toy_run import toy_config, toy_model, toy_profile


def data_of(fingerprint: str) -> TaskData:
    """All of the data that is looked at."""
    return cast("TaskData", SimpleNamespace(fingerprint=fingerprint))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    toy_model().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def config(tmp_path: Path, model: Path) -> RunConfig:
    return toy_config(tmp_path / "run", model={"path": str(model), "task": "text-classification"})


def test_the_same_data_and_model_go_on(config: RunConfig) -> None:
    run = RunFolder.create(config)
    for _ in range(2):
        check_begun_with(config, run, data_of("d" * 64))
    assert json.loads(run.environment.read_text())["data"] == "d" * 64


@pytest.mark.parametrize("what", ["data", "model"])
def test_others_are_named_and_refused(what: str, config: RunConfig, model: Path) -> None:
    run = RunFolder.create(config)
    check_begun_with(config, run, data_of("d" * 64))
    if what == "model":
        (model / "config.json").write_text((model / "config.json").read_text() + " ")
    with pytest.raises(DataError, match=f"{what}: the {what} ha.* changed since this run began") as caught:
        check_begun_with(config, run, data_of(("e" if what == "data" else "d") * 64))
    assert "choose another output folder, or restore the files" in str(caught.value)


def test_a_run_of_an_earlier_version_knows_no_model(config: RunConfig, model: Path) -> None:
    run = RunFolder.create(config)
    run.write_json(run.environment, {"data": "d" * 64, "machine": {}})
    (model / "config.json").write_text("{}")
    check_begun_with(config, run, data_of("d" * 64))


def test_a_damaged_record_is_named_with_what_it_costs_to_drop_it(config: RunConfig) -> None:
    run = RunFolder.create(config)
    for text in ("{", "[]", "{}", '{"data": '):
        run.environment.write_text(text)
        with pytest.raises(RunError, match=r"environment\.json: can't be read .*delete it: data and model can't be"):
            check_begun_with(config, run, data_of("d" * 64))


def test_weights_that_were_trained_on_are_others_however_large(tmp_path: Path) -> None:
    weights = bytearray(WHOLE + 7 * PIECE)
    (tmp_path / "model.safetensors").write_bytes(weights)
    before = model_fingerprint(tmp_path)
    assert before == model_fingerprint(tmp_path)
    for place in (0, len(weights) - 1):
        weights[place] = 1
        (tmp_path / "model.safetensors").write_bytes(weights)
        assert model_fingerprint(tmp_path) != before
        weights[place] = 0
    (tmp_path / "model.safetensors").write_bytes(weights[:-1])
    assert model_fingerprint(tmp_path) != before
    (tmp_path / "model.safetensors").write_bytes(weights)
    (tmp_path / "notes.md").write_text("of nothing")
    assert model_fingerprint(tmp_path) == before
    assert model_fingerprint(Path("owner/name")) is None


def test_a_profile_that_has_changed_under_the_run_is_refused(tmp_path: Path) -> None:
    kept, given = tmp_path / "kept.json", tmp_path / "given.json"
    for path in (kept, given):
        toy_profile().save(path)
    (target,) = toy_config(tmp_path, hardware={"name": "toy", "profile": str(given)}).hardware
    check_profile(kept, target, HardwareProfile.load)
    check_profile(kept, target.model_copy(update={"profile": None}), HardwareProfile.load)
    slower = toy_profile(ms_per_rank=0.2)
    replace(toy_profile(), operations=slower.operations).save(given)
    with pytest.raises(RunError, match=r"hardware 'toy': .*given\.json has changed since this run began"):
        check_profile(kept, target, HardwareProfile.load)
    given.unlink()
    check_profile(kept, target, HardwareProfile.load)  # the run has its copy
    kept.write_text(kept.read_text()[:-100])
    with pytest.raises(RunError, match=r"kept\.json: .*must be JSON.*delete it: target toy is measured again"):
        check_profile(kept, target, HardwareProfile.load)
