"""The run folder: whose it is, what it holds, and that files are whole."""

import json
from pathlib import Path

import pytest

from greenfront.config import config_differences
from greenfront.errors import RunError
from greenfront.search import RunFolder
from tests.search.toy_run import toy_config, toy_profile


def begun(path: Path, **sections: object) -> RunFolder:
    """A run that has measured something."""
    run = RunFolder.create(toy_config(path, **sections))
    toy_profile().save(run.profile("toy"))
    return run


def test_a_new_folder_holds_the_configuration(tmp_path: Path) -> None:
    config = toy_config(tmp_path / "runs" / "a", budgets={"latency": "60 %", "accuracy_drop": "1%"})
    run = RunFolder.create(config)
    assert sorted(path.name for path in run.path.iterdir()) == ["candidates", "config.yaml", "measured", "profiles"]
    assert config_differences(run.load_config(), config) == []
    assert RunFolder.existing(run.path).path == run.path


def test_paths_are_absolute_wherever_the_run_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = RunFolder.create(toy_config("run"))
    monkeypatch.chdir("/")
    assert run.path == tmp_path / "run"
    assert run.load_config().output == tmp_path / "run"


def test_the_same_configuration_goes_on(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    run.write_json(run.significance, {"kept": [1.0]})
    before = run.config.read_bytes()
    assert RunFolder.create(toy_config(tmp_path / "run")).path == run.path
    assert json.loads(run.significance.read_text()) == {"kept": [1.0]}
    assert run.config.read_bytes() == before


def test_other_workers_are_the_same_run(tmp_path: Path) -> None:
    begun(tmp_path / "run")
    RunFolder.create(toy_config(tmp_path / "run", ray={"workers": 7, "threads_per_worker": 2}))


def test_a_moved_run_folder_is_the_same_run(tmp_path: Path) -> None:
    begun(tmp_path / "run").path.rename(tmp_path / "moved")
    RunFolder.create(toy_config(tmp_path / "moved"))


def test_the_folder_of_another_configuration_is_refused_with_what_differs(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", budgets={"latency": "60%"})
    before = run.config.read_bytes()
    other = toy_config(tmp_path / "run", budgets={"latency": "50%"}, search={"trials": 13, "finalists": 4})
    with pytest.raises(RunError, match="belongs to another configuration; choose another folder") as caught:
        RunFolder.create(other)
    assert "search.trials: 13 here, 12 there" in str(caught.value)
    assert "budgets.latency: 50% here, 60% there" in str(caught.value)
    assert "finalists" not in str(caught.value)
    assert run.config.read_bytes() == before


def test_before_anything_is_measured_a_configuration_may_be_corrected(tmp_path: Path) -> None:
    run = RunFolder.create(toy_config(tmp_path / "run"))
    run.write_json(run.environment, {"data": "of other columns"})
    run.original.mkdir()
    corrected = toy_config(tmp_path / "run", search={"trials": 13})
    assert RunFolder.create(corrected).load_config().search.trials == 13
    assert not run.environment.exists()
    assert not run.original.exists()


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work")
    with pytest.raises(RunError, match="is not empty and holds no run; choose another folder"):
        RunFolder.create(toy_config(folder))
    assert [path.name for path in folder.iterdir()] == ["chapter.txt"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert RunFolder.create(toy_config(tmp_path)).config.is_file()


@pytest.mark.parametrize("output", ["file", "file/below"])
def test_a_file_in_the_place_of_the_folder_is_refused(output: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match=r"output: .*(must be a folder|can't be written)"):
        RunFolder.create(toy_config(tmp_path / output))
    assert (tmp_path / "file").read_text() == "mine"


def test_an_unreadable_configuration_in_the_folder_is_said(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    run.config.write_text("model: [")
    with pytest.raises(RunError, match=r"config\.yaml: can't be read"):
        RunFolder.create(toy_config(tmp_path / "run"))


@pytest.mark.parametrize(("name", "words"), [("none", "does not exist"), ("empty", "is not a run folder")])
def test_what_is_no_run_is_refused(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=f"{name} {words}.*`greenfront search FILE` makes one"):
        RunFolder.existing(tmp_path / name)
