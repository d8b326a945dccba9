"""Imports go one way: the contract in pyproject.toml holds, names every module, and would notice a breach."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("greenfront", "search", "spaces", "evaluators", "hardware_profiles")


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def module_of(path: str) -> str:
    dotted = path.removesuffix(".py").removesuffix("/__init__").removeprefix("greenfront/").replace("/", ".")
    return f"greenfront.{dotted}"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the packages, to be broken."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, symlinks=True, ignore=ignored)
    return tmp_path


def test_the_contract_holds() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("spaces/plan.py", "greenfront.search"),
        ("evaluators/__init__.py", "greenfront.hardware_profiles"),
        ("hardware_profiles/__init__.py", "greenfront.evaluators"),
        ("greenfront/errors.py", "greenfront.config"),
    ],
)
def test_a_breach_is_noticed(tree: Path, importer: str, imported: str) -> None:
    path = tree / importer
    # Inside a function, where no import error would tell.
    path.write_text(path.read_text() + f"\n\ndef breach() -> None:\n    import {imported}\n")
    result = lint_imports(tree)
    assert result.returncode == 1
    assert f"{module_of(importer)} -> {imported}" in " ".join(result.stdout.split())


def test_a_module_without_a_layer_is_noticed(tree: Path) -> None:
    (tree / "greenfront" / "stray.py").write_text('"""No layer names this."""\n')
    result = lint_imports(tree)
    assert result.returncode == 1
    assert "stray" in result.stdout + result.stderr
