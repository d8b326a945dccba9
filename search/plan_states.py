"""Which of all states of a space's sites a plan takes."""

from collections.abc import Mapping

import numpy as np

from greenfront.search.forest import Numbers, ordered
from greenfront.spaces import Settings, Space
from greenfront.spaces.plan import Value


class PlanStates:
    """Looks up the states of plans, by their numbers among all states of the space's sites, in `ordered`."""

    def __init__(self, space: Space) -> None:
        self._sites = ordered(space)
        self._contexts = dict[tuple[str, int], int]()
        self._numbers = dict[tuple[str, int, frozenset[tuple[str, Value]]], int]()
        first, starts = 0, dict[str, int]()
        for site in self._sites:
            starts[site.path] = first
            if site.parent is not None:
                for context, allowing in enumerate(site.contexts):
                    self._contexts |= {(site.path, starts[site.parent] + state): context for state in allowing}
            for number, state in enumerate(site.states, first):
                self._numbers[site.path, state.context, frozenset(state.own.items())] = number
            first += len(site.states)

    def of(self, plan: Mapping[str, Settings]) -> Numbers:
        """(S,) Those of a Plan of the space, one a site, ascending."""
        found = dict[str, int]()
        for site in self._sites:
            context = 0 if site.parent is None else self._contexts[site.path, found[site.parent]]
            found[site.path] = self._numbers[site.path, context, frozenset(plan.get(site.path, {}).items())]
        return np.array(list(found.values()), dtype=np.intp)
