"""The choice in a Forest of least loss within limits on its costs: integer programs over the columns that may be in it.

Under the best prices, a column's regret is what any choice with it loses at least above the bound. Once a choice is
known, columns of larger regret than its own can't be in a better one (reduced-cost fixing: Dantzig, Fulkerson & Johnson
1954; a core of the multiple-choice knapsack: Pisinger 1995). So a program over the few columns of least regret comes
first, then one over all that its solution leaves, which is exact. Letters as in forest.py and prices.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import csr_array

from greenfront.search.forest import Floats, Forest, Numbers
from greenfront.search.prices import price

GAP = 1e-4
"""How much more than the best choice a solution may lose, relative to it."""
CORE, GROWTH = 150, 4
"""Columns of the first program, and how many times more each further one has at most."""
_NODES, _SECONDS = 100, 20.0
"""Where a program ends unsolved. Nodes decide, so that the same program gives the same plan on a busy machine."""
_INFEASIBLE = 2


@dataclass(frozen=True)
class Solution:
    """What was found, and how good it is for sure."""

    chosen: Numbers | None
    """The numbers of the states chosen; None where none was found in time, though there may be one."""
    loss: float
    gap: float
    """The share of `loss` that the best choice may lose less."""
    columns: int
    """Of the last program."""
    programs: int


def solve(forest: Forest, loss: Floats, changes: Floats, most: Sequence[float]) -> Solution | None:
    """The choice of least loss (S,) with `changes` (K, S) within `most` (K,); None where no choice is. S: all states.

    Infinite costs can't be had. Limits are kept to about a millionth of their row's largest entry.
    """
    finite = np.isfinite(loss) & np.isfinite(changes).all(axis=0)
    possible = forest.keeping(finite[forest.columns])
    if possible is None:
        return None
    loss, changes = np.where(finite, loss, 0.0), np.where(finite, changes, 0.0)
    # Every row in units of its largest entry: milliseconds and parameters differ by many powers of ten.
    scale = np.abs(changes).max(axis=1, initial=0)
    scale[scale == 0] = 1
    changes, beyond = changes / scale[:, None], float(loss.size)  # no sum is beyond it, and a solver's infinity is
    limits = np.clip(np.asarray(most, dtype=np.float64) / scale, -2 * beyond, 2 * beyond)
    prices = price(possible, loss[possible.columns], changes[:, possible.columns], limits)
    if prices is None:
        return None
    regrets = possible.regrets((loss + prices.multipliers @ changes)[possible.columns])
    unit = max(abs(prices.bound), 1e-6 * float(np.abs(loss).max())) or 1.0
    return _solved(possible, regrets, prices.bound, _Program(loss, changes, limits, unit))


def _solved(forest: Forest, regrets: Floats, bound: float, program: "_Program") -> Solution | None:
    """Programs over more and more columns, until those left out can't be in a choice that is better by `GAP`.

    Each further one looks only for a choice that is that much better and takes one of the columns that are new to it,
    which the relaxation mostly disproves at once: all of them have large regrets.
    """
    ascending = np.append(np.sort(regrets), np.inf)
    size, programs, before = min(CORE, len(regrets)), 0, -np.inf
    chosen: Numbers | None = None
    loss, sought, proven = np.inf, np.inf, np.inf  # the best found, what would be better, what none goes below
    while True:
        within = float(ascending[size - 1] * (1 + 1e-9) + 1e-12 * program.unit)
        core = forest.keeping(regrets <= within)
        assert core is not None  # each column is there with the best choice that it is in
        new = (regrets > before)[np.isin(forest.columns, core.columns)]
        found, programs, before = program.over(core, new, sought), programs + 1, within
        if sought == np.inf:  # this one was over everything that earlier ones were over
            proven = np.inf
        if found.status == _INFEASIBLE:
            proven = min(proven, sought)
        else:
            proven = min(proven, max(bound, program.unit * (found.mip_dual_bound or -np.inf)))
        if found.x is not None:
            taken = core.columns[np.round(found.x) == 1]
            if program.loss[taken].sum() < loss:
                chosen, loss = taken, float(program.loss[taken].sum())
                sought = loss - GAP * abs(loss)
        outside = bound + float(ascending[np.searchsorted(ascending, within, side="right")])
        if outside >= (min(proven, sought) if chosen is not None else np.inf):
            break
        needed = int(np.count_nonzero(bound + regrets < min(proven, sought))) if chosen is not None else len(regrets)
        size = max(min(needed, GROWTH * size), size + 1)
    if chosen is None and proven == np.inf:
        return None
    gap = max(loss - min(proven, outside), 0.0) / max(abs(loss), program.unit) if chosen is not None else np.inf
    return Solution(chosen, loss, gap, len(core.columns), programs)


@dataclass(frozen=True)
class _Program:
    """Losses (S,), costs (K, S) and limits (K,), to be solved over some of the states."""

    loss: Floats
    changes: Floats
    limits: Floats
    unit: float
    """About what the solution loses: the solver takes a millionth for zero."""

    def over(self, forest: Forest, new: NDArray[np.bool_], sought: float) -> OptimizeResult:
        """The integer program over a forest's columns (N,); where a loss is sought, of a choice with a new one."""
        loss = self.loss[forest.columns] / self.unit
        rows, most = [*self.changes[:, forest.columns]], [*self.limits]
        if np.isfinite(sought):
            rows, most = [*rows, loss, -new.astype(np.float64)], [*most, sought / self.unit, -1.0]
        constraints = [_one_each(forest)]
        if rows:
            constraints.append(LinearConstraint(csr_array(np.array(rows)), -np.inf, most))
        return milp(
            loss,
            integrality=np.ones(len(loss)),
            bounds=Bounds(0, 1),
            constraints=constraints,
            # Prices have left hardly anything to presolve, and what it does HiGHS has to repair, aloud, now and then.
            options={"presolve": False, "time_limit": _SECONDS, "node_limit": _NODES, "mip_rel_gap": GAP / 2},
        )


def _one_each(forest: Forest) -> LinearConstraint:
    """In each context as many columns as of those that ask for it: one or none; in a root's one."""
    columns, contexts = len(forest.context), len(forest.depth)
    rows = np.concatenate([forest.context, forest.asked])
    entries = np.concatenate([np.ones(columns), -np.ones(len(forest.asked))])
    wanted = (forest.depth == 0).astype(np.float64)
    places = (rows, np.concatenate([np.arange(columns), forest.asking]))
    return LinearConstraint(csr_array((entries, places), shape=(contexts, columns)), wanted, wanted)
