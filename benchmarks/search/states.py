"""Plans of a space as the states of its sites, in numbers: their sums, and the best plan at a level of a cost."""

import numpy as np
from numpy.typing import NDArray

from greenfront.search.allocation import Table, state_losses
from greenfront.search.forest import Forest, flat, ordered, plan_of
from greenfront.search.plan_states import PlanStates
from greenfront.spaces import Plan, Space

Numbers = NDArray[np.float64]
Columns = NDArray[np.intp]
"""States by their number among all states of the sites in `ordered`; of a plan those that it takes."""


class States(PlanStates):
    """All states of a space's sites."""

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self.space, self._forest = space, Forest.of(space)
        self.count = len(self._forest.columns)

    def flat(self, table: Table) -> Numbers:
        """A number per state, of a table by sites."""
        return flat(self.space, table)

    def losses(self, table: Table) -> Numbers:
        """A number per state, of a table by choices: what the options that a state takes lose together."""
        return flat(self.space, state_losses(self.space, table))

    def options(self) -> list[tuple[tuple[str, int], ...]]:
        """The options that each state takes, by the names of their choices."""
        return [state.options for site in ordered(self.space) for state in site.states]

    def best(self, price: Numbers) -> Columns:
        """The states with the least summed price, one a site."""
        return np.flatnonzero(self._forest.best(price)[0])

    def plan(self, columns: Columns) -> Plan:
        """The Plan that takes these states."""
        return plan_of(self.space, set(columns.tolist()))


def at_level(states: States, loss: Numbers, cost: Numbers, most: float, rounds: int = 30) -> Columns:
    """The states with the least loss at the price that brings the summed cost to at most `most`, by bisection.

    A plan on the convex hull of loss and cost; the cheapest plan where none is within `most`.
    """
    scale = float(np.abs(loss[np.isfinite(loss)]).sum()) / max(float(np.abs(cost[np.isfinite(cost)]).sum()), 1e-30)
    low, high = np.log(scale) - 25.0, np.log(scale) + 25.0
    found = states.best(loss + np.exp(high) * cost)
    for _ in range(rounds):
        middle = (low + high) / 2
        columns = states.best(loss + np.exp(middle) * cost)
        if float(cost[columns].sum()) <= most:
            found, high = columns, middle
        else:
            low = middle
    return found
