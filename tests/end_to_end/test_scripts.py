"""What scripts get of the commands: silence, ids, JSON; and messages about names and versions that don't fit."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from greenfront.cli import app
from greenfront.config import RunConfig
from greenfront.search import Reporter, RunFolder
from greenfront.search.export import Exported, Form
from greenfront.search.front import Front
from tests.end_to_end.place import Place, refused
from tests.search.front_builder import build_front

FRONT = build_front(verified=4, unverified=2)


@pytest.fixture
def finished(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A run with a front; a search of it, and an export, that only say that they are at work."""
    from greenfront.config import load_config

    run = RunFolder.create(load_config(place.yaml))
    FRONT.save(run.front)

    def searched(_: RunConfig, report: Reporter, **__: object) -> Front:
        report.stage("Searching")
        report.note("a note")
        return FRONT

    def exported(_: RunFolder, id_: str, to: Path, *, onnx: bool, report: Reporter, **__: object) -> Exported:
        report.stage(f"Exporting {id_}")
        return Exported(to, "accuracy", 2, Form(3.0, score=0.5), Form(2.0), None, ("a note",))

    monkeypatch.setattr("greenfront.search.run_search", searched)
    monkeypatch.setattr("greenfront.search.export.export", exported)
    return place


def invoked(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result


def test_the_front_as_ids_and_as_json(finished: Place) -> None:
    assert invoked("show", "run", "--quiet").stdout.split() == [member.id for member in FRONT.members]
    assert invoked("show", "run", "--json").stdout == FRONT.to_json()


@pytest.mark.parametrize("option", ["--json", "--quiet"])
def test_a_run_without_a_front_is_refused_to_scripts(option: str, finished: Place) -> None:
    (finished.output / "front.json").unlink()
    refused("show", "run", option, says=["run has no front yet; `greenfront show run` shows its trials so far"])


def test_a_choice_as_id_and_as_json(finished: Place) -> None:
    id_ = invoked("select", "run", "--knee", "--quiet").stdout.strip()
    assert id_ == invoked("select", "run", "--knee", "--id-only").stdout.strip()
    document: dict[str, Any] = json.loads(invoked("select", "run", "--knee", "--json").stdout)
    assert document["id"] == document["candidate"]["id"] == id_
    assert any(f"Chosen {id_}" in reason for reason in document["reasons"])
    assert set(document["slack"]) == {"latency", "size", "accuracy_drop"}


def test_a_search_says_all_or_nothing_or_json(finished: Place) -> None:
    said = invoked("search", "news.yaml")
    assert "Searching" in said.stdout
    assert FRONT.members[0].id in said.stdout
    assert (said.stderr, invoked("search", "news.yaml", "--quiet").output) == ("", "")
    told = invoked("search", "news.yaml", "--json")
    assert told.stdout == FRONT.to_json()
    assert "a note" in told.stderr
    alone = invoked("search", "news.yaml", "--quiet", "--json")
    assert (alone.stdout, alone.stderr) == (FRONT.to_json(), "")
    assert "Searching" in (finished.output / "log.txt").read_text()


def test_an_export_says_all_or_nothing_or_json(finished: Place) -> None:
    command = ("export", "run", "original", "--to", "small")
    assert "Exporting original" in invoked(*command).stdout
    assert invoked(*command, "--quiet").output == ""
    told = invoked(*command, "--json")
    document = json.loads(told.stdout)
    assert (document["folder"], document["saved"]["size_mb"], document["onnx"]) == ("small", 2.0, None)
    assert document["notes"] == ["a note"]
    assert "Exporting original" in told.stderr


def test_the_nearest_name_is_offered(finished: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(finished.folder)
    id_ = FRONT.members[0].id
    typed = id_[:-2] + id_[-1] + id_[-2] if id_[-1] != id_[-2] else f"{id_[:-1]}-"
    refused("export", "run", typed, "--to", "small", says=[f"begins with '{typed}'", f"; did you mean '{id_}'?"])
    refused("export", "run", "orginal", "--to", "small", says=["did you mean 'original'?"])
    (finished.output / "front.json").unlink()
    refused("export", "run", "orginal", "--to", "small", says=["kept: original", "did you mean 'original'?"])


def test_a_front_of_a_newer_version(finished: Place) -> None:
    front = json.loads(FRONT.to_json())
    (finished.output / "front.json").write_text(json.dumps({**front, "version": 3}))
    for command in (["show", "run"], ["select", "run"]):
        refused(*command, says=["a newer Greenfront wrote it", "is 3; `pip install --upgrade greenfront` reads it"])


def test_a_run_folder_of_a_newer_version(finished: Place) -> None:
    front, config = json.loads(FRONT.to_json()), finished.output / "config.yaml"
    machine = {"versions": {"greenfront": "99.1.0"}}
    (finished.output / "environment.json").write_text(json.dumps({"data": "", "machine": machine}))
    (finished.output / "front.json").write_text(json.dumps({**front, "weather": "fine"}))
    hint = f"Greenfront 99.1.0 wrote it, this is {version('greenfront')}: `pip install --upgrade greenfront` reads it"
    refused("show", "run", says=["unknown weather", hint])
    (finished.output / "front.json").unlink()
    config.write_text(f"{config.read_text()}weather: fine\n")
    refused("search", "news.yaml", says=["weather: unknown key", hint])
    (finished.output / "environment.json").write_text("{}")
    assert hint not in refused("search", "news.yaml", says=["weather: unknown key"]).stderr
