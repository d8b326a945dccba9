"""Which points of costs and an uncertain loss are expected to add how much to a front's hypervolume.

All objectives are minimised. Costs are known before a trial, the loss is not, so that the expected hypervolume
improvement (Emmerich et al. 2006) is exact for any number of objectives: the front's costs divide what lies below the
reference point into cells, in each of which the front's loss is a number, and what a Gaussian gains on a number has a
closed form. Letters: n points, F points of the front, A costs, M = A + 1 objectives, the loss first.
"""

import numpy as np
from scipy.special import ndtr

from greenfront.search.forest import Floats, Numbers

MOST_CELLS = 4096
"""Of a front with so many points that there would be more, some are left out."""


def non_dominated(points: Floats) -> Numbers:
    """(n, M) -> the numbers of those that no other one is at most equal to everywhere; of equal ones the first."""
    if points.shape[1] == 2:  # of thousands of points at once
        order = np.lexsort((points[:, 1], points[:, 0]))
        second = points[order, 1]
        return np.sort(order[second < np.append(np.inf, np.minimum.accumulate(second)[:-1])[: len(second)]])
    left, kept = np.lexsort([*points.T[::-1], points.sum(axis=1)]), list[int]()
    while len(left):
        first = left[0]  # the least sum of all that is left: nothing dominates it
        kept.append(int(first))
        left = left[(points[left] < points[first]).any(axis=1)]
    return np.array(sorted(kept), dtype=np.intp)


class Cells:
    """The front of points (n, M) as cells below the reference point (M,)."""

    def __init__(self, points: Floats, reference: Floats) -> None:
        costs = points.shape[1] - 1
        inside = points[(points < reference).all(axis=1)]
        front = inside[non_dominated(inside)]
        most = int(MOST_CELLS ** (1 / costs)) - 1
        if len(front) > most:
            ordered = front[np.argsort(front[:, 0])]
            front = ordered[np.linspace(0, len(ordered) - 1, most).round().astype(int)]
        # Along every cost: below all of the front, between its values, up to the reference.
        self._edges = [np.append(np.unique(front[:, 1 + k]), reference[1 + k]) for k in range(costs)]
        best = np.full([len(edges) for edges in self._edges], reference[0])
        corners = [np.searchsorted(edges, front[:, 1 + k]) + 1 for k, edges in enumerate(self._edges)]
        np.minimum.at(best, tuple(corners), front[:, 0])
        for k in range(costs):  # a point counts wherever every cost is at least its own
            np.minimum.accumulate(best, axis=k, out=best)
        self._best = best.ravel()

    def expected(self, mean: Floats, deviation: Floats, costs: Floats) -> Floats:
        """(n,) What points with Gaussian losses (n,), (n,) at costs (n, A) are expected to add to the hypervolume."""
        volumes = np.ones((len(mean), 1))
        for k, edges in enumerate(self._edges):
            lower = np.append(-np.inf, edges[:-1])
            length = np.maximum(edges - np.maximum(lower, costs[:, k : k + 1]), 0)
            volumes = (volumes[:, :, None] * length[:, None, :]).reshape(len(mean), -1)
        deviation = np.maximum(deviation, 1e-9)[:, None]
        standard = (self._best - mean[:, None]) / deviation
        density = np.exp(-(standard**2) / 2) / np.sqrt(2 * np.pi)
        gain: Floats = (volumes * deviation * (standard * ndtr(standard) + density)).sum(axis=1)
        return gain
