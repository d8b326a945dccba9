"""`greenfront --help` stays quick because nothing heavy is imported before it is used."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "datasets",
    "evaluate",
    "matplotlib",
    "numpy",
    "optuna",
    "pandas",
    "ray",
    "scipy",
    "torch",
    "transformers",
}


def imported_by(code: str) -> set[str]:
    """The top-level modules that a new interpreter holds after it ran `code`."""
    report = "import json, sys; print(json.dumps([*sys.modules]), file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return {name.partition(".")[0] for name in json.loads(result.stderr.splitlines()[-1])}


@pytest.mark.parametrize(
    "module",
    [
        "greenfront",
        "greenfront.cli",
        "greenfront.config",
        "greenfront.errors",
        "greenfront.units",
        "greenfront.evaluators",
        "greenfront.hardware_profiles",
        "greenfront.search",
        "greenfront.spaces",
    ],
)
def test_importing_it_imports_nothing_heavy(module: str) -> None:
    assert not imported_by(f"import {module}") & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["search", "--help"]])
def test_asking_the_command_line_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from greenfront.cli import main
sys.argv = ["greenfront", *{arguments}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""
    assert not imported_by(code) & HEAVY


@pytest.mark.parametrize(
    "used",
    ["from greenfront.search import Front, RunFolder, front_table", "from greenfront.api import select"],
    ids=["show", "select"],
)
def test_what_looks_at_results_imports_no_library_that_makes_them(used: str) -> None:
    assert imported_by(used) & HEAVY <= {"numpy"}


def test_the_probe_sees_what_is_imported() -> None:
    assert "numpy" in imported_by("import numpy.linalg")
