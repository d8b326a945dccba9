"""`check` and `doctor` for scripts."""

import json

import pytest
from typer.testing import CliRunner

from greenfront import doctor_command
from greenfront.cli import app
from tests.end_to_end.place import Place


def test_a_check_as_json_or_as_its_code(place: Place) -> None:
    result = CliRunner().invoke(app, ["check", "news.yaml", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["model"] == "BertForSequenceClassification"
    assert found["examples"]["test"] == 20
    assert 0 < found["space"]["sites"] <= found["space"]["choices"] < found["space"]["plans"]
    assert found["seconds"]["search"] > 0
    quiet = CliRunner().invoke(app, ["check", "news.yaml", "--quiet"])
    assert (quiet.exit_code, quiet.output) == (0, "")


def test_a_quiet_doctor_says_it_by_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_command, "CHECKS", {"python": "installation"})
    result = CliRunner().invoke(app, ["doctor", "--quiet"])
    assert (result.exit_code, result.output) == (0, "")
    monkeypatch.setattr(doctor_command, "CHECKS", {"nothing": "installation"})
    result = CliRunner().invoke(app, ["doctor", "--quiet"])
    assert (result.exit_code, result.output) == (1, "")
