"""From losses to a plan within limits in milliseconds: Lagrangian relaxation on the forest of a space's sites.

The best mixture of plans (`mixing.py`) has a few of them, and prices. What a mixture can't say is mended by exchanging
the plans of single trees among those found, then single states of sites. Letters: N columns, K limits, T trees, S
sites, P plans found.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from greenfront.search.exchanges import WITHIN, exchange
from greenfront.search.forest import Floats, Forest, Numbers
from greenfront.search.mixing import Found, Mixer, Mixture

_WORTH = 1e-3
"""Rounds end when a plan would lower the mixture's loss by less than this share of it."""
_ENOUGH = 0.05
"""A plan that loses so much more than the mixture, or less, is good enough."""
_EXCHANGES = 256
"""States that one of a plan's may be exchanged for, of the least regret under the prices: one of much regret is in no
plan that is much better than the mixture."""


@dataclass(frozen=True)
class Decoder:
    """Finds plans in one forest whose columns change limited costs by `changes` (K, N)."""

    forest: Forest
    changes: Floats

    def decode(self, found: Found, most: Floats) -> Numbers | None:
        """The columns (S,) of a plan that loses little within the limits `most` (K,); None where none was found."""
        return self.whole(found, most, self._mixer.mixed(found, most, _WORTH))

    def whole(self, found: Found, most: Floats, mixture: Mixture) -> Numbers | None:
        """A plan that loses little more than a mixture of plans found."""
        start, best, least = self._rounded(found, most, mixture.prices), None, np.inf
        for columns in (start, *(found.columns[number] for number in mixture.plans)):
            refined = self._refined(columns, found.loss, most, mixture.prices)
            if refined is not None and found.loss[refined].sum() < least:
                best, least = refined, float(found.loss[refined].sum())
            if least <= (1 + _ENOUGH) * mixture.loss:
                break
        return best

    def _rounded(self, found: Found, most: Floats, prices: Floats) -> Numbers:
        """A whole plan, within the limits if exchanges come to one, made of the trees of those found."""
        losses, costs = np.array(found.losses), np.array(found.costs) / self._scale[:, None]
        over, loss = self._mixer.totals(found, most)
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
    def _mixer(self) -> Mixer:
        return Mixer(self.forest, self.changes)

    @property
    def _scale(self) -> Floats:
        return self._mixer.scale
