"""From losses to a plan within limits in milliseconds: Lagrangian relaxation on the forest of a space's sites.

Under prices of the limits the best plan is a dynamic program (`forest.py`). Prices come from the linear program that
mixes the plans found so far (Dantzig & Wolfe 1960): its dual values price the next one, until none is worth more. It
has a row per limit and one that says that shares add up to 1, so its basis is a matrix of a few rows, and a round costs
little more than its dynamic program. What a mixture can't say is mended by exchanging the plans of single trees among
those found, then single states of sites. Letters: N columns, K limits, T trees, S sites, P plans found.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from greenfront.search.exchanges import WITHIN, exchange
from greenfront.search.forest import Floats, Forest, Numbers

ROUNDS = 60
_WORTH = 1e-3
"""Rounds end when a plan would lower the mixture's loss by less than this share of it."""
_ENOUGH = 0.05
"""A plan that loses so much more than the mixture, or less, is good enough."""
_EXCHANGES = 256
"""States that one of a plan's may be exchanged for, of the least regret under the prices: one of much regret is in no
plan that is much better than the mixture."""
_DEAREST = 1e7
"""The price of missing a limit: of all of a row's range, in units of the largest loss of a column."""


@dataclass
class Found:
    """The plans found under one set of losses, for whatever limits come next: those of one help with another."""

    loss: Floats
    """(N,)"""
    columns: list[Numbers] = field(default_factory=list)
    """P times the columns chosen (S,)."""
    losses: list[Floats] = field(default_factory=list)
    """P times the losses of the trees (T,)."""
    costs: list[Floats] = field(default_factory=list)
    """P times what the trees change in every limit (K, T)."""


@dataclass(frozen=True)
class _Mixture:
    """The shares of plans found that lose least within the limits, together."""

    loss: float
    plans: tuple[int, ...]
    """Which have a share."""
    prices: Floats
    """(K,)"""


@dataclass(frozen=True)
class Decoder:
    """Finds plans in one forest whose columns change limited costs by `changes` (K, N)."""

    forest: Forest
    changes: Floats

    def decode(self, found: Found, most: Floats) -> Numbers | None:
        """The columns (S,) of a plan that loses little within the limits `most` (K,); None where none was found."""
        mixture = self._mixed(found, most)
        start, best, least = self._rounded(found, most, mixture.prices), None, np.inf
        for columns in (start, *(found.columns[number] for number in mixture.plans)):
            refined = self._refined(columns, found.loss, most, mixture.prices)
            if refined is not None and found.loss[refined].sum() < least:
                best, least = refined, float(found.loss[refined].sum())
            if least <= (1 + _ENOUGH) * mixture.loss:
                break
        return best

    def _priced(self, found: Found, prices: Floats) -> None:
        """Add the best plan under prices (K,)."""
        priced = found.loss + prices @ self.changes if len(prices) else found.loss
        columns = np.flatnonzero(self.forest.best(priced)[0])
        of_trees = np.zeros((1 + len(self.changes), self.forest.trees))
        tree = self.forest.tree[columns]
        for sums, numbers in zip(of_trees, (found.loss, *self.changes), strict=True):
            np.add.at(sums, tree, numbers[columns])
        found.columns.append(columns)
        found.losses.append(of_trees[0])
        found.costs.append(of_trees[1:])

    def _mixed(self, found: Found, most: Floats) -> _Mixture:
        """The best mixture within the limits, its plans added to those found."""
        finite = np.abs(found.loss[np.isfinite(found.loss)])
        limits, unit = len(most), max(float(finite.max(initial=0.0)), 1e-30)
        if not found.columns:
            self._priced(found, np.zeros(limits))
        dearest = _DEAREST * unit
        # The basis: a plan, and what is left of each limit or missing to it. Columns of the program are plans, then
        # what is left of each limit, then what is missing.
        cost, loss = self._totals(found, most)
        basis = [("plan", 0), *(("left" if cost[0, k] <= 0 else "missing", k) for k in range(limits))]
        for _ in range(ROUNDS):
            matrix = np.array([self._column(kind, number, cost) for kind, number in basis]).T
            worth = {"left": 0.0, "missing": dearest}
            value = np.array([loss[number] if kind == "plan" else worth[kind] for kind, number in basis])
            inverse = np.linalg.inv(matrix)
            dual = value @ inverse
            prices, threshold = -dual[:limits], dual[limits]
            entering = self._entering(prices, threshold, dearest, cost, loss)
            if entering is None:
                before = len(found.columns)
                self._priced(found, np.maximum(prices, 0) / self._scale)
                cost, loss = self._totals(found, most)
                gain = threshold - (loss[before] + prices @ cost[before])
                if gain <= _WORTH * abs(threshold) + 1e-12 * unit:
                    break
                entering = ("plan", before)
            direction = inverse @ self._column(*entering, cost)
            share = inverse[:, limits]  # the right-hand side is zero but for the shares' sum
            ratios = np.where(direction > 1e-9, share / np.where(direction > 1e-9, direction, 1.0), np.inf)
            leaving = int(np.argmin(ratios))
            if not np.isfinite(ratios[leaving]):
                break
            basis[leaving] = entering
        plans = tuple(number for kind, number in basis if kind == "plan")
        return _Mixture(float(threshold), plans, np.maximum(prices, 0) / self._scale)

    def _totals(self, found: Found, most: Floats) -> tuple[Floats, Floats]:
        """Of every plan found: what it changes beyond each limit (P, K), in ranges of the row, and its loss (P,)."""
        costs = np.array(found.costs).sum(axis=2)
        return (costs - most) / self._scale, np.array(found.losses).sum(axis=1)

    def _column(self, kind: str, number: int, cost: Floats) -> Floats:
        """A column of the linear program (K + 1,)."""
        limits = cost.shape[1]
        if kind == "plan":
            return np.append(cost[number], 1.0)
        unit = np.zeros(limits + 1)
        unit[number] = 1.0 if kind == "left" else -1.0
        return unit

    def _entering(
        self, prices: Floats, threshold: float, dearest: float, cost: Floats, loss: Floats
    ) -> tuple[str, int] | None:
        """The column among those known that lowers the loss of the mixture the most, None where none does."""
        reduced = loss + cost @ prices - threshold
        best = int(np.argmin(reduced))
        if reduced[best] < -_WORTH * abs(threshold) - 1e-15 * dearest:
            return "plan", best
        for k, of_limit in enumerate(prices):
            if of_limit < -1e-15 * dearest:
                return "left", k
            if of_limit > dearest * (1 + 1e-9):
                return "missing", k
        return None

    def _rounded(self, found: Found, most: Floats, prices: Floats) -> Numbers:
        """A whole plan, within the limits if exchanges come to one, made of the trees of those found."""
        losses, costs = np.array(found.losses), np.array(found.costs) / self._scale[:, None]
        over, loss = self._totals(found, most)
        missed = np.maximum(over - WITHIN, 0).sum(axis=1)
        current = int(np.lexsort((loss, missed))[0])
        trees = losses.shape[1]
        plan, tree = np.divmod(np.arange(losses.size), trees)
        rows = np.column_stack([tree, losses.ravel(), costs.transpose(0, 2, 1).reshape(losses.size, len(most))])
        _, first = np.unique(rows, axis=0, return_index=True)
        priced, least = rows[:, 1:] @ np.append(1.0, prices * self._scale), np.full(trees, np.inf)
        np.minimum.at(least, tree, priced)
        first = first[np.argsort((priced - least[tree])[first], kind="stable")]
        plan, tree, rows = plan[first], tree[first], rows[first, 1:]
        taken = np.full(trees, current)
        own = np.column_stack([losses[current], costs[current].T])
        total = np.append(0.0, over[current])
        while True:
            step = exchange(tree, rows - own[tree], total)
            if step is None:
                break
            for option in step:
                total += rows[option] - own[tree[option]]
                own[tree[option]], taken[tree[option]] = rows[option], plan[option]
        parts = [
            columns[taken[self.forest.tree[columns]] == number]
            for number, columns in enumerate(found.columns)
            if number in taken
        ]
        return np.sort(np.concatenate(parts))

    def _refined(self, chosen: Numbers, loss: Floats, most: Floats, prices: Floats) -> Numbers | None:
        """The best within the limits that exchanges of single states come to from a plan; None where it isn't."""
        forest = self.forest
        of_context = np.full(len(forest.depth), -1, dtype=np.intp)
        of_context[forest.context[chosen]] = chosen
        present = of_context[forest.context]
        able = np.flatnonzero((present >= 0) & (self._asks == self._asks[present]) & np.isfinite(loss))
        able = able[present[able] != able]
        now = present[able]
        regret = loss[able] - loss[now] + prices @ (self.changes[:, able] - self.changes[:, now])
        able = able[np.argsort(regret, kind="stable")[:_EXCHANGES]]
        context = forest.context[able]
        scale = np.append(1.0, self._scale)
        rows = np.column_stack([loss[able], self.changes[:, able].T]) / scale
        total = np.append(0.0, (self.changes[:, chosen].sum(axis=1) - most) / self._scale)
        while True:
            own = np.column_stack([loss[of_context[context]], self.changes[:, of_context[context]].T]) / scale
            step = exchange(context, rows - own, total)
            if step is None:
                break
            for option in step:
                total += rows[option] - own[option]
                of_context[context[option]] = able[option]
        return None if (total[1:] > WITHIN).any() else np.sort(of_context[of_context >= 0])

    @cached_property
    def _asks(self) -> Numbers:
        """(N,) Columns with the same number ask for the same contexts: one may take the place of another."""
        signature: dict[int, list[int]] = {}
        for column, context in zip(self.forest.asking.tolist(), self.forest.asked.tolist(), strict=True):
            signature.setdefault(column, []).append(context)
        numbers: dict[tuple[int, ...], int] = {(): 0}
        asks = np.zeros(len(self.forest.columns), dtype=np.intp)
        for column, contexts in signature.items():
            asks[column] = numbers.setdefault(tuple(contexts), len(numbers))
        return asks

    @cached_property
    def _scale(self) -> Floats:
        """(K,) The range of every row."""
        span = np.ptp(self.changes, axis=1) if self.changes.size else np.ones(len(self.changes))
        return np.where(span > 0, span, 1.0)
