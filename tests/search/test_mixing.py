"""Mixtures of choices, and the bounds that they give, against the linear program over all columns at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from greenfront.search.forest import Floats, Forest
from greenfront.search.mixing import Found, Mixer, Mixture
from tests.search.small_forests import Site, forest_of, forests, numbers

several = settings(deadline=None, max_examples=60)


def mixed(forest: Forest, loss: Floats, changes: Floats, most: Floats, enough: float = np.inf) -> tuple[Mixture, Found]:
    found = Found(loss)
    return Mixer(forest, changes).mixed(found, most, 1e-9, enough), found


def relaxed(forest: Forest, loss: Floats, changes: Floats, most: Floats) -> float | None:
    """The least loss of a mixture of choices within the limits, by a program with a variable per column."""
    rows = np.zeros((len(forest.depth), len(loss)))
    rows[forest.context, np.arange(len(loss))] = 1
    rows[forest.asked, forest.asking] -= 1
    found = linprog(loss, A_ub=changes, b_ub=most, A_eq=rows, b_eq=forest.depth == 0, bounds=(0, 1))
    return None if found.x is None else float(found.fun)


@several
@given(st.data())
def test_a_mixture_is_the_optimum_of_the_relaxed_program_and_proves_it(data: st.DataObject) -> None:
    forest = data.draw(forests())
    loss = data.draw(numbers(forest, 0, 20))
    changes = np.array([data.draw(numbers(forest, -9, 3)) for _ in range(data.draw(st.integers(1, 4)))]) / 9
    most = np.array([data.draw(st.integers(-30, 0)) for _ in changes]) / 9
    expected = relaxed(forest, loss, changes, most)
    mixture, found = mixed(forest, loss, changes, most)
    if expected is None:
        assert mixture.bound > 20 * len(forest.depth)  # more than any choice loses
        return
    assert mixture.bound == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert mixture.bound <= expected + 1e-6
    assert mixture.loss == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert mixture.shares.sum() == pytest.approx(1)
    assert (mixture.shares >= -1e-9).all()
    costs = np.array([changes[:, found.columns[number]].sum(axis=1) for number in mixture.plans])
    assert (mixture.shares @ costs <= most + 1e-6).all()
    assert (mixture.bounding >= 0).all()
    priced = forest.best(loss + mixture.bounding @ changes)[1].sum() - mixture.bounding @ most
    assert priced == pytest.approx(mixture.bound, abs=1e-6)


def test_where_limits_ask_for_nothing_they_have_no_price() -> None:
    forest = forest_of([Site(None, (2,)), Site(None, (2,))])
    mixture, _ = mixed(forest, np.array([3.0, 0.0, 5.0, 0.0]), np.array([[-1.0, 0.0, -1.0, 0.0]]), np.array([0.0]))
    assert mixture.prices.tolist() == mixture.bounding.tolist() == [0.0]
    assert mixture.bound == mixture.loss == 0.0


def test_a_price_is_what_the_last_unit_costs() -> None:
    # Savings of 1 for losses of 1, 2, 4 and 8; two and a half are wanted.
    forest = forest_of([Site(None, (2,)) for _ in range(4)])
    loss, change = np.array([1.0, 0, 2, 0, 4, 0, 8, 0]), np.array([-1.0, 0] * 4)
    mixture, found = mixed(forest, loss, change[None], np.array([-2.5]))
    assert mixture.prices == pytest.approx([4.0])
    assert mixture.bound == pytest.approx(1 + 2 + 4 / 2)
    assert sorted(loss[found.columns[number]].sum() for number in mixture.plans) == [3, 7]
    assert mixture.shares == pytest.approx([0.5, 0.5])


def test_a_bound_that_is_enough_ends_it() -> None:
    rng = np.random.default_rng(3)
    forest = forest_of([Site(None, (8,)) for _ in range(20)])
    loss, changes, most = rng.random(160), -rng.random((2, 160)), np.array([-14.0, -13.0])
    whole, every = mixed(forest, loss, changes, most)
    part, fewer = mixed(forest, loss, changes, most, enough=0.5 * whole.bound)
    assert 0.5 * whole.bound <= part.bound <= whole.bound
    assert len(fewer.columns) < len(every.columns)


def test_plans_that_take_a_column_that_is_gone_are_forgotten() -> None:
    forest = forest_of([Site(None, (3,))])
    found = Found(np.array([2.0, 1.0, 0.0]))
    change = np.array([[-3.0, -2.0, 0.0]])
    Mixer(forest, change).mixed(found, np.array([-2.5]), 1e-9)
    assert {int(columns[0]) for columns in found.columns} == {0, 1, 2}
    left = found.within(np.array([2.0, np.inf, 0.0]))
    assert {int(columns[0]) for columns in left.columns} == {0, 2}
    assert Mixer(forest, change).mixed(left, np.array([-1.5]), 1e-9).bound == pytest.approx(1.0)
