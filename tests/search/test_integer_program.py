"""The choice that loses least within several limits, against trying every choice."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import OptimizeResult

from greenfront.search import integer_program
from greenfront.search.forest import Floats, Forest
from greenfront.search.integer_program import GAP, Solution, solve
from tests.search.small_forests import Site, every_choice, forest_of, forests, numbers, of_choice

several = settings(deadline=None, max_examples=60)
core_sizes = st.sampled_from([1, 3, 8, 150])


@contextmanager
def starting_with(columns: int) -> Iterator[None]:
    """A first program of so many columns, so that further ones follow; each a little larger."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integer_program, "CORE", columns)
        patch.setattr(integer_program, "GROWTH", 2)
        yield


@several
@given(st.data(), core_sizes)
def test_a_solution_loses_as_little_as_the_best_of_all_choices(data: st.DataObject, columns: int) -> None:
    forest = data.draw(forests())
    loss = data.draw(numbers(forest, 0, 20))
    changes = np.array([data.draw(numbers(forest, -9, 3)) for _ in range(data.draw(st.integers(1, 4)))])
    most = [float(data.draw(st.integers(-25, 0))) for _ in changes]
    with starting_with(columns):
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
@given(st.data(), core_sizes)
def test_a_choice_exactly_at_every_limit_is_within_them(data: st.DataObject, columns: int) -> None:
    forest = data.draw(forests())
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    loss, changes = rng.lognormal(0, 2, len(forest.context)), -rng.lognormal(0, 2, (3, len(forest.context)))
    at_limit = data.draw(st.sampled_from(every_choice(forest)))
    with starting_with(columns):
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


def thirty_sites(seed: int) -> tuple[Forest, Floats, Floats, list[float]]:
    """Thirty sites of twelve columns, two costs of which each is lowered by two thirds of what can be."""
    rng = np.random.default_rng(seed)
    forest = forest_of([Site(None, (12,)) for _ in range(30)])
    amounts = np.tile(np.linspace(1, 0, 12), 30)
    loss = np.exp(rng.normal(0, 1, 30)).repeat(12) * amounts**2
    changes = -amounts * np.exp(rng.normal(0, 1, (2, 30))).repeat(12, axis=1)
    return forest, loss, changes, [0.66 * float(forest.best(row)[1].sum()) for row in changes]


def test_programs_are_small_and_prove_what_is_found() -> None:
    forest, loss, changes, most = thirty_sites(0)
    counts = list[int]()

    def counted(objective: Floats, **options: Any) -> OptimizeResult:
        counts.append(len(objective))
        return scipy.optimize.milp(objective, **options)

    with starting_with(90), pytest.MonkeyPatch.context() as patch:
        patch.setattr(integer_program, "milp", counted)
        found = solve(forest, loss, changes, most)
    with starting_with(10_000):
        whole = solve(forest, loss, changes, most)
    assert found is not None
    assert whole is not None
    assert counts == sorted(counts)
    assert (len(counts), counts[-1]) == (found.programs, found.columns)
    assert counts[-1] < len(loss) / 2
    assert found.gap <= GAP + 1e-9
    assert found.loss == pytest.approx(whole.loss, rel=2 * GAP)


@pytest.mark.parametrize("known", [True, False])
def test_a_solver_that_gives_up_leaves_a_gap_or_nothing(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    forest, loss, changes, most = thirty_sites(1)

    def given_up(objective: Floats, **options: Any) -> OptimizeResult:
        if not known:
            return OptimizeResult(status=1, x=None, mip_dual_bound=None)
        return OptimizeResult(scipy.optimize.milp(objective, **options), status=1, mip_dual_bound=None)

    exact = solve(forest, loss, changes, most)
    monkeypatch.setattr(integer_program, "milp", given_up)
    found = solve(forest, loss, changes, most)
    assert isinstance(found, Solution)
    assert exact is not None
    if known:
        assert found.loss == pytest.approx(exact.loss, rel=0.02)
        assert 0 < found.gap < 0.2
        assert found.loss * (1 - found.gap) <= exact.loss
    else:
        assert found.chosen is None
        assert found.gap == np.inf
