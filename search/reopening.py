"""A finished run asked again: with other budgets, objectives or hardware, more trials, or a finish of its front.

What stood there before is kept in `earlier/1`, `earlier/2`, ... with the configuration it belongs to. What a run stands
on (data, original, library) and what it found (trials, weights) stay, so that only what is new is paid for.
"""

import os
import shutil
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from greenfront.config import RunConfig, TargetConfig, load_config, to_yaml
from greenfront.durable import replacing, write_atomic
from greenfront.errors import ConfigError, RunError
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search.containment import check_contained
from greenfront.search.front import Front
from greenfront.search.journal import Result, results_in
from greenfront.search.run_folder import RunFolder

SAME_STUDY = ("search.trials", "finish.")
"""What may change while the study goes on: its trials' values and constraints stay what they are."""
OPEN = ("budgets.", "objectives", "hardware", *SAME_STUDY)
"""Keys (or their beginnings) that a run may be asked again with."""
HINT = "; with other budgets, objectives, hardware of the same length, search.trials or finish it would be taken up"
HOW_MEASURED = ("seconds", "disturbed")
"""Keys of a target that its costs don't depend on."""
DERIVED = (*HOW_MEASURED, "power", "grid_intensity", "price")
"""Keys of a target that its profile is read with, whatever it was measured with."""
ANSWERS = ("front.json", "front.png", "report.html", "summary.json", "first_plans.json")
"""What is of one configuration alone."""


class Earlier:
    """What a run came to with an earlier configuration, in `earlier/NUMBER` of its folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def all(cls, run: RunFolder) -> "tuple[Earlier, ...]":
        """Oldest first."""
        numbered = [path for path in (run.path / "earlier").glob("*") if path.name.isdigit()]
        return tuple(cls(path) for path in sorted(numbered, key=lambda path: int(path.name)))

    @cached_property
    def config(self) -> RunConfig:
        """Its configuration; raises RunError when it can't be read."""
        try:
            return load_config(self.path / "config.yaml", locate=False)
        except ConfigError as error:
            raise RunError(f"{self.path}: can't be read: {error}") from error

    @cached_property
    def results(self) -> list[Result]:
        """What its trials came to."""
        return results_in(self.study)

    @cached_property
    def front(self) -> Front | None:
        """Its front, where it came to one."""
        path = self.path / "front.json"
        return Front.load(path) if path.exists() else None

    def profiles(self) -> dict[str, HardwareProfile]:
        """Its targets' profiles; raises ConfigError when one can't be read."""
        names = [target.name for target in self.config.hardware]
        return {name: HardwareProfile.load(self.path / "profiles" / f"{name}.json") for name in names}

    @property
    def study(self) -> Path:
        """Its journal, as it was then; there may be none."""
        return self.path / "study.journal"


def reopened(config: RunConfig) -> RunFolder:
    """The folder of this configuration: new, begun, or of a run with trials that is asked again with it.

    For whoever holds the folder, see `claim.py`.

    Raises:
        RunError: as `RunFolder.create`; where a run with trials differs in what can't change, only that is named.
    """
    run, differences = _changes(config)
    if not differences:
        return RunFolder.create(config)
    config = config.model_copy(update={"output": run.path})
    _archive(run)
    for name in ANSWERS:
        (run.path / name).unlink(missing_ok=True)
    for measured in (run.path / "measured").glob("*.json"):
        measured.unlink()
    for target in run.load_config().hardware:
        if not any(same_target(target, other, DERIVED) for other in config.hardware):
            run.profile(target.name).unlink(missing_ok=True)
    if any(not key.startswith(SAME_STUDY) for key, *_ in differences):
        run.study.unlink(missing_ok=True)
        shutil.rmtree(run.paused, ignore_errors=True)  # of trials that are only in the earlier journal now
    write_atomic(run.config, to_yaml(config))
    return run


def same_target(one: TargetConfig, other: TargetConfig, ignored: Collection[str]) -> bool:
    """Whether two targets have all keys in common but the ignored ones."""
    return one.model_dump(exclude=set(ignored)) == other.model_dump(exclude=set(ignored))


def check_reopened(config: RunConfig) -> RunFolder:
    """The folder that this configuration may have, without touching it; raises RunError as `reopened` does."""
    run, differences = _changes(config)
    return run if differences else RunFolder.check(config)


def _changes(config: RunConfig) -> tuple[RunFolder, list[tuple[str, object, object]]]:
    """The folder, and what would change in it: nothing where it isn't one of a run with trials."""
    assert config.output is not None
    run = RunFolder(Path(os.path.abspath(config.output)))
    if not run.config.is_file() or not (run.study.exists() or Earlier.all(run)):
        return run, []
    check_contained(run.path)
    differences = run.differences(config)
    refused = [difference for difference in differences if not difference[0].startswith(OPEN)]
    before = run.load_config()
    here, there = (max(each.target_length(target) for target in each.hardware) for each in (config, before))
    if here != there and not any(key == "data.max_length" for key, *_ in refused):
        refused.append(("hardware.sequence_length", here, there))
    if refused:
        raise run.another_configuration(refused, HINT)
    return run, differences


def _archive(run: RunFolder) -> None:
    """Copy what stands there into a folder of its own, all of it or nothing; once, however often this is killed."""
    earlier = Earlier.all(run)
    if earlier and (earlier[-1].path / "config.yaml").read_bytes() == run.config.read_bytes():
        return
    with replacing(run.path / "earlier" / str(len(earlier) + 1)) as partial:
        partial.mkdir(parents=True)
        for path in (run.config, run.study, *(run.path / name for name in ANSWERS)):
            if path.exists():
                shutil.copy2(path, partial)
        for name in ("profiles", "measured"):
            shutil.copytree(run.path / name, partial / name)
