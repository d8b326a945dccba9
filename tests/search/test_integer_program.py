"""The choice that loses least within several limits, against trying every choice, and against HiGHS."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from greenfront.search import integer_program
from greenfront.search.branching import Branching
from greenfront.search.forest import Floats, Forest
from greenfront.search.integer_program import GAP, Solution, solve
from tests.search.small_forests import Site, every_choice, forest_of, forests, numbers, of_choice

several = settings(deadline=None, max_examples=60)


@several
@given(st.data())
def test_a_solution_loses_as_little_as_the_best_of_all_choices(data: st.DataObject) -> None:
    forest = data.draw(forests())
    loss = data.draw(numbers(forest, 0, 20))
    changes = np.array([data.draw(numbers(forest, -9, 3)) for _ in range(data.draw(st.integers(1, 4)))])
    most = [float(data.draw(st.integers(-25, 0))) for _ in changes]
    found = solve(forest, loss, changes, most)
    possible = [choice for choice in every_choice(forest) if (of_choice(choice, changes) <= most).all()]
    if found is None:
        assert not possible
        return
    assert found.chosen is not None
    assert frozenset(found.chosen.tolist()) in possible
    assert found.loss == loss[found.chosen].sum() == min(of_choice(choice, loss) for choice in possible)
    assert found.gap <= GAP + 1e-9


@several
@given(st.data())
def test_a_choice_exactly_at_every_limit_is_within_them(data: st.DataObject) -> None:
    forest = data.draw(forests())
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    loss, changes = rng.lognormal(0, 2, len(forest.context)), -rng.lognormal(0, 2, (3, len(forest.context)))
    at_limit = data.draw(st.sampled_from(every_choice(forest)))
    found = solve(forest, loss, changes, of_choice(at_limit, changes).tolist())
    assert found is not None
    assert found.chosen is not None
    assert found.loss <= of_choice(at_limit, loss) * (1 + GAP)
    missed = changes[:, found.chosen].sum(axis=1) - of_choice(at_limit, changes)
    assert (missed <= 1e-5 * np.abs(changes).max(axis=1)).all()


@several
@given(st.data())
def test_below_the_least_of_a_cost_there_is_nothing(data: st.DataObject) -> None:
    forest = data.draw(forests())
    change = data.draw(numbers(forest, -9, 9))
    least = float(forest.best(change)[1].sum())
    assert solve(forest, np.ones_like(change), change[None], [least - 0.01]) is None
    assert solve(forest, np.ones_like(change), change[None], [least]) is not None


def test_two_limits_that_no_choice_keeps_together_are_infeasible_though_mixtures_would() -> None:
    # One site, three ways: each of two costs is lowered by one of them; half of both would lower both by 1.
    forest = forest_of([Site(None, (3,))])
    changes = np.array([[-2.0, 0.0, 0.0], [0.0, -2.0, 0.0]])
    assert solve(forest, np.array([1.0, 1.0, 0.0]), changes, [-1.0, -1.0]) is None
    found = solve(forest, np.array([1.0, 1.0, 0.0]), changes, [-1.0, 0.0])
    assert found is not None
    assert found.chosen is not None
    assert found.chosen.tolist() == [0]


def test_what_costs_infinitely_much_is_never_chosen() -> None:
    forest = forest_of([Site(None, (2,)), Site(0, (2, 1), (0, 1))])
    loss, change = np.array([0.0, 5.0, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, np.inf, np.inf, 0.0])
    found = solve(forest, loss, change[None], [0.0])
    assert found is not None
    assert found.chosen is not None
    assert found.chosen.tolist() == [1, 4]
    assert solve(forest, loss, np.full((1, 5), np.inf), [0.0]) is None


def many_sites(seed: int) -> tuple[Forest, Floats, Floats, list[float]]:
    """Fifteen sites of twelve columns, two costs of which each is lowered by two thirds of what can be."""
    rng = np.random.default_rng(seed)
    forest = forest_of([Site(None, (12,)) for _ in range(15)])
    amounts = np.tile(np.linspace(1, 0, 12), 15)
    loss = np.exp(rng.normal(0, 1, 15)).repeat(12) * amounts**2
    changes = -amounts * np.exp(rng.normal(0, 1, (2, 15))).repeat(12, axis=1)
    return forest, loss, changes, [0.66 * float(forest.best(row)[1].sum()) for row in changes]


def by_highs(forest: Forest, loss: Floats, changes: Floats, most: list[float]) -> OptimizeResult:
    """The whole integer program, by HiGHS."""
    rows = np.zeros((len(forest.depth), len(loss)))
    rows[forest.context, np.arange(len(loss))] = 1
    rows[forest.asked, forest.asking] -= 1
    one_each = LinearConstraint(rows, forest.depth == 0, forest.depth == 0)
    constraints = [one_each, LinearConstraint(changes, -np.inf, most)]
    every = np.ones(len(loss))
    return milp(loss, integrality=every, bounds=Bounds(0, 1), constraints=constraints, options={"mip_rel_gap": GAP})


@pytest.mark.parametrize("seed", range(3))
def test_a_solution_of_many_columns_loses_as_little_as_highs_finds(seed: int) -> None:
    forest, loss, changes, most = many_sites(seed)
    found, expected = solve(forest, loss, changes, most), by_highs(forest, loss, changes, most)
    assert found is not None
    assert found.chosen is not None
    assert found.loss == pytest.approx(expected.fun, rel=2 * GAP)
    assert found.loss * (1 - found.gap) <= expected.fun
    assert found.gap <= GAP + 1e-9
    assert found.columns < len(loss) / 2
    assert (changes[:, found.chosen].sum(axis=1) <= np.array(most) + 1e-6).all()


def test_of_limits_on_the_same_cost_the_tightest_counts() -> None:
    forest, loss, changes, most = many_sites(0)
    tight = solve(forest, loss, changes, most)
    several_limits = solve(forest, loss, changes[[0, 1, 0]], [most[0] / 2, most[1], most[0]])
    assert tight is not None
    assert several_limits is not None
    assert tight.chosen is not None
    assert several_limits.chosen is not None
    assert several_limits.chosen.tolist() == tight.chosen.tolist()


@pytest.mark.parametrize("unit", [1e-9, 1e6])
def test_the_unit_of_losses_makes_no_difference(unit: float) -> None:
    forest, loss, changes, most = many_sites(2)
    once, scaled = solve(forest, loss, changes, most), solve(forest, unit * loss, changes, most)
    assert once is not None
    assert scaled is not None
    assert scaled.loss / unit == pytest.approx(once.loss, rel=2 * GAP)
    assert scaled.gap <= GAP + 1e-9


@pytest.mark.parametrize("known", [True, False])
def test_a_search_that_ends_early_leaves_a_gap_or_nothing(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    forest, loss, changes, most = many_sites(1)
    exact = solve(forest, loss, changes, most)
    monkeypatch.setattr(integer_program, "_NODES", 2)
    if not known:
        monkeypatch.setattr(Branching, "_round", lambda *_: None)
    found = solve(forest, loss, changes, most)
    assert isinstance(found, Solution)
    assert exact is not None
    assert exact.nodes > 3
    if known:
        assert found.loss == pytest.approx(exact.loss, rel=0.05)
        assert GAP < found.gap < 0.2
        assert found.loss * (1 - found.gap) <= exact.loss
    else:
        assert found.chosen is None
        assert found.gap == np.inf
