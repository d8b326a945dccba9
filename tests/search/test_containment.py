"""A run folder may hold links within itself, and may be a link; nothing in it leads out."""

import os
from pathlib import Path

import pytest

from greenfront.errors import RunError
from greenfront.search.containment import check_contained


def test_links_within(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "candidates").mkdir(parents=True)
    (run / "candidates" / "here").symlink_to("../log.txt")
    (run / "nowhere").symlink_to("log.txt")
    (run / "around").symlink_to(".")
    (tmp_path / "link").symlink_to("run")
    check_contained(run)
    check_contained(tmp_path / "link")


@pytest.mark.parametrize("target", ["..", "/etc/passwd", "../run2/log.txt", "candidates/../../x", "/nowhere"])
def test_links_out(tmp_path: Path, target: str) -> None:
    run = tmp_path / "run"
    (run / "candidates").mkdir(parents=True)
    (run / "candidates" / "out").symlink_to(target if target.startswith("/") else f"../{target}")
    with pytest.raises(RunError, match="candidates/out is a link that leads out of the run folder"):
        check_contained(run)


def test_a_link_by_way_of_another(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "a").symlink_to("b")
    (run / "b").symlink_to("..")
    with pytest.raises(RunError, match="is a link"):
        check_contained(run)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match="pipe is neither a file nor a folder"):
        check_contained(tmp_path)
