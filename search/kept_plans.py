"""The first plans of a search, kept: solving for them again takes as long again, and need not give the same ones."""

from collections.abc import Callable, Sequence

from greenfront.json_source import read_json
from greenfront.search.allocation import Seed
from greenfront.search.droppable import droppable
from greenfront.search.run_folder import RunFolder
from greenfront.spaces import Plan

FILE = "first_plans.json"


def kept_plans(run: RunFolder, solve: Callable[[], Sequence[Seed]]) -> list[Seed]:
    """The first plans of this configuration: as they were kept, else as they are solved for now.

    Raises:
        RunError: what was kept can't be read.
    """
    path = run.path / FILE
    if path.exists():
        with droppable(path, "the first plans are solved for again"):
            raw = read_json(path)
            return [Seed(Plan(each["plan"]), str(each["origin"])) for each in raw["plans"]]
    found = list(solve())
    run.write_json(path, {"version": 1, "plans": [{"origin": s.origin, "plan": s.plan.to_dict()} for s in found]})
    return found
