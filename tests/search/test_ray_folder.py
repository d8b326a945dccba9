"""Ray's files are gone with it, those of a killed process with the next start."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenfront.search.ray_folder import PREFIX, ray_folder


@pytest.fixture
def above(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gf", dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        yield Path(short)


def test_it_is_there_inside_alone(above: Path) -> None:
    with ray_folder() as folder:
        assert folder.parent == above
        (folder / "logs").mkdir()
        (folder / "logs" / "raylet.out").write_text("said")
    assert list(above.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_nothing_else(above: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    (above / f"{PREFIX}{gone.stdout.strip()}-abc" / "r").mkdir(parents=True)
    others = [above / f"{PREFIX}1-abc", above / "somebody's", above / f"{PREFIX}nobody"]
    for other in others:
        other.mkdir()
    with ray_folder():
        pass
    assert sorted(above.iterdir()) == sorted(others)


def test_a_long_path_is_no_place_for_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("long" * 10)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with ray_folder() as folder:
        assert folder.parent == Path("/tmp")
