"""A Pareto front that points are added to one by one: what is dominated once is dominated for good, and forgotten."""

from typing import Generic, TypeVar

import numpy as np

from greenfront.search.forest import Floats

Item = TypeVar("Item")


class GrowingFront(Generic[Item]):
    """Items whose points (D,) no other one added so far dominates; every coordinate is minimised.

    As `pareto_mask`: of equal points all are kept, and a point with a NaN neither dominates nor is on the front.
    """

    def __init__(self, dimensions: int) -> None:
        self.items: list[Item] = []
        """In the order in which they were added."""
        self._points = np.zeros((0, dimensions))

    def takes(self, point: Floats) -> bool:
        """Whether an item at this point would be on the front."""
        dominated = (self._points <= point).all(axis=1) & (self._points < point).any(axis=1)
        return not (np.isnan(point).any() or dominated.any())

    def add(self, item: Item, point: Floats) -> None:
        """Take an item in, and those that it dominates out."""
        if not self.takes(point):
            return
        kept = np.flatnonzero(~((point <= self._points).all(axis=1) & (point < self._points).any(axis=1)))
        self._points = np.vstack([self._points[kept], point])
        self.items = [*(self.items[number] for number in kept), item]
