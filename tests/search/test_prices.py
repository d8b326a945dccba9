"""Prices against the linear program over all columns at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from greenfront.search.forest import Floats, Forest
from greenfront.search.prices import price
from tests.search.small_forests import Site, forest_of, forests, numbers

several = settings(deadline=None, max_examples=60)


def relaxed(forest: Forest, loss: Floats, changes: Floats, most: Floats) -> float | None:
    """The least loss of a mixture of choices within the limits, by a program with a variable per column."""
    rows = np.zeros((len(forest.depth), len(loss)))
    rows[forest.context, np.arange(len(loss))] = 1
    rows[forest.asked, forest.asking] -= 1
    found = linprog(loss, A_ub=changes, b_ub=most, A_eq=rows, b_eq=forest.depth == 0, bounds=(0, 1))
    return None if found.x is None else float(found.fun)


@several
@given(st.data())
def test_the_bound_is_that_of_the_relaxed_program(data: st.DataObject) -> None:
    forest = data.draw(forests())
    loss = data.draw(numbers(forest, 0, 20))
    changes = np.array([data.draw(numbers(forest, -9, 3)) for _ in range(data.draw(st.integers(1, 4)))]) / 9
    most = np.array([data.draw(st.integers(-30, 0)) for _ in changes]) / 9
    expected, found = relaxed(forest, loss, changes, most), price(forest, loss, changes, most)
    if found is None or expected is None:
        assert found is None
        assert expected is None
        return
    assert found.bound == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert found.bound <= expected + 1e-9
    assert (found.multipliers >= 0).all()
    assert forest.best(loss + found.multipliers @ changes)[1].sum() - found.multipliers @ most >= found.bound - 1e-4


def test_where_limits_ask_for_nothing_they_have_no_price() -> None:
    forest = forest_of([Site(None, (2,)), Site(None, (2,))])
    found = price(forest, np.array([3.0, 0.0, 5.0, 0.0]), np.array([[-1.0, 0.0, -1.0, 0.0]]), np.array([0.0]))
    assert found is not None
    assert found.multipliers.tolist() == [0.0]
    assert found.bound == 0.0


def test_a_price_is_what_the_last_unit_costs() -> None:
    # Savings of 1 for losses of 1, 2, 4 and 8; two are wanted.
    forest = forest_of([Site(None, (2,)) for _ in range(4)])
    loss, change = np.array([1.0, 0, 2, 0, 4, 0, 8, 0]), np.array([-1.0, 0] * 4)
    found = price(forest, loss, change[None], np.array([-2.5]))
    assert found is not None
    assert found.multipliers == pytest.approx([4.0])
    assert found.bound == pytest.approx(1 + 2 + 4 / 2)


@pytest.mark.parametrize("unit", [1e-9, 1e6])
def test_the_unit_of_losses_makes_no_difference(unit: float) -> None:
    rng = np.random.default_rng(3)
    forest = forest_of([Site(None, (6,)), Site(None, (3,)), Site(0, (4, 3), (0, 1, 0, 1, 0, 1))])
    loss, changes = rng.random(len(forest.context)), -rng.random((2, len(forest.context)))
    most = np.array([-1.6, -1.2])
    once, scaled = price(forest, loss, changes, most), price(forest, unit * loss, changes, most)
    assert once is not None
    assert scaled is not None
    assert scaled.bound / unit == pytest.approx(once.bound, rel=1e-5)
