"""Mixtures of plans that lose least within limits: the linear relaxation of an allocation, by Dantzig-Wolfe.

Under prices of the limits the best plan is a dynamic program (`forest.py`). Prices come from the linear program that
mixes the plans found so far (Dantzig & Wolfe 1960): its dual values price the next one, until none is worth more. It
has a row per limit and one that says that shares add up to 1, so its basis is a matrix of a few rows, and a round costs
little more than its dynamic program. Letters: N columns, K limits, T trees, S sites, P plans found.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from greenfront.search.forest import Floats, Forest, Numbers

ROUNDS = 60
_DEAREST = 1e7
"""The price of missing a limit: of all of a row's range, in units of the largest loss of a column."""


@dataclass
class Found:
    """The plans found under one set of losses, for whatever limits come next: those of one help with another."""

    loss: Floats
    """(N,) Infinite where a column can't be had."""
    columns: list[Numbers] = field(default_factory=list)
    """P times the columns chosen (S,)."""
    losses: list[Floats] = field(default_factory=list)
    """P times the losses of the trees (T,)."""
    costs: list[Floats] = field(default_factory=list)
    """P times what the trees change in every limit (K, T)."""

    def within(self, loss: Floats) -> "Found":
        """The same with other losses, infinite in more columns, and the plans that do without these."""
        kept = [number for number, chosen in enumerate(self.columns) if np.isfinite(loss[chosen]).all()]
        columns, losses = [self.columns[number] for number in kept], [self.losses[number] for number in kept]
        return Found(loss, columns, losses, [self.costs[number] for number in kept])


@dataclass(frozen=True)
class Mixture:
    """The shares of plans found that lose least within the limits, together."""

    loss: float
    plans: tuple[int, ...]
    """Which have a share."""
    shares: Floats
    """Of each of these; what is missing to 1 would be of plans that miss limits."""
    prices: Floats
    """(K,)"""
    bound: float
    """No plan within the limits loses less."""
    bounding: Floats
    """(K,) The prices that prove it."""


@dataclass(frozen=True)
class Mixer:
    """Mixes plans of one forest whose columns change limited costs by `changes` (K, N)."""

    forest: Forest
    changes: Floats

    def mixed(self, found: Found, most: Floats, worth: float, enough: float = np.inf) -> Mixture:
        """The best mixture within the limits `most` (K,), its plans added to those found.

        It ends when a plan would lower its loss by less than a share `worth` of it, or as no plan loses less than
        `enough`.
        """
        finite = np.abs(found.loss[np.isfinite(found.loss)])
        limits, unit = len(most), float(finite.max(initial=0.0)) or 1.0
        if not found.columns:
            self._priced(found, np.zeros(limits))
        dearest = _DEAREST * unit
        # The basis: a plan, and what is left of each limit or missing to it. Columns of the program are plans, then
        # what is left of each limit, then what is missing.
        cost, loss = self.totals(found, most)
        basis = [("plan", 0), *(("left" if cost[0, k] <= 0 else "missing", k) for k in range(limits))]
        bound, bounding = -np.inf, np.zeros(limits)
        for _ in range(ROUNDS):
            matrix = np.array([_column(kind, number, cost) for kind, number in basis]).T
            worths = {"left": 0.0, "missing": dearest}
            value = np.array([loss[number] if kind == "plan" else worths[kind] for kind, number in basis])
            inverse = np.linalg.inv(matrix)
            dual = value @ inverse
            prices, threshold = np.maximum(-dual[:limits], 0), float(dual[limits])
            share = inverse[:, limits]  # the right-hand side is zero but for the shares' sum
            entering = _entering(-dual[:limits], threshold, dearest, cost, loss, worth)
            if entering is None:
                before = len(found.columns)
                self._priced(found, prices / self.scale)
                cost = np.vstack([cost, (found.costs[before].sum(axis=1) - most) / self.scale])
                loss = np.append(loss, found.losses[before].sum())
                least = float(loss[before] + prices @ cost[before])
                if least > bound:
                    bound, bounding = least, prices / self.scale
                if threshold - least <= worth * abs(threshold) + 1e-12 * unit or bound >= enough:
                    break
                entering = ("plan", before)
            direction = inverse @ _column(*entering, cost)
            ratios = np.where(direction > 1e-9, share / np.where(direction > 1e-9, direction, 1.0), np.inf)
            leaving = int(np.argmin(ratios))
            if not np.isfinite(ratios[leaving]):
                break
            basis[leaving] = entering
        plans = [(number, share[place]) for place, (kind, number) in enumerate(basis) if kind == "plan"]
        shares = np.array([part for _, part in plans])
        return Mixture(threshold, tuple(n for n, _ in plans), shares, prices / self.scale, bound, bounding)

    def totals(self, found: Found, most: Floats) -> tuple[Floats, Floats]:
        """Of every plan found: what it changes beyond each limit (P, K), in ranges of the row, and its loss (P,)."""
        costs = np.array(found.costs).sum(axis=2)
        return (costs - most) / self.scale, np.array(found.losses).sum(axis=1)

    @cached_property
    def scale(self) -> Floats:
        """(K,) The range of every row."""
        span = np.ptp(self.changes, axis=1) if self.changes.size else np.ones(len(self.changes))
        return np.where(span > 0, span, 1.0)

    def _priced(self, found: Found, prices: Floats) -> None:
        """Add the best plan under prices (K,)."""
        priced = found.loss + prices @ self.changes if len(prices) else found.loss
        columns = np.flatnonzero(self.forest.best(priced)[0])
        tree, trees = self.forest.tree[columns], self.forest.trees
        found.columns.append(columns)
        loss, *changed = (np.bincount(tree, each[columns], trees) for each in (found.loss, *self.changes))
        found.losses.append(loss.astype(np.float64))
        found.costs.append(np.array(changed, dtype=np.float64).reshape(len(changed), trees))


def _column(kind: str, number: int, cost: Floats) -> Floats:
    """A column of the linear program (K + 1,)."""
    limits = cost.shape[1]
    if kind == "plan":
        return np.append(cost[number], 1.0)
    unit = np.zeros(limits + 1)
    unit[number] = 1.0 if kind == "left" else -1.0
    return unit


def _entering(
    prices: Floats, threshold: float, dearest: float, cost: Floats, loss: Floats, worth: float
) -> tuple[str, int] | None:
    """The column among those known that lowers the loss of the mixture the most, None where none does."""
    reduced = loss + cost @ prices - threshold
    best = int(np.argmin(reduced))
    if reduced[best] < -worth * abs(threshold) - 1e-15 * dearest:
        return "plan", best
    for k, of_limit in enumerate(prices):
        if of_limit < -1e-15 * dearest:
            return "left", k
        if of_limit > dearest * (1 + 1e-9):
            return "missing", k
    return None
