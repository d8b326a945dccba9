"""The choice of least loss within several limits, by branch and bound over mixtures of choices.

What a mixture loses (`mixing.py`) is a bound on all choices; where it mixes several columns in one context, these are
split in two, by what they take of the limits: one branch has those that take less, the other those that take more
(Beale & Tomlin 1970, special ordered sets). Branches are bounded best first. In each, columns go whose regret under its
prices says that no choice with them is better than the best one known (reduced-cost fixing: Dantzig, Fulkerson &
Johnson 1954), and the mixture is rounded to a choice as in `decoder.py`. Letters as there.
"""

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greenfront.search.decoder import Decoder
from greenfront.search.exchanges import WITHIN
from greenfront.search.forest import Floats, Forest, Numbers
from greenfront.search.mixing import Found, Mixer, Mixture

_WORTH = 1e-6
"""Bounds end when another choice would lower the mixture's loss by less than this share of it."""
_SHARE = 1e-9
"""Of a mixture: below it is rounding."""
Branch = tuple[float, int, NDArray[np.bool_], Found]
"""What its choices lose at least, its number, the columns (N,) that they may have, and choices known before."""


@dataclass
class Branching:
    """Looks among the choices of a forest for one that loses less than those known, by a share `gap` or more."""

    forest: Forest
    loss: Floats
    """(N,)"""
    changes: Floats
    """(K, N)"""
    most: Floats
    """(K,)"""
    gap: float
    bound: float = -np.inf
    """No choice loses less, but for the best one known."""
    least: float = np.inf
    """What the best choice known loses."""
    chosen: Numbers | None = None
    """(S,) That choice, where it was found here."""
    nodes: int = 0

    def __post_init__(self) -> None:
        self._mixer, self._decoder = Mixer(self.forest, self.changes), Decoder(self.forest, self.changes)
        starts = np.searchsorted(self.forest.context, np.arange(len(self.forest.depth)))
        self._unit = float(np.abs(self.loss).max()) or 1.0
        self._beyond = float(np.maximum.reduceat(np.abs(self.loss), starts).sum()) + self._unit

    @property
    def sought(self) -> float:
        """What a choice has to lose less than, to be better than the best one known; no choice loses more."""
        better = self.least - self.gap * abs(self.least) if np.isfinite(self.least) else self._beyond
        return better - 1e-12 * self._unit

    def begin(self) -> NDArray[np.bool_]:
        """Bound all choices; (N,) the columns that one may have that is better than what was found."""
        found = Found(self.loss)
        mixture = self._bounded(found)
        self.bound = max(self.bound, mixture.bound)
        return self._promising(found.loss, mixture)

    def search(self, nodes: int) -> None:
        """Bound at most so many branches."""
        branches: list[Branch] = [(self.bound, 0, np.ones(len(self.loss), dtype=np.bool_), Found(self.loss))]
        begun, stuck = 1, np.inf
        while branches and self.nodes < nodes and branches[0][0] < self.sought:
            bound, _, allowed, known = heapq.heappop(branches)
            self.nodes += 1
            found = known.within(np.where(allowed, self.loss, np.inf))
            if not found.columns and self.forest.keeping(allowed) is None:
                continue
            mixture = self._bounded(found)
            bound = max(bound, mixture.bound)
            if bound >= self.sought:
                continue
            allowed = allowed & self._promising(found.loss, mixture)
            sides = self._sides(found, mixture)
            if sides is None and self._keeps(found, mixture):
                stuck = min(stuck, bound)
            for side in sides or ():
                heapq.heappush(branches, (bound, begun, allowed & side, found))
                begun += 1
        self.bound = max(self.bound, min(self.sought, stuck, branches[0][0] if branches else np.inf))

    def _bounded(self, found: Found) -> Mixture:
        """The best mixture of choices, and what it is rounded to taken if it is better."""
        mixture = self._mixer.mixed(found, self.most, _WORTH, self.sought)
        self._round(found, mixture)
        return mixture

    def _round(self, found: Found, mixture: Mixture) -> None:
        """Take the best of the choices that are whole, or that exchanges make whole."""
        over, losses = self._mixer.totals(found, self.most)
        whole = np.flatnonzero((over <= WITHIN).all(axis=1) & (losses < self.least))
        if len(whole):
            self._take(found.columns[whole[np.argmin(losses[whole])]])
        if mixture.bound < self.sought:
            rounded = self._decoder.whole(found, self.most, mixture)
            if rounded is not None:
                self._take(rounded)

    def _take(self, columns: Numbers) -> None:
        lost = float(self.loss[columns].sum())
        if lost < self.least:
            self.chosen, self.least = columns, lost

    def _promising(self, loss: Floats, mixture: Mixture) -> NDArray[np.bool_]:
        """(N,) The columns that a better choice may have, by the prices of the bound."""
        with np.errstate(invalid="ignore"):  # of two infinite ones, which are out
            regrets = self.forest.regrets(loss + mixture.bounding @ self.changes)
        promising: NDArray[np.bool_] = mixture.bound + regrets < self.sought
        return promising

    def _sides(self, found: Found, mixture: Mixture) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
        """The columns (N,) of two branches; None where the mixture is a single choice."""
        weights = np.zeros(len(self.loss))
        for number, share in zip(mixture.plans, mixture.shares, strict=True):
            if share > _SHARE:
                weights[found.columns[number]] += share
        context, contexts = self.forest.context, len(self.forest.depth)
        several = np.bincount(context[weights > 0], minlength=contexts) > 1
        if not several.any():
            return None
        taken = mixture.bounding @ self.changes
        taken = self.forest.carried(found.loss + taken, taken)
        finite = np.where(weights > 0, taken, 0.0)
        total = np.maximum(np.bincount(context, weights, contexts), _SHARE)
        mean = np.bincount(context, weights * finite, contexts) / total
        apart = np.bincount(context, weights * np.abs(finite - mean[context]), contexts)
        best = int(np.argmax(np.where(several, apart, -1.0)))
        here = context == best
        low = here & (taken <= mean[best])
        if not (weights[low] > 0).any() or not (weights[here & ~low] > 0).any():  # equal ones: one or the others
            low = np.zeros_like(here)
            low[np.flatnonzero(here & (weights > 0))[0]] = True
        return ~here | low, ~low

    def _keeps(self, found: Found, mixture: Mixture) -> bool:
        """Whether a mixture is within the limits."""
        over, _ = self._mixer.totals(found, self.most)
        return bool((mixture.shares @ over[list(mixture.plans)] <= 1e-7).all())
