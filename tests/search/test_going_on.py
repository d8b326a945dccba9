"""A search whose driver was killed goes on with the plans, in the order, that it would have tried anyway."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from greenfront.search.journal import Result
from tests.search.test_driver import FormulaPool, Notes, driver_at
from tests.search.test_driver import weights_are_here as weights_are_here

TRIALS = 7


class OnePlace(FormulaPool):
    """One worker."""

    @property
    def free(self) -> int:
        return 1 - len(self._waiting)


def searched(folder: Path, sections: Mapping[str, Any]) -> list[Result]:
    """Go on with a search to its end; every trial by its number, as the journal then has it."""
    driver_at(folder, **sections).search(OnePlace(), Notes())
    return sorted(driver_at(folder, **sections).study.results, key=lambda result: result.number)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_plans_are_those_of_an_undisturbed_search(sampler: str, tmp_path: Path) -> None:
    """A kill leaves the journal up to some line, of trials that are asked for, refused or scored."""
    sections = {
        "search": {"trials": TRIALS, "finalists": 4, "sampler": sampler},
        "budgets": {"latency": "45%", "size": "100 kB", "parameters": "85%"},
    }
    whole = searched(tmp_path / "whole", sections)
    assert [result.number for result in whole] == list(range(len(whole)))
    assert {result.state for result in whole} == {"scored", "rejected"}
    lines = (tmp_path / "whole" / "study.journal").read_bytes().splitlines(keepends=True)
    for left in range(3, len(lines), max(1, len(lines) // 6)):
        folder = tmp_path / str(left)
        shutil.copytree(tmp_path / "whole", folder)
        (folder / "study.journal").write_bytes(b"".join(lines[:left]))
        assert searched(folder, sections) == whole
