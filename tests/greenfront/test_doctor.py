"""`greenfront doctor`: what it finds of an installation and a machine, what it says mends it, and its exit code."""

import json
from importlib import metadata

import pytest
from typer.testing import CliRunner

from greenfront import doctor_command, installation
from greenfront.checkup import Checked
from greenfront.cli import app
from greenfront.installation import check_packages

VERSIONS = {"torch": "2.13.0+cpu", "numpy": "1.26.4"}


def version(name: str) -> str:
    if name not in VERSIONS:
        raise metadata.PackageNotFoundError(name)
    return VERSIONS[name]


@pytest.mark.parametrize(
    ("requirements", "state", "found", "remedy"),
    [
        (["torch>=2.6"], "fine", "all 1 are there: torch 2.13.0+cpu", ""),
        (["torch>=2.6", "numpy>=2.0"], "mend", "numpy is 1.26.4", "pip install 'numpy>=2.0'"),
        (
            ["ray>=2.50", "torch>=3"],
            "mend",
            "ray is missing; torch is 2.13.0+cpu",
            "pip install 'ray>=2.50' 'torch>=3'",
        ),
        (["torch>=2.6", "onnx>=1.18; extra == 'onnx'"], "fine", "all 1 are there: torch 2.13.0+cpu", ""),
    ],
)
def test_packages(requirements: list[str], state: str, found: str, remedy: str) -> None:
    checked = check_packages(requirements, version)
    assert (checked.state, checked.found, checked.remedy) == (state, found, remedy)


def test_the_packages_of_this_installation_are_those_of_pyproject() -> None:
    checked = check_packages()
    assert checked.state == "fine", checked
    assert "torch" in checked.found


FINE = Checked("python", "fine", "3.14")
NOTE = Checked("packages", "note", "some are old", "update [them]")
MEND = Checked("packages", "mend", "none is there", "install them")


@pytest.mark.parametrize(("second", "code"), [(NOTE, 0), (MEND, 1)])
def test_what_is_found_is_said_and_decides_the_exit_code(
    second: Checked, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_command, "CHECKS", {"python": "installation", "packages": "installation"})
    monkeypatch.setattr(installation, "check_python", lambda: FINE)
    monkeypatch.setattr(installation, "check_packages", lambda: second)
    said = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "120"})
    assert said.exit_code == code, said.output
    for words in ("✓ python      3.14", second.found, f"→ {second.remedy}"):
        assert words in said.stdout
    assert ("To be mended: packages." if code else "Nothing has to be mended.") in said.stdout
    told = CliRunner().invoke(app, ["doctor", "--json"])
    assert told.exit_code == code
    document = json.loads(told.stdout)
    assert document["fine"] == (code == 0)
    assert [check["state"] for check in document["checks"]] == ["fine", second.state]


def test_a_library_that_does_not_import_is_a_finding() -> None:
    checked = doctor_command.guarded("blas", "nowhere.to_be_found")
    assert checked.state == "mend"
    assert checked.found.startswith("could not be checked (ModuleNotFoundError: No module named 'greenfront.nowhere'")


def test_every_check_is_there() -> None:
    for name, module in doctor_command.CHECKS.items():
        assert callable(getattr(__import__(f"greenfront.{module}", fromlist=["_"]), f"check_{name}"))
