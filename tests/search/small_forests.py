"""Small random forests of choices with losses and costs, and every choice there is in them."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from greenfront.search.forest import Floats, Forest

Choice = frozenset[int]
"""The columns chosen."""


@dataclass(frozen=True)
class Site:
    """How many columns each of its contexts has, and, but for a root, in which context each parent's column puts it."""

    parent: int | None
    sizes: tuple[int, ...]
    asked_by: tuple[int, ...] = ()


@st.composite
def forests(draw: st.DrawFn) -> Forest:
    """Up to five sites, up to three deep."""
    sites = [Site(None, (draw(st.integers(1, 3)),)) for _ in range(draw(st.integers(1, 2)))]
    parents = list(range(len(sites)))
    for depth in range(1, 3):
        below = []
        for parent in parents:
            for _ in range(draw(st.integers(0, 2 if len(sites) < 3 else min(1, 5 - len(sites))))):
                columns = sum(sites[parent].sizes)
                contexts = draw(st.integers(1, min(3, columns)))
                asked_by = tuple(number % contexts for number in range(columns))
                sizes = tuple(draw(st.integers(1, 4 - depth)) for _ in range(contexts))
                below.append(len(sites))
                sites.append(Site(parent, sizes, asked_by))
        parents = below
    return forest_of(sites)


def forest_of(sites: list[Site]) -> Forest:
    """The arrays of sites that stand in the order of their depth."""
    context, depth, asking, asked = list[int](), list[int](), list[int](), list[int]()
    depths, first = list[int](), list[int]()
    for site in sites:
        depths.append(0 if site.parent is None else depths[site.parent] + 1)
        first.append(len(context))
        for number, size in enumerate(site.sizes):
            if site.parent is not None:
                columns = [first[site.parent] + n for n, other in enumerate(site.asked_by) if other == number]
                asking += columns
                asked += [len(depth)] * len(columns)
            context += [len(depth)] * size
            depth.append(depths[-1])
    arrays = [np.array(each, dtype=np.intp) for each in (range(len(context)), context, depth, asking, asked)]
    return Forest(*arrays)


def every_choice(forest: Forest) -> list[Choice]:
    """All of them, by trying everything."""
    asks = list(zip(forest.asking.tolist(), forest.asked.tolist(), strict=True))

    def of_context(context: int) -> list[Choice]:
        found = []
        for column in np.flatnonzero(forest.context == context).tolist():
            below = [of_context(asked) for asking, asked in asks if asking == column]
            found += [frozenset({column}).union(*parts) for parts in product(*below)]
        return found

    roots = [of_context(root) for root in np.flatnonzero(forest.depth == 0).tolist()]
    return [frozenset().union(*parts) for parts in product(*roots)]


def of_choice(choice: Choice, numbers: Floats) -> Floats:
    """The sum over the columns of a choice, along the last axis."""
    summed: NDArray[np.float64] = numbers[..., sorted(choice)].sum(axis=-1)
    return summed


@st.composite
def numbers(draw: st.DrawFn, forest: Forest, low: int, high: int) -> Floats:
    """(N,) Whole numbers, so that no rounding decides what is within a limit; ties too."""
    count = len(forest.context)
    return np.array(draw(st.lists(st.integers(low, high), min_size=count, max_size=count)), dtype=np.float64)
