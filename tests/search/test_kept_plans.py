"""First plans are solved for once."""

from pathlib import Path

import pytest

from greenfront.errors import RunError
from greenfront.search import RunFolder
from greenfront.search.allocation import Seed
from greenfront.search.kept_plans import FILE, kept_plans
from greenfront.spaces import Plan
from tests.search.toy_run import toy_config

PLANS = [Seed(Plan({"m": {"rank": 4, "bits": 8}}), "allocation 50% latency"), Seed(Plan({"n": {"heads": 1}}), "other")]


def test_what_was_solved_for_is_read_again(tmp_path: Path) -> None:
    run = RunFolder.create(toy_config(tmp_path / "run"))
    asked = []

    def solve() -> list[Seed]:
        asked.append(1)
        return PLANS

    assert kept_plans(run, solve) == kept_plans(run, solve) == PLANS
    assert len(asked) == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"plans": [{"plan": 3, "origin": ""}]}', '{"plans": [{"plan": {}}]}'])
def test_what_can_not_be_read_is_named(text: str, tmp_path: Path) -> None:
    run = RunFolder.create(toy_config(tmp_path / "run"))
    (run.path / FILE).write_text(text)
    with pytest.raises(RunError, match=r"first_plans\.json: .*delete it: the first plans are solved for again"):
        kept_plans(run, lambda: PLANS)
