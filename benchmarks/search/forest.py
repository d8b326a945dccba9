"""The best Plan under given prices: dynamic programming over the forest of a space's sites.

Where every limit has a price, the sites of a space depend on each other only through their states
(`spaces/states.py`), so the least sum is found from the leaves up, exactly.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from greenfront.search.allocation import Table
from greenfront.spaces import Plan, Settings, Space

Numbers = NDArray[np.float64]


class Forest:
    """A space's sites in states, in arrays; a column is one state of one site, in the order of `space.states`."""

    def __init__(self, space: Space) -> None:
        self.space = space
        ends = np.cumsum([len(site.states) for site in space.states])
        self._start = {site.path: int(end) - len(site.states) for site, end in zip(space.states, ends, strict=True)}
        self.columns = int(ends[-1])
        self._members: dict[str, list[NDArray[np.intp]]] = {}
        self._context: dict[str, NDArray[np.intp]] = {}
        self._found: dict[str, dict[tuple[frozenset[tuple[str, object]], int], int]] = {}
        sizes = {site.path: len(site.states) for site in space.states}
        for site in space.states:
            contexts = np.array([state.context for state in site.states])
            self._members[site.path] = [np.flatnonzero(contexts == n) for n in range(len(site.contexts))]
            self._found[site.path] = {
                (frozenset(state.own.items()), state.context): number for number, state in enumerate(site.states)
            }
            if site.parent is not None:
                of_parent = np.zeros(sizes[site.parent], dtype=np.intp)
                for context, allowing in enumerate(site.contexts):
                    of_parent[list(allowing)] = context
                self._context[site.path] = of_parent

    def flat(self, table: Table) -> Numbers:
        """A number per column, of a table by sites."""
        return np.concatenate([np.asarray(table[site.path], dtype=np.float64) for site in self.space.states])

    def losses(self, table: Table) -> Numbers:
        """A number per column, of a table by choices: what the options that a state takes lose together."""
        return np.array(
            [
                sum(table[name][index] for name, index in state.options)
                for site in self.space.states
                for state in site.states
            ]
        )

    def chosen(self, plan: Mapping[str, Settings]) -> NDArray[np.intp]:
        """The columns of a Plan of this space, one a site."""
        numbers: dict[str, int] = {}
        for site in self.space.states:
            context = 0 if site.parent is None else int(self._context[site.path][numbers[site.parent]])
            own = frozenset(plan.get(site.path, {}).items())
            numbers[site.path] = self._found[site.path][own, context]
        return np.array([self._start[path] + number for path, number in numbers.items()], dtype=np.intp)

    def best(self, price: Numbers) -> NDArray[np.intp]:
        """The columns with the least summed price, one a site; an infinite price is only paid where all are."""
        below = np.zeros(self.columns)
        cheapest: dict[tuple[str, int], int] = {}
        for site in reversed(self.space.states):
            start = self._start[site.path]
            totals = price[start : start + len(site.states)] + below[start : start + len(site.states)]
            least = np.zeros(len(site.contexts))
            for context, members in enumerate(self._members[site.path]):
                number = int(members[np.argmin(totals[members])])
                cheapest[site.path, context], least[context] = number, totals[number]
            if site.parent is not None:
                at, of_parent = self._start[site.parent], self._context[site.path]
                below[at : at + len(of_parent)] += least[of_parent]
        numbers: dict[str, int] = {}
        for site in self.space.states:
            context = 0 if site.parent is None else int(self._context[site.path][numbers[site.parent]])
            numbers[site.path] = cheapest[site.path, context]
        return np.array([self._start[path] + number for path, number in numbers.items()], dtype=np.intp)

    def plan(self, columns: Sequence[int] | NDArray[np.intp]) -> Plan:
        """The Plan of columns, one a site in the sites' order."""
        return Plan(
            {
                site.path: site.states[int(column) - self._start[site.path]].own
                for site, column in zip(self.space.states, columns, strict=True)
            }
        )


def at_level(forest: Forest, loss: Numbers, cost: Numbers, most: float, rounds: int = 30) -> NDArray[np.intp]:
    """The columns with the least loss at the price that brings the summed cost to at most `most`, by bisection.

    A plan on the convex hull of loss and cost; the cheapest plan where none is within `most`.
    """
    scale = float(np.abs(loss[np.isfinite(loss)]).sum()) / max(float(np.abs(cost[np.isfinite(cost)]).sum()), 1e-30)
    low, high = np.log(scale) - 25.0, np.log(scale) + 25.0
    found = forest.best(loss + np.exp(high) * cost)
    for _ in range(rounds):
        middle = (low + high) / 2
        columns = forest.best(loss + np.exp(middle) * cost)
        if float(cost[columns].sum()) <= most:
            found, high = columns, middle
        else:
            low = middle
    return found
