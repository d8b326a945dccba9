"""The states of a Space's sites as arrays, and the best choice among them under given costs, by dynamic programming.

A column is a state of a site, a context the columns of which one is chosen once a column that asks for it is: those of
a root always, those of another site once its parent is in one of the states that the context says. Letters: N columns,
C contexts, T trees (sites without a parent).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from greenfront.spaces import Plan, Space
from greenfront.spaces.states import SiteStates

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class _Level:
    """The sites at one depth: their columns and contexts, and what asks for these."""

    columns: slice
    contexts: slice
    starts: Numbers
    """The first column of each context, and from which entry on it is asked for, below: both within this level."""
    askings: slice
    asked_from: Numbers


@dataclass(frozen=True)
class Forest:
    """Contexts by depth, columns by context."""

    columns: Numbers
    """(N,) Their numbers among all states of the space's sites, in `ordered`."""
    context: Numbers
    """(N,) The context each belongs to, ascending."""
    depth: Numbers
    """(C,) Ascending; 0 are the roots, one context each."""
    asking: Numbers
    """(A,) Columns that ask for a context ..."""
    asked: Numbers
    """(A,) ... and which, ascending."""

    @classmethod
    def of(cls, space: Space) -> "Forest":
        """All states of a space's sites, as `ordered` has them: column n is state n."""
        context, depth, asking, asked = list[int](), list[int](), list[int](), list[int]()
        depths, starts = dict[str, int](), dict[str, int]()
        for site in ordered(space):
            depths[site.path] = 0 if site.parent is None else depths[site.parent] + 1
            starts[site.path] = len(context)
            for number, allowing in enumerate(site.contexts):
                if site.parent is not None:
                    asking += [starts[site.parent] + state for state in allowing]
                    asked += [len(depth) + number] * len(allowing)
            context += [len(depth) + state.context for state in site.states]
            depth += [depths[site.path]] * len(site.contexts)
        numbers = (range(len(context)), context, depth, asking, asked)
        return cls(*(np.array(each, dtype=np.intp) for each in numbers))

    @cached_property
    def tree(self) -> Numbers:
        """(N,) The tree of each column."""
        of_context = np.arange(len(self.depth))
        for level in self._levels[1:]:
            asking = self.asking[level.askings][level.asked_from]  # any one: all are of one tree
            of_context[level.contexts] = of_context[self.context[asking]]
        return of_context[self.context]

    @property
    def trees(self) -> int:
        """T: how many sites have no parent; their contexts come first."""
        return int(np.count_nonzero(self.depth == 0))

    def sums(self, costs: Floats) -> tuple[Floats, Floats]:
        """(N,) costs -> (N,) each with the least of what it asks for, all the way down; (C,) the least in a context."""
        totals, least = costs.astype(np.float64), np.empty(len(self.depth))
        for level in reversed(self._levels):
            least[level.contexts] = np.minimum.reduceat(totals[level.columns], level.starts)
            asking, asked = self.asking[level.askings], self.asked[level.askings]
            totals += np.bincount(asking, weights=least[asked], minlength=len(totals))
        return totals, least

    def best(self, costs: Floats) -> tuple[NDArray[np.bool_], Floats]:
        """(N,) costs -> (N,) the choice with the least sum, of equal ones the first; (T,) what each tree comes to."""
        totals, least = self.sums(costs)
        winner = self._winners(totals, least)
        wanted, chosen = self.depth == 0, np.zeros(len(totals), dtype=np.bool_)
        for level in self._levels:
            asking, asked = self.asking[level.askings], self.asked[level.askings]
            wanted[asked[chosen[asking]]] = True
            here = wanted[level.contexts]
            chosen[winner[level.contexts][here]] = True
        return chosen, least[: self.trees]

    def regrets(self, costs: Floats) -> Floats:
        """(N,) costs -> (N,) how much more than the best choice the best one with this column comes to."""
        totals, least = self.sums(costs)
        regrets, of_context = totals - least[self.context], np.zeros(len(self.depth))
        for level in self._levels[1:]:
            asking = self.asking[level.askings]
            of_context[level.contexts] = np.minimum.reduceat(regrets[asking], level.asked_from)
            regrets[level.columns] += of_context[self.context[level.columns]]
        return regrets

    def carried(self, costs: Floats, values: Floats) -> Floats:
        """(N,) costs, values -> (N,) the value of each with those of what is best by costs among what it asks for."""
        winner, carried = self._winners(*self.sums(costs)), values.astype(np.float64)
        for level in reversed(self._levels):
            asking, asked = self.asking[level.askings], self.asked[level.askings]
            carried += np.bincount(asking, weights=carried[winner[asked]], minlength=len(carried))
        return carried

    def _winners(self, totals: Floats, least: Floats) -> Numbers:
        """(C,) The first column of each context that has the least, of what `sums` gives."""
        columns = np.flatnonzero(totals == least[self.context])
        context = self.context[columns]
        found: Numbers = columns[np.append(True, context[1:] != context[:-1])]  # contexts ascend
        assert len(found) == len(self.depth)
        return found

    def keeping(self, possible: NDArray[np.bool_]) -> "Forest | None":
        """With only these of its columns (N,), and of them only what a choice can take; None where there is no choice.

        `columns` says which are left.
        """
        kept = possible.copy()
        alive = np.zeros(len(self.depth), dtype=np.bool_)
        for level in reversed(self._levels):
            alive[level.contexts] = np.logical_or.reduceat(kept[level.columns], level.starts)
            asking, asked = self.asking[level.askings], self.asked[level.askings]
            kept[asking[~alive[asked]]] = False
        if not alive[: self.trees].all():
            return None
        for level in self._levels[1:]:
            asking = self.asking[level.askings]
            alive[level.contexts] &= np.logical_or.reduceat(kept[asking], level.asked_from)
            kept[level.columns] &= alive[self.context[level.columns]]
        column, context = np.cumsum(kept) - 1, np.cumsum(alive) - 1
        askings = kept[self.asking]
        return Forest(
            self.columns[kept],
            context[self.context[kept]],
            self.depth[alive],
            column[self.asking[askings]],
            context[self.asked[askings]],
        )

    @cached_property
    def _levels(self) -> tuple[_Level, ...]:
        starts = np.searchsorted(self.context, np.arange(len(self.depth) + 1))
        asked_from = np.searchsorted(self.asked, np.arange(len(self.depth) + 1))
        found = []
        bounds = np.searchsorted(self.depth, np.arange(self.depth.max(initial=0) + 2))
        for first, last in pairwise(int(bound) for bound in bounds):
            columns = slice(int(starts[first]), int(starts[last]))
            askings = slice(int(asked_from[first]), int(asked_from[last]))
            within = (starts[first:last] - columns.start, asked_from[first:last] - askings.start)
            found.append(_Level(columns, slice(first, last), within[0], askings, within[1]))
        return tuple(found)


def ordered(space: Space) -> list[SiteStates]:
    """The sites of a space by depth, as the states of a Forest are numbered."""
    depths = dict[str, int]()
    for site in space.states:
        depths[site.path] = 0 if site.parent is None else depths[site.parent] + 1
    return sorted(space.states, key=lambda site: depths[site.path])


def flat(space: Space, table: Mapping[str, Sequence[float]]) -> Floats:
    """(N,) A number per state of each site, by the site's path, as the columns of `Forest.of` are ordered."""
    return np.array([number for site in ordered(space) for number in table[site.path]], dtype=np.float64)


def plan_of(space: Space, chosen: set[int]) -> Plan:
    """The plan of the states with these numbers."""
    settings, first = {}, 0
    for site in ordered(space):
        for number, state in enumerate(site.states, first):
            if number in chosen:
                settings[site.path] = state.own
        first += len(site.states)
    return Plan(settings)
