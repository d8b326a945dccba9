"""A front as a table of pandas, a row a candidate."""

from typing import Any

import pandas as pd

from greenfront.config import COST_OF
from greenfront.search.front import Front


def frame(front: Front) -> "pd.DataFrame":
    """The original and every candidate, the original first: where they are from, how good they are, what they cost.

    The index is the id. A cost has its name with its unit (`latency_ms`: the median); with several targets the
    target's name stands before it (`laptop.latency_ms`). `measured` says whether costs are, on the first target, or
    predicted. Scores are the metric itself, with the 95% interval of the test score; what isn't known is NaN.
    """
    return pd.DataFrame([_row(front, index) for index in range(len(front.candidates) + 1)]).set_index("id")


def _row(front: Front, index: int) -> dict[str, Any]:
    candidate = (front.original, *front.candidates)[index]
    score = candidate.to_dict()["score"]
    low, high = score["test_interval"] or (None, None)
    costs = {
        f"{target}.{name}" if len(front.targets) > 1 else name: cost.value(name)
        for target, cost in candidate.costs().items()
        for name in COST_OF.values()
    }
    return {
        "id": candidate.id, "origin": candidate.origin, "on_front": candidate.on_front,
        "feasible": candidate.feasible, "verified": candidate.verified, "measured": candidate.measured(front.target),
        "validation": score["validation"], "test": score["test"], "test_low": low, "test_high": high, **costs,
    }  # fmt: skip
