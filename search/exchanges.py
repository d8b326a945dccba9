"""Which exchanges of a plan's parts for others bring it within its limits, and then lower what it loses."""

from functools import cache

import numpy as np

from greenfront.search.forest import Floats, Numbers

PAIRED = 40
"""Exchanges, the first ones, of which pairs are tried where no single one helps."""
WITHIN = 1e-9
"""How much of a row's range a limit may be missed by: rounding."""


def exchange(group: Numbers, rows: Floats, total: Floats) -> tuple[int, ...] | None:
    """The best exchange, or the best two of the first `PAIRED` in different groups; None where none helps.

    `rows` are what exchanges change: the loss, then how much of each limit is taken; `total` what there is now. Better
    is what misses the limits by less, and of what misses them by as little what loses less.
    """

    def best(steps: Floats) -> tuple[float, float, int]:
        missed = np.maximum(total[1:] + steps[:, 1:] - WITHIN, 0).sum(axis=1)
        losses = np.where(missed <= missed.min(initial=np.inf), steps[:, 0], np.inf)
        number = int(np.argmin(losses))
        return float(missed[number]), float(losses[number]), number

    present = (float(np.maximum(total[1:] - WITHIN, 0).sum()), -1e-15)
    if not len(rows):
        return None
    missed, loss, number = best(rows)
    if (missed, loss) < present:
        return (number,)
    one, other = _pairs(min(len(rows), PAIRED))
    apart = group[one] != group[other]
    one, other = one[apart], other[apart]
    if not len(one):
        return None
    missed, loss, number = best(rows[one] + rows[other])
    return (int(one[number]), int(other[number])) if (missed, loss) < present else None


@cache
def _pairs(count: int) -> tuple[Numbers, Numbers]:
    """The numbers of every pair of so many."""
    one, other = np.triu_indices(count, 1)
    return one, other
