"""Fronts and what a point adds to their hypervolume, against counting points and against random draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenfront.search import improvement
from greenfront.search.forest import Floats
from greenfront.search.improvement import Cells, non_dominated
from tests.search.layered import hypervolume

points_of = st.lists(st.tuples(*[st.integers(0, 5)] * 3), max_size=12)


@given(points_of, st.sampled_from([2, 3]))
def test_what_no_other_point_dominates_is_kept(drawn: list[tuple[int, ...]], objectives: int) -> None:
    several = [point[:objectives] for point in drawn]
    points = np.array(several, dtype=np.float64).reshape(-1, objectives)
    kept = {tuple(points[i]) for i in non_dominated(points)}
    wanted = {
        tuple(map(float, p))
        for p in several
        if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in several)
    }
    assert kept == wanted
    assert len(kept) == len(non_dominated(points))


def gained(points: Floats, new: Floats, reference: Floats) -> float:
    """By counting the cells of a fine grid that the new point alone dominates; all whole numbers."""
    axes = [np.arange(int(r)) + 0.5 for r in reference]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(reference))

    before = sum(((point <= grid).all(axis=1) for point in points), np.zeros(len(grid)))
    return float(((new <= grid).all(axis=1) * (before == 0)).sum())


@settings(deadline=None, max_examples=60)
@given(points_of, st.tuples(*[st.integers(-1, 6)] * 3))
def test_a_certain_point_adds_the_volume_it_alone_covers(drawn: list[tuple[int, ...]], new: tuple[int, ...]) -> None:
    points, reference = np.array(drawn, dtype=np.float64).reshape(-1, 3), np.array([5.0, 4.0, 5.0])
    point = np.maximum(np.array(new, dtype=np.float64), 0)
    found = Cells(points, reference).expected(point[:1], np.zeros(1), point[None, 1:])
    assert found[0] == pytest.approx(gained(points, point, reference), abs=1e-6)


@pytest.mark.parametrize("mean", [0.2, 1.4, 3.0])
def test_an_uncertain_point_adds_what_draws_of_it_add_on_average(mean: float) -> None:
    points, reference = np.array([[0.5, 3.0], [1.0, 2.0], [2.5, 0.5]]), np.array([4.0, 4.0])
    rng = np.random.default_rng(0)
    before = hypervolume(points, reference)
    drawn = [hypervolume(np.vstack([points, [loss, 1.2]]), reference) - before for loss in rng.normal(mean, 0.7, 20000)]
    found = Cells(points, reference).expected(np.array([mean]), np.array([0.7]), np.array([[1.2]]))
    assert found[0] == pytest.approx(np.mean(drawn), rel=0.03)


def test_what_is_certain_to_be_dominated_adds_nothing_and_uncertainty_adds_something() -> None:
    cells = Cells(np.array([[1.0, 1.0]]), np.array([4.0, 4.0]))
    found = cells.expected(np.array([2.0, 2.0, 0.5]), np.array([0.0, 1.0, 0.0]), np.full((3, 1), 2.0))
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert 0 < found[1] < found[2]


def test_of_a_large_front_some_points_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = np.linspace(0, 1, 200)
    points = np.column_stack([steps, 1 - steps])
    exact = Cells(points, np.ones(2)).expected(np.array([0.2]), np.array([0.1]), np.array([[0.4]]))
    monkeypatch.setattr(improvement, "MOST_CELLS", 40)
    fewer = Cells(points, np.ones(2)).expected(np.array([0.2]), np.array([0.1]), np.array([[0.4]]))
    assert fewer[0] == pytest.approx(exact[0], rel=0.1)
