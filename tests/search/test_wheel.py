"""The wheel that a cluster's nodes are given: pip installs it, it runs from where it is installed, alone."""

import subprocess
import sys
import zipfile
from pathlib import Path

from ray.runtime_env import RuntimeEnv

from greenfront.config import RayConfig
from greenfront.search.shipping import SAME, WORKING_DIR, pinned, runtime_env, versions_here
from greenfront.search.wheel import ROOMS, write_wheel


def test_pip_installs_it_and_it_runs_from_there(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path)
    place = tmp_path / "place"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", str(wheel), f"--target={place}"]
    subprocess.run(install, check=True, capture_output=True)
    code = "import greenfront as g, greenfront.search.wheel, greenfront.spaces.plan as p; print(g.__file__, p.__file__)"
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(place)}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.split() == [str(place / "greenfront/__init__.py"), str(place / "greenfront/spaces/plan.py")]


def test_it_holds_every_module_and_its_name_tells_its_content(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    wheel, again = write_wheel(tmp_path), write_wheel(tmp_path / "again")
    assert wheel.name == again.name
    assert wheel.read_bytes() == again.read_bytes()
    names = zipfile.ZipFile(wheel).namelist()
    root = Path(__file__).parents[2]
    for room in ROOMS:
        folder = room.rpartition(".")[2]
        here = {f"{room.replace('.', '/')}/{path.name}" for path in (root / folder).glob("*.py")}
        assert here <= set(names)
    assert {"greenfront/py.typed", "greenfront/search/page/page.html"} <= set(names)


def test_versions_are_those_of_this_machine() -> None:
    found = pinned()
    assert {f"{name}=={version}" for name, version in versions_here().items()} <= found
    assert set(versions_here()) == set(SAME)
    assert not any(line.startswith(("ray==", "greenfront==")) or "+" in line for line in found)


def test_what_is_shipped_is_what_ray_takes(tmp_path: Path) -> None:
    for ship in ("package", "environment", "nothing"):
        scratch = tmp_path / ship
        scratch.mkdir()
        config = RayConfig.model_validate({"address": "auto", "ship": ship})
        made = RuntimeEnv(**runtime_env(config, scratch))
        assert made["working_dir"] == str(scratch / "work")
        if ship == "package":
            (wheel,) = made["py_modules"]
            assert Path(wheel).is_file()
        elif ship == "environment":
            wheel, *others = made["pip"]["packages"]
            assert (scratch / "work" / wheel.removeprefix(f"{WORKING_DIR}/")).is_file()
            assert others == sorted(pinned())
    here = tmp_path / "here"
    here.mkdir()
    assert set(runtime_env(RayConfig(), here)) == {"working_dir"}
