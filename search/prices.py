"""Prices of costs: the multipliers of limits that bound best what any choice within the limits loses.

The Lagrangian dual `max over u >= 0 of min over choices x of loss(x) + u (cost(x) - limit)`. A Forest solves the inner
minimum, so Dantzig-Wolfe decomposition needs few rounds: a small linear program mixes the choices found of each tree,
its dual values are the next multipliers, under which each tree proposes another choice (Dantzig & Wolfe 1960; Fisher
1981, "The Lagrangian relaxation method"). A tree's choices are the corners of its linear relaxation, so that the bound
is that of the relaxed integer program. Letters: N columns, K limits, T trees, P choices of single trees.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from greenfront.search.forest import Floats, Forest, Numbers

ROUNDS = 200
_CLOSE = 1e-6
"""Where relaxed losses and their bound are called equal, relative to what losses come to."""
_WITHIN = 1e-7
"""How much a limit may be missed, in units of its row's largest entry: what the solver calls feasible."""


@dataclass(frozen=True)
class Prices:
    """What limits are worth."""

    multipliers: Floats
    """(K,) Loss per unit of each cost, at least 0."""
    bound: float
    """No choice within the limits loses less."""


@dataclass
class _Mixture:
    """Choices of single trees, P in all, and the best mixture of them."""

    forest: Forest
    loss: Floats
    changes: Floats
    trees: list[Numbers] = field(default_factory=list)
    losses: list[Floats] = field(default_factory=list)
    costs: list[Floats] = field(default_factory=list)

    def add(self, chosen: NDArray[np.bool_], new: Numbers) -> None:
        """Take in what a choice (N,) chooses in the trees `new`."""
        tree, count = self.forest.tree[chosen], self.forest.trees
        rows = [np.bincount(tree, weights=row[chosen], minlength=count)[new] for row in (self.loss, *self.changes)]
        summed = np.array(rows, dtype=np.float64)
        self.trees.append(new)
        self.losses.append(summed[0])
        self.costs.append(summed[1:])

    def best(self, most: Floats, missing: bool, unit: float) -> tuple[float, Floats, Floats] | None:
        """The mixture of least loss within the limits, or that which misses them by the least sum.

        Its value, and the dual values of limits (K,) and trees (T,); None where the solver finds none. Losses are
        solved for in units of `unit`, since what it takes for zero is absolute.
        """
        trees, costs = np.concatenate(self.trees), np.concatenate(self.costs, axis=1)
        objective, one_each = np.concatenate(self.losses) / unit, np.zeros((self.forest.trees, len(trees)))
        one_each[trees, np.arange(len(trees))] = 1
        if missing:
            limits = len(most)
            objective = np.concatenate([np.zeros(len(trees)), np.ones(limits)])
            costs = np.hstack([costs, -np.eye(limits)])
            one_each = np.hstack([one_each, np.zeros((len(one_each), limits))])
        found = linprog(objective, A_ub=costs, b_ub=most, A_eq=one_each, b_eq=np.ones(len(one_each)))
        if found.x is None:
            return None
        return unit * found.fun, -unit * found.ineqlin.marginals, unit * found.eqlin.marginals


def price(forest: Forest, loss: Floats, changes: Floats, most: Floats) -> Prices | None:
    """Prices of the limits `changes` (K, N) <= `most` (K,), losses (N,); None where no choice is within all of them.

    Rows should be of about the size of 1: it is in their units that a limit may be missed by `_WITHIN`.
    """
    everywhere = np.arange(forest.trees)
    chosen, least = forest.best(loss)
    if (changes[:, chosen].sum(axis=1) <= most).all():
        return Prices(np.zeros(len(most)), float(least.sum()))
    mixture = _Mixture(forest, loss, changes)
    for row in (loss, *changes, changes.sum(axis=0)):
        mixture.add(forest.best(row)[0], everywhere)
    missed = _optimum(mixture, np.zeros_like(loss), most, missing=True)
    if missed is None:
        return None
    return _optimum(mixture, loss, most + _WITHIN, missing=False)


def _optimum(mixture: _Mixture, objective: Floats, most: Floats, missing: bool) -> Prices | None:
    """The best bound on the objective; with `missing` on what limits are missed by, and None where they must be."""
    forest, changes, unit = mixture.forest, mixture.changes, float(np.abs(objective).max()) or 1.0
    found = Prices(np.zeros(len(most)), float(forest.best(objective)[1].sum()))
    for _ in range(ROUNDS):
        relaxed = mixture.best(most, missing, unit)
        if relaxed is None:  # too near to infeasible for the solver: what is known is still true
            break
        value, of_limits, of_trees = relaxed
        multipliers = np.maximum(of_limits, 0)
        chosen, least = forest.best(objective + multipliers @ changes)
        bound = float(least.sum() - multipliers @ most)
        if bound > found.bound:
            found = Prices(multipliers, bound)
        if missing and found.bound > _WITHIN:
            return None
        close = value <= _WITHIN if missing else value - found.bound <= _CLOSE * abs(value)
        promising = np.flatnonzero(least < of_trees - 1e-12 * unit)
        if close or not len(promising):
            break
        mixture.add(chosen, promising)
        unit = 1.0 if missing else max(abs(value), 1e-9 * unit)
    return found
