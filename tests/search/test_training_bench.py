"""The comparison of training at the full rate with training as the product does it."""

from pathlib import Path

import pytest

from greenfront.spaces import Plan
from tests.search.tiny_assignment import assignment
from tests.search.toy_run import toy_space


def test_at_the_full_rate_everyone_is_trained_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    from training import evaluate  # type: ignore[import-not-found]  # beside a folder that is on mypy's path

    work, plan = assignment(steps=3), Plan({toy_space().sites[0].path: {"bits": 8}})
    slow, full = (evaluate(work, plan, 0, full=full) for full in (False, True))
    assert (slow.untrained, slow.steps) == (True, 0)
    assert (full.untrained, full.steps) == (False, 3)
    assert full.divergence > slow.divergence
