"""A run folder on a disk that is full, or can't be written: one message, and nothing that was done is lost."""

from contextlib import suppress
from pathlib import Path

import pytest

from greenfront.errors import RunError
from greenfront.search import RunFolder
from greenfront.search.claim import claimed
from greenfront.search.journal import results_in
from greenfront.search.pool import Finished
from greenfront.search.reopening import reopened
from tests.disks import changed, small_disk
from tests.search.test_driver import FormulaPool, Notes, driver_at
from tests.search.test_driver import weights_are_here as weights_are_here
from tests.search.toy_run import toy_config


class FillingPool(FormulaPool):
    """Somebody else fills the disk meanwhile."""

    def __init__(self, filler: Path) -> None:
        super().__init__()
        self._filler = filler

    def wait(self, seconds: float) -> list[Finished]:
        if len(self.submitted) == 5:
            with suppress(OSError), self._filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        return super().wait(seconds)


def test_a_search_goes_on_from_where_the_disk_was_full(tmp_path: Path) -> None:
    said = r"can't be written: .*No space left on device.*the same command goes on"
    with small_disk(tmp_path / "disk", "4m") as disk:
        with pytest.raises(RunError, match=said):
            driver_at(disk / "run").search(FillingPool(disk / "filler"), Notes())
        done = results_in(disk / "run" / "study.journal")
        assert 0 < len(done) < 12
        assert not list((disk / "run").rglob("*.partial"))
        (disk / "filler").unlink()
        driver = driver_at(disk / "run")
        driver.search(FormulaPool(), Notes())
        after = results_in(disk / "run" / "study.journal")
    assert after[: len(done)] == done
    assert sum(result.state == "scored" for result in after) == 12
    whole = driver_at(tmp_path / "undisturbed")
    whole.search(FormulaPool(), Notes())
    assert {result.plan for result in whole.study.results} == {result.plan for result in after}


def test_a_folder_that_can_only_be_read_is_said_before_anything_begins(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        config = toy_config(disk / "run")
        RunFolder.create(config)
        changed(disk, "ro")
        for wanted in (config, toy_config(disk / "another")):
            with pytest.raises(RunError, match=r"can't be written: Read-only file system"), claimed(wanted, reopened):
                pass
        assert RunFolder.existing(disk / "run").load_config().search.trials == 12
