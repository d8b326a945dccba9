"""Dynamic programs over forests against trying every choice."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from greenfront.search.forest import Forest, flat, plan_of
from greenfront.search.plan_states import PlanStates
from tests.search.joint_space import JOINT
from tests.search.small_forests import Site, every_choice, forest_of, forests, numbers, of_choice

several = settings(deadline=None, max_examples=60)


@several
@given(st.data())
def test_the_best_choice_is_one_and_has_the_least_sum(data: st.DataObject) -> None:
    forest = data.draw(forests())
    costs = data.draw(numbers(forest, -9, 9))
    chosen, least = forest.best(costs)
    choices = every_choice(forest)
    assert frozenset(np.flatnonzero(chosen).tolist()) in choices
    assert costs[chosen].sum() == least.sum() == min(of_choice(choice, costs) for choice in choices)
    assert len(least) == forest.trees
    of_trees = np.bincount(forest.tree[chosen], weights=costs[chosen], minlength=forest.trees)
    assert of_trees.tolist() == least.tolist()


@several
@given(st.data())
def test_a_columns_regret_is_what_the_best_choice_with_it_costs_more(data: st.DataObject) -> None:
    forest = data.draw(forests())
    costs = data.draw(numbers(forest, -9, 9))
    choices = every_choice(forest)
    least = min(of_choice(choice, costs) for choice in choices)
    for column, regret in enumerate(forest.regrets(costs)):
        assert regret == min(of_choice(choice, costs) for choice in choices if column in choice) - least


@several
@given(st.data())
def test_a_column_carries_the_values_of_what_is_best_below_it(data: st.DataObject) -> None:
    forest = data.draw(forests())
    costs, values = data.draw(numbers(forest, -9, 9)), data.draw(numbers(forest, -9, 9))
    carried = forest.carried(costs, values)
    chosen, _ = forest.best(costs)
    roots = chosen & (forest.depth[forest.context] == 0)
    assert carried[roots].sum() == values[chosen].sum()
    leaves = ~np.isin(np.arange(len(values)), forest.asking)
    assert carried[leaves].tolist() == values[leaves].tolist()
    assert forest.carried(costs, costs).tolist() == forest.sums(costs)[0].tolist()


@several
@given(st.data())
def test_what_is_kept_of_a_forest_are_the_choices_among_the_columns_kept(data: st.DataObject) -> None:
    forest = data.draw(forests())
    possible = data.draw(numbers(forest, 0, 3)) > 0
    expected = {choice for choice in every_choice(forest) if possible[sorted(choice)].all()}
    kept = forest.keeping(possible)
    if kept is None:
        assert not expected
        return
    assert {frozenset(kept.columns[sorted(choice)].tolist()) for choice in every_choice(kept)} == expected
    used = sorted(set().union(*expected))
    assert kept.columns.tolist() == used  # nothing that no choice can take


def test_the_choices_of_a_spaces_forest_are_its_plans() -> None:
    forest = Forest.of(JOINT)
    assert forest.columns.tolist() == list(range(sum(len(site.states) for site in JOINT.states)))
    plans = [plan_of(JOINT, set(choice)) for choice in every_choice(forest)]
    points = product(*(range(len(choice.options)) for choice in JOINT.choices))
    assert len(plans) == len({*plans})
    assert {*plans} == {JOINT.plan(point) for point in points}
    states = PlanStates(JOINT)
    assert [states.of(plan).tolist() for plan in plans] == [sorted(choice) for choice in every_choice(forest)]


def test_a_table_is_laid_out_as_states_are_numbered() -> None:
    table = {site.path: [float(len(state.own)) for state in site.states] for site in JOINT.states}
    laid_out = flat(JOINT, table)
    for number, settings_there in enumerate(laid_out):
        assert len(plan_of(JOINT, {number})) == (settings_there > 0)


def test_of_equally_good_columns_the_first_is_chosen() -> None:
    forest = forest_of([Site(None, (3,)), Site(0, (2, 2), (0, 1, 0))])
    chosen, least = forest.best(np.array([1.0, 0.0, 0.0, 5.0, 5.0, 5.0, 5.0]))
    assert np.flatnonzero(chosen).tolist() == [1, 5]
    assert least.tolist() == [5.0]
