"""A front that grows, against that of all points at once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from greenfront.search.front import pareto_mask
from greenfront.search.growing_front import GrowingFront

VALUES = st.sampled_from([0.0, 1.0, 2.0, 3.0, float("nan")])


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=12))
def test_it_is_that_of_all_points_at_once_and_knows_what_it_would_take(points: list[tuple[float, ...]]) -> None:
    front = GrowingFront[int](3)
    for number, point in enumerate(points):
        assert front.takes(np.array(point)) == bool(pareto_mask(np.array(points[: number + 1]))[number])
        front.add(number, np.array(point))
        assert front.items == np.flatnonzero(pareto_mask(np.array(points[: number + 1]))).tolist()
