"""A sampler's random numbers, decided by a seed and by the number of the trial that they are drawn for.

A sampler draws its numbers one after the other, and one that is made anew begins them anew. So that a search which is
continued proposes what it would have proposed, every trial has random numbers of its own.
"""

from collections.abc import Iterator

import numpy as np
from optuna.samplers import BaseSampler


class Repeatable:
    """Gives a sampler, whatever it is, the random numbers of a trial."""

    def __init__(self, sampler: BaseSampler) -> None:
        """The seed is drawn from the sampler itself: the same for the same `seed` that it was made with."""
        self._generators = list(_generators(sampler))
        self._seed = int(self._generators[0].randint(2**31)) if self._generators else 0

    def begin(self, number: int) -> None:
        """From now on the sampler draws the numbers of this trial."""
        for generator in self._generators:
            generator.seed([self._seed, number])


def _generators(sampler: BaseSampler) -> Iterator[np.random.RandomState]:
    """Those of a sampler and of the samplers that it asks. Optuna's hold theirs behind a property called `rng`."""
    for value in vars(sampler).values():
        if isinstance(value, BaseSampler):
            yield from _generators(value)
        elif isinstance(generator := getattr(value, "rng", None), np.random.RandomState):
            yield generator
