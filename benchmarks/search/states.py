"""Plans of a space as the states of its sites, in numbers: their sums, and the best plan at a level of a cost."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from greenfront.search.allocation import Table
from greenfront.search.forest import Forest, flat, ordered, plan_of
from greenfront.spaces import Plan, Settings, Space

Numbers = NDArray[np.float64]
Columns = NDArray[np.intp]
"""States by their number among all states of the sites in `ordered`; of a plan those that it takes."""


class States:
    """All states of a space's sites."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._forest = Forest.of(space)
        self._sites = ordered(space)
        self._found: dict[tuple[str, int], dict[frozenset[tuple[str, object]], int]] = {}
        self._context: dict[tuple[str, int], int] = {}
        number = 0
        for site in self._sites:
            for context, allowing in enumerate(site.contexts):
                self._context |= {(site.path, state): context for state in allowing}
            for state in site.states:
                self._found.setdefault((site.path, state.context), {})[frozenset(state.own.items())] = number
                number += 1
        starts = np.cumsum([0, *(len(site.states) for site in self._sites)])
        self._start = {site.path: int(start) for site, start in zip(self._sites, starts, strict=False)}
        self.count = number

    def flat(self, table: Table) -> Numbers:
        """A number per state, of a table by sites."""
        return flat(self.space, table)

    def losses(self, table: Table) -> Numbers:
        """A number per state, of a table by choices: what the options that a state takes lose together."""
        return np.array(
            [sum(table[name][index] for name, index in state.options) for site in self._sites for state in site.states]
        )

    def options(self) -> list[tuple[tuple[str, int], ...]]:
        """The options that each state takes, by the names of their choices."""
        return [state.options for site in self._sites for state in site.states]

    def of(self, plan: Mapping[str, Settings]) -> Columns:
        """The states that a Plan of this space takes, one a site."""
        numbers: dict[str, int] = {}
        for site in self._sites:
            within = 0
            if site.parent is not None:
                within = self._context[site.path, numbers[site.parent] - self._start[site.parent]]
            numbers[site.path] = self._found[site.path, within][frozenset(plan.get(site.path, {}).items())]
        return np.array(list(numbers.values()), dtype=np.intp)

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
