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

from greenfront.search.forest import Floats, Forest
from greenfront.search.prices import price

GAP = 1e-4
"""How much more than the best choice a solution may lose, relative to it."""
CORE, GROWTH = 300, 4
"""Columns of the first program, and how many times more each further one has at most."""
_NODES, _SECONDS = 2000, 20.0
"""Where a program ends unsolved. Nodes decide, so that the same program gives the same plan on a busy machine."""
_SOLVED, _INFEASIBLE = 0, 2


@dataclass(frozen=True)
class Solution:
    """What was found, and how good it is for sure."""

    chosen: NDArray[np.intp] | None
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
    scale = np.abs(changes).max(axis=1, initial=0).clip(min=1e-30)
    changes, limits = changes / scale[:, None], np.asarray(most, dtype=np.float64) / scale
    prices = price(possible, loss[possible.columns], changes[:, possible.columns], limits)
    if prices is None:
        return None
    regrets = possible.regrets((loss + prices.multipliers @ changes)[possible.columns])
    unit = max(abs(prices.bound), 1e-6 * float(np.abs(loss).max()), 1e-300) / 100
    return _solved(possible, regrets, prices.bound, _Program(loss, changes, limits, unit))


def _solved(forest: Forest, regrets: Floats, bound: float, program: "_Program") -> Solution | None:
    """Programs over the columns of least regret, until those left out can't be in a choice that is better by `GAP`."""
    ascending = np.append(np.sort(regrets), np.inf)
    wanted, programs, lower, loss = CORE, 0, bound, np.inf
    chosen: NDArray[np.intp] | None = None
    while True:
        within = ascending[min(wanted, len(regrets)) - 1] * (1 + 1e-9) + 1e-12 * program.unit
        outside = bound + ascending[np.searchsorted(ascending, within, side="right")]
        core = forest.keeping(regrets <= within)
        assert core is not None  # each column is there with the best choice that it is in
        found, programs = program.over(core), programs + 1
        if found.x is not None:
            taken = core.columns[np.round(found.x) == 1]
            if program.loss[taken].sum() < loss:
                chosen, loss = taken, float(program.loss[taken].sum())
            lower = max(lower, min(program.unit * (found.mip_dual_bound or 0.0), outside))
        elif found.status == _INFEASIBLE and outside == np.inf:
            return None
        gap = max(loss - lower, 0.0) / max(abs(loss), program.unit) if chosen is not None else np.inf
        unsolved = found.status not in (_SOLVED, _INFEASIBLE) and chosen is not None
        if gap <= GAP or outside == np.inf or unsolved:
            return Solution(chosen, loss, gap, len(core.columns), programs)
        wanted = min(int(np.count_nonzero(bound + regrets < loss - GAP * abs(loss))), GROWTH * len(core.columns))


@dataclass(frozen=True)
class _Program:
    """Losses (S,), costs (K, S) and limits (K,), to be solved over some of the states."""

    loss: Floats
    changes: Floats
    limits: Floats
    unit: float
    """A hundredth of about what the solution loses: the solver takes a millionth for zero."""

    def over(self, forest: Forest) -> OptimizeResult:
        """The integer program over a forest's columns."""
        columns = forest.columns
        constraints = [_one_each(forest)]
        if len(self.limits):
            constraints.append(LinearConstraint(csr_array(self.changes[:, columns]), -np.inf, self.limits))
        return milp(
            self.loss[columns] / self.unit,
            integrality=np.ones(len(columns)),
            bounds=Bounds(0, 1),
            constraints=constraints,
            options={"time_limit": _SECONDS, "node_limit": _NODES, "mip_rel_gap": GAP / 2},
        )


def _one_each(forest: Forest) -> LinearConstraint:
    """In each context as many columns as of those that ask for it: one or none; in a root's one."""
    columns, contexts = len(forest.context), len(forest.depth)
    rows = np.concatenate([forest.context, forest.asked])
    entries = np.concatenate([np.ones(columns), -np.ones(len(forest.asked))])
    wanted = (forest.depth == 0).astype(np.float64)
    places = (rows, np.concatenate([np.arange(columns), forest.asking]))
    return LinearConstraint(csr_array((entries, places), shape=(contexts, columns)), wanted, wanted)
