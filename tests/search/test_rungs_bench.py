"""The ladder on recorded trials."""

import numpy as np
import pytest
from indicators import Scale
from rungs import against_full, climb

SCALE = Scale((1e-3, 1e-3), (10.0, 10.0))


def points_of(seed: int, plans: int = 40, rungs: int = 3) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(N, R, 2): each plan loses the same share on every rung, so that the lowest tells all."""
    rng = np.random.default_rng(seed)
    last = np.exp(rng.uniform(-3, 1, (plans, 2)))
    return np.stack([last * [2.0 ** (rungs - 1 - rung), 1.0] for rung in range(rungs)], axis=1)


@pytest.mark.parametrize("seed", range(5))
def test_who_is_best_in_everything_climbs_to_the_top(seed: int) -> None:
    points = points_of(seed)
    points[7] = points.min(axis=0) / 2
    reached = climb(points, 3)
    assert reached[7] == 2
    assert len(reached) == len(points)
    assert 1 <= sum(rung == 2 for rung in reached) < sum(rung >= 1 for rung in reached) < len(points) / 2
    share, _ = against_full(points, (0, 15, 60), 3, SCALE)
    assert share == pytest.approx(1.0)


def test_steps_are_counted_up_to_the_highest_rung() -> None:
    points = points_of(0)
    reached = climb(points, 3)
    share, steps = against_full(points, (0, 15, 60), 3, SCALE)
    assert steps == pytest.approx(sum((0, 15, 60)[rung] for rung in reached) / (60 * len(points)))
    assert 0.3 < share <= 1.0
    assert steps < 1 / 3
