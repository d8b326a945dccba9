"""The choice in a Forest of least loss within limits on its costs, exactly: the integer program of an allocation.

Prices of the limits bound what any choice loses, and say of each column what every choice with it loses at least. Once
a good choice is known, most columns can't be in a better one and go (a core of the multiple-choice knapsack: Pisinger
1995); what is left is searched by `branching.py`. Letters as in forest.py and mixing.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from greenfront.search.branching import Branching
from greenfront.search.forest import Floats, Forest, Numbers

GAP = 1e-4
"""How much more than the best choice a solution may lose, relative to it."""
_NODES = 1000
"""Where a search ends unfinished. Nodes and not seconds, so that a busy machine comes to the same plan."""


@dataclass(frozen=True)
class Solution:
    """What was found, and how good it is for sure."""

    chosen: Numbers | None
    """The numbers of the states chosen; None where none was found in time, though there may be one."""
    loss: float
    gap: float
    """The share of `loss` that the best choice may lose less."""
    columns: int
    """That prices left, of all."""
    nodes: int


def solve(forest: Forest, loss: Floats, changes: Floats, most: Sequence[float]) -> Solution | None:
    """The choice of least loss (S,) with `changes` (K, S) within `most` (K,); None where no choice is. S: all states.

    Infinite costs can't be had. Limits are kept to about a billionth of their row's range.
    """
    finite = np.isfinite(loss) & np.isfinite(changes).all(axis=0)
    possible = forest.keeping(finite[forest.columns])
    if possible is None:
        return None
    changes, limits = _distinct(np.where(finite, changes, 0.0), np.asarray(most, dtype=np.float64))
    whole = Branching(possible, loss[possible.columns], changes[:, possible.columns], limits, GAP)
    promising = whole.begin()
    chosen = None if whole.chosen is None else possible.columns[whole.chosen]
    core = possible.keeping(promising) if whole.bound < whole.sought else None
    if core is None:  # none is better
        return None if chosen is None else _solution(chosen, loss, max(whole.bound, whole.sought), 0, 1)
    rest = Branching(core, loss[core.columns], changes[:, core.columns], limits, GAP, whole.bound, whole.least)
    rest.search(_NODES)
    if rest.chosen is not None:
        chosen = core.columns[rest.chosen]
    if chosen is None and rest.bound >= rest.sought:
        return None
    return _solution(chosen, loss, rest.bound, len(core.columns), 1 + rest.nodes)


def _solution(chosen: Numbers | None, loss: Floats, bound: float, columns: int, nodes: int) -> Solution:
    if chosen is None:
        return Solution(None, np.inf, np.inf, columns, nodes)
    lost = float(loss[chosen].sum())
    return Solution(chosen, lost, max(lost - bound, 0.0) / (abs(lost) or 1.0), columns, nodes)


def _distinct(changes: Floats, most: Floats) -> tuple[Floats, Floats]:
    """Limits without those of equal changes that allow more: a budget, and a level below it."""
    least, reach = dict[bytes, float](), 1 + np.abs(changes).sum(axis=1)  # no sum is beyond it, as infinite limits are
    for row, limit in zip(changes, np.clip(most, -reach, reach).tolist(), strict=True):
        least[row.tobytes()] = min(limit, least.get(row.tobytes(), np.inf))
    rows = [np.frombuffer(row) for row in least]
    return np.array(rows).reshape(len(rows), changes.shape[1]), np.array(list(least.values()), dtype=np.float64)
