"""A folder with what a configuration can name."""

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train.csv", "test.csv", "laptop.json"):
        (tmp_path / name).write_text("text,label\na,b\n")
    (tmp_path / "model").mkdir()
    return tmp_path
