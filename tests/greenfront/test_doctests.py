"""The examples in docstrings run, in a folder with a run."""

import doctest
import importlib
from pathlib import Path

import pytest

from greenfront.config import parse_config
from greenfront.search import RunFolder
from tests.search.front_builder import NO_BUDGETS, build_front


@pytest.mark.parametrize("module", ["greenfront.api", "greenfront.search.front"])
def test_they_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    raw = {
        "model": {"path": "my-model", "task": "text-classification"},
        "data": {"path": "my-data"},
        "output": "runs/my",
    }
    run = RunFolder.create(parse_config(raw))
    front = build_front(verified=8, unverified=2, budgets=NO_BUDGETS)
    front.save(run.front)
    result = doctest.testmod(importlib.import_module(module), raise_on_error=False)
    assert result.attempted >= 2
    assert result.failed == 0
