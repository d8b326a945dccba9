"""What is installed: the wheel holds every package and nothing else, and pyproject.toml says what is true."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("search", "spaces", "evaluators", "hardware_profiles")
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS: dict[str, Any] = PYPROJECT["tool"]["setuptools"]


def packages_in_the_tree() -> dict[str, str]:
    """Dotted name -> folder of every folder with an `__init__.py`, without the links inside greenfront/."""
    found = {}
    for top in ("greenfront", *ROOMS):
        for init in (ROOT / top).rglob("__init__.py"):
            folder = init.parent.relative_to(ROOT)
            if not any((ROOT / parent).is_symlink() for parent in [folder, *folder.parents]):
                dotted = ".".join(folder.parts)
                found[dotted if top == "greenfront" else f"greenfront.{dotted}"] = folder.as_posix()
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names inside a wheel made from the source distribution, as a release is, in a copy of the tree."""
    copy = tmp_path_factory.mktemp("source") / "greenfront"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("greenfront", *ROOMS, "tests", "examples", "benchmarks"):
        ignored = shutil.ignore_patterns("__pycache__", "data")
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", "."]
    result = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (built,) = (copy / "dist").glob("*.whl")
    with zipfile.ZipFile(built) as opened:
        return set(opened.namelist())


def test_the_wheel_holds_every_module_and_the_typing_marker(wheel: set[str]) -> None:
    expected = {"greenfront/py.typed", "greenfront/search/page/page.html", "greenfront/search/page/main.js"}
    for dotted, folder in packages_in_the_tree().items():
        place = dotted.replace(".", "/")
        expected |= {f"{place}/{path.name}" for path in (ROOT / folder).glob("*.py")}
        files = [
            path for pattern in SETUPTOOLS["package-data"].get(dotted, []) for path in (ROOT / folder).glob(pattern)
        ]
        expected |= {f"{place}/{path.relative_to(ROOT / folder).as_posix()}" for path in files}
    assert {name for name in wheel if ".dist-info/" not in name} == expected


def test_the_wheel_names_its_licence_and_command(wheel: set[str]) -> None:
    (described,) = {name.partition("/")[0] for name in wheel if ".dist-info/" in name}
    assert f"{described}/licenses/LICENSE" in wheel
    assert f"{described}/entry_points.txt" in wheel


def test_every_package_is_listed_twice() -> None:
    folders = packages_in_the_tree()
    assert set(SETUPTOOLS["packages"]) == set(folders)
    listed = SETUPTOOLS["package-dir"]
    assert {dotted: listed[dotted] for dotted in folders if dotted in listed} == listed
    for dotted, folder in folders.items():
        parent = max((name for name in listed if f"{dotted}.".startswith(f"{name}.")), key=len)
        below = dotted.removeprefix(parent).strip(".").replace(".", "/")
        assert "/".join(filter(None, [listed[parent], below])) == folder


def test_the_links_make_the_tree_complete() -> None:
    for room in ROOMS:
        link = ROOT / "greenfront" / room
        assert link.is_symlink()
        assert link.readlink() == Path("..") / room


def test_every_dependency_has_a_tested_version() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line) for line in pinned), "no local versions"
    names = {normal(line) for line in pinned}
    extras = PYPROJECT["project"]["optional-dependencies"]
    declared = PYPROJECT["project"]["dependencies"] + [line for lines in extras.values() for line in lines]
    assert {normal(line) for line in declared} - {"greenfront"} <= names


def normal(requirement: str) -> str:
    """The name in a requirement, in the form that compares equal."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", requirement)[0]).lower()
