"""What counts as an improvement of a candidate that was trained on."""

import math

import numpy as np
import pytest

from greenfront.evaluators import Outputs
from greenfront.search.acceptance import improves


def outputs(right: int, divergence: float | None, count: int = 100) -> Outputs:
    """So many of the first of `count` examples right."""
    statistics = np.ones((count, 2))
    statistics[right:, 0] = 0
    return Outputs("accuracy", statistics, divergence)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((90, 0.05), (90, 0.04), True),
        ((90, 0.05), (95, 0.04), True),
        ((90, 0.05), (88, 0.04), True),  # two of a hundred are no difference
        ((90, 0.05), (70, 0.04), False),
        ((90, 0.05), (95, 0.05), False),
        ((90, 0.05), (95, 0.06), False),
        ((90, 0.05), (95, math.nan), False),
        ((90, 0.05), (95, None), False),
    ],
)
def test_the_divergence_decides_unless_the_metric_falls(
    before: tuple[int, float | None], after: tuple[int, float | None], expected: bool
) -> None:
    assert improves(outputs(*before), outputs(*after)) == expected


def test_a_floor_that_was_kept_stays_kept() -> None:
    before, after = outputs(90, 0.05), outputs(89, 0.04)
    assert not improves(before, after, [0.895])
    assert improves(before, after, [0.88])
    assert improves(before, after, [0.95])  # missed before, too
