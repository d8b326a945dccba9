"""Allocations against trying every plan, and the plans a search starts with."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenfront.search import allocation
from greenfront.search.allocation import Axis, Limit, Table, allocate, cheapest, perturbed, seeds, uniform
from greenfront.search.allocation import total as total_of_states
from greenfront.search.forest import Floats, Forest
from greenfront.search.integer_program import Solution, solve
from greenfront.spaces import Choice, Plan, Site, Space
from tests.search.joint_space import JOINT

Problem = tuple[Space, Table, list[Limit]]
several = settings(deadline=None, max_examples=60)


def space_of(sizes: list[int]) -> Space:
    """Choices with so many settings each."""
    return Space(
        tuple(
            Choice(
                Site(f"m{i}", "linear", (640, 640), "Linear"),
                "low_rank",
                tuple({"rank": 8 * r} for r in range(1, n + 1)),
            )
            for i, n in enumerate(sizes)
        )
    )


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Small spaces with whole numbers, so that no rounding decides what is within a limit; any sign, ties too."""
    space = space_of(draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)))

    def table(low: int, high: int) -> Table:
        drawn = {c.name: draw(st.lists(st.integers(low, high), min_size=len(c.settings), max_size=len(c.settings)))
                 for c in space.choices}  # fmt: skip
        return {name: [float(number) for number in numbers] + [0.0] for name, numbers in drawn.items()}

    limits = [
        Limit(by_site(space, table(-20, 5)), float(draw(st.integers(-40, 10)))) for _ in range(draw(st.integers(0, 3)))
    ]
    return space, table(0, 20), limits


@st.composite
def monotone(draw: st.DrawFn) -> tuple[Space, Table, Table, float]:
    """Spaces as they are measured: a smaller rank saves more and loses more. Also the original's cost."""
    space = space_of(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    losses, change = {}, {}
    for choice in space.choices:
        n = len(choice.settings)
        steps = draw(st.lists(st.integers(1, 9), min_size=2 * n, max_size=2 * n))
        losses[choice.name] = [float(x) for x in np.cumsum(steps[:n])[::-1]] + [0.0]
        change[choice.name] = [-float(x) for x in np.cumsum(steps[n:])[::-1]] + [0.0]
    costs = by_site(space, change)
    return space, losses, costs, -cheapest(space, costs) + draw(st.integers(1, 40))


def by_site(space: Space, table: Table) -> Table:
    """Costs by site: with one choice at each, its states are its options."""
    return {choice.site.path: table[choice.name] for choice in space.choices}


def total(space: Space, table: Table, plan: Plan) -> float:
    if space.choices[0].site.path in table:
        table = {choice.name: table[choice.site.path] for choice in space.choices}
    return sum(table[c.name][i] for c, i in zip(space.choices, space.indices(plan), strict=True))


def every_plan(space: Space) -> list[Plan]:
    return [space.plan(point) for point in product(*(range(len(c.options)) for c in space.choices))]


def within(space: Space, plan: Plan, limits: list[Limit]) -> bool:
    return all(total(space, limit.change, plan) <= limit.most + 1e-9 for limit in limits)


@several
@given(problems())
def test_an_allocation_loses_as_little_as_the_best_of_all_plans(problem: Problem) -> None:
    space, losses, limits = problem
    possible = [plan for plan in every_plan(space) if within(space, plan, limits)]
    plan = allocate(space, losses, limits)
    if plan is None:
        assert not possible
        return
    assert within(space, plan, limits)
    assert total(space, losses, plan) == min(total(space, losses, other) for other in possible)


def test_units_of_many_powers_of_ten_stand_side_by_side() -> None:
    space = space_of([1, 1])
    first, second = (choice.name for choice in space.choices)
    milliseconds = Limit({"m0": [-0.002, 0.0], "m1": [-0.001, 0.0]}, -0.0015)
    parameters = Limit({"m0": [-4e8, 0.0], "m1": [-9e8, 0.0]}, -8e8)
    losses = {first: [1.0, 0.0], second: [1.0, 0.0]}
    both = space.plan([0, 0])
    assert allocate(space, losses, [milliseconds]) == space.plan([0, 1])
    assert allocate(space, losses, [parameters]) == space.plan([1, 0])
    assert allocate(space, losses, [milliseconds, parameters]) == both


@several
@given(problems())
def test_the_cheapest_total_is_that_of_the_cheapest_plan(problem: Problem) -> None:
    space, losses, limits = problem
    for table in (by_site(space, losses), *(limit.change for limit in limits)):
        assert cheapest(space, table) == min(total(space, table, plan) for plan in every_plan(space))


@several
@given(st.integers(1, 5), st.integers(1, 4), st.integers(-60, 5), st.data())
def test_a_uniform_plan_takes_one_position_everywhere_and_the_mildest_that_fits(
    count: int, options: int, most: int, data: st.DataObject
) -> None:
    space = space_of([options] * count)
    change = {c.site.path: [float(data.draw(st.integers(-20, 0))) for _ in c.settings] + [0.0] for c in space.choices}
    fitting = [
        plan
        for plan in (space.plan([position] * count) for position in range(options + 1))
        if total(space, change, plan) <= most
    ]
    assert uniform(space, change, most) == (fitting[-1] if fitting else None)


def test_a_uniform_plan_takes_the_same_relative_position_where_options_differ_in_number() -> None:
    space = space_of([1, 2, 4])
    change = {c.site.path: [-10.0 * (len(c.settings) - i) for i in range(len(c.options))] for c in space.choices}
    plan = uniform(space, change, -35.0)
    assert plan is not None
    positions = [i / len(c.settings) for c, i in zip(space.choices, space.indices(plan), strict=True)]
    assert max(positions) - min(positions) <= 0.5  # as near as one and four settings come to each other
    assert total(space, change, plan) <= -35.0


@several
@given(monotone(), st.integers(1, 12), st.floats(0.1, 1.2))
def test_seeds_are_distinct_and_keep_every_limit(
    problem: tuple[Space, Table, Table, float], count: int, share: float
) -> None:
    space, losses, change, original = problem
    # A second cost, in which other sites save than in the first.
    reverse = {a.site.path: [change[b.site.path][0] * i / len(a.settings) - 1.0 for i in range(len(a.settings))] + [0.0]
               for a, b in zip(space.choices, space.choices[::-1], strict=True)}  # fmt: skip
    other = Limit(reverse, cheapest(space, reverse) * share)
    most = original * share
    found = seeds(space, losses, [Axis("latency", change, original, most)], [other], count)
    assert len(found) <= count
    assert len({seed.plan for seed in found}) == len(found)
    for seed in found:
        # The solver's tolerance is a millionth of a cost.
        assert total(space, change, seed.plan) + original <= max(most, 0.0) + 1e-5 * original
        assert total(space, change, seed.plan) <= -0.1 * original + 1e-5 * original
        assert total(space, reverse, seed.plan) <= other.most + 1e-5 * abs(other.most)


def test_seeds_are_allocations_and_uniform_plans_spread_over_the_axis() -> None:
    space = space_of([7] * 6)
    change = {c.site.path: [-(8.0 - i) * (1 + n) for i in range(7)] + [0.0] for n, c in enumerate(space.choices)}
    losses = {c.name: [(8.0 - i) ** 2 / (1 + n) for i in range(7)] + [0.0] for n, c in enumerate(space.choices)}
    original = 1.25 * -cheapest(space, change)
    found = seeds(space, losses, [Axis("latency", change, original, original)], [], 10)
    origins = [seed.origin.partition(" ")[0] for seed in found]
    assert origins == ["allocation"] * 8 + ["uniform"] * 2
    shares = {
        kind: [1 + total(space, change, seed.plan) / original for seed in found if seed.origin.startswith(kind)]
        for kind in ("allocation", "uniform")
    }
    for kind, each in shares.items():
        assert each == sorted(each, reverse=True), kind
        assert each[0] > 0.75
        assert each[-1] < 0.3, kind
    asked = [int(seed.origin.split()[1].rstrip("%")) / 100 for seed in found[:8]]
    steps = [after / before for before, after in pairwise(asked)]
    assert max(steps) - min(steps) < 0.05  # geometric
    # What makes them worth their while: at its level, each loses less than the uniform plan.
    for seed in found[8:9]:  # the last is the cheapest of all plans, where nothing is left to choose
        allocated = allocate(space, losses, [Limit(change, total(space, change, seed.plan))])
        assert allocated is not None
        assert total(space, losses, allocated) < total(space, losses, seed.plan)


def test_there_are_no_seeds_below_the_cheapest_plan() -> None:
    space = space_of([2, 2])
    change = {c.site.path: [-2.0, -1.0, 0.0] for c in space.choices}
    losses = {c.name: [2.0, 1.0, 0.0] for c in space.choices}
    assert seeds(space, losses, [Axis("size", change, 10.0, 5.9)], [], 6) == []
    found = seeds(space, losses, [Axis("size", change, 10.0, 6.0)], [], 6)
    assert [(seed.plan, seed.origin) for seed in found] == [(space.plan([0, 0]), "allocation 60% size")]


def test_of_several_costs_each_is_lowered_alone_and_all_together() -> None:
    space = space_of([5] * 6)
    # The first three sites take time, the others room.
    steps = [-5.0, -4.0, -3.0, -2.0, -1.0, 0.0]
    nothing = [0.0] * 6
    time = {c.site.path: steps if n < 3 else nothing for n, c in enumerate(space.choices)}
    room = {c.site.path: nothing if n < 3 else steps for n, c in enumerate(space.choices)}
    losses = {c.name: [float(step**2) for step in steps] for c in space.choices}
    axes = [Axis("latency", time, 16.0, 12.0), Axis("size", room, 20.0, 14.0)]
    found = seeds(space, losses, axes, [], 9)
    saved = {seed.origin: (-total(space, time, seed.plan), -total(space, room, seed.plan)) for seed in found}
    together, fast, small = (
        [
            each
            for origin, each in saved.items()
            if origin.startswith("allocation") and {name for name in ("latency", "size") if name in origin} == named
        ]
        for named in ({"latency", "size"}, {"latency"}, {"size"})
    )
    assert [len(each) for each in (together, fast, small)] == [3, 3, 2]
    assert all(room_saved == 0 for _, room_saved in fast)
    assert all(time_saved == 0 for time_saved, _ in small)
    assert together[0] == (4.0, 6.0)
    assert fast[-1][0] >= 14
    assert small[-1][1] >= 14


@several
@given(problems(), st.integers(0, 99))
def test_a_perturbed_allocation_is_within_the_limits_and_decided_by_its_seed(problem: Problem, seed: int) -> None:
    space, losses, limits = problem
    drawn = [perturbed(space, losses, limits, np.random.default_rng(seed)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert (drawn[0] is None) == (allocate(space, losses, limits) is None)
    assert drawn[0] is None or within(space, drawn[0], limits)


def test_perturbed_allocations_differ_from_each_other() -> None:
    space = space_of([3] * 8)
    change = {c.site.path: [-3.0, -2.0, -1.0, 0.0] for c in space.choices}
    losses = {c.name: [9.0, 4.0, 1.0, 0.0] for c in space.choices}
    rng = np.random.default_rng(0)
    drawn = {perturbed(space, losses, [Limit(change, -12.0)], rng) for _ in range(10)}
    assert len(drawn) == 10


def test_the_states_of_a_site_depend_on_those_of_the_one_that_leads_it() -> None:
    sites = {site.path: site for site in JOINT.states}
    assert {path: site.parent for path, site in sites.items()} == {
        "l": None, "l.a": "l", "l.a.q": "l.a", "l.o": "l.a",
    }  # fmt: skip
    assert len(sites["l.a"].states) == 3 + 1  # two numbers of heads or all, or none of it
    # Of one head's 8 rows, ranks from 6 on save nothing; of two heads' 16, from 9.6 on.
    assert len(sites["l.a.q"].states) == 1 + 2 * (2 + 3 + 3)
    effective = {str(dict(state.effective)) for state in sites["l.o"].states}
    assert {"{'skipped': 1}", "{}", "{'in': 8}", "{'rank': 4, 'bits': 8, 'in': 16}"} <= effective


def test_every_plan_of_a_space_is_one_choice_of_states() -> None:
    ones = {site.path: [1.0] * len(site.states) for site in JOINT.states}
    for plan in {*every_plan(JOINT)}:
        assert total_of_states(JOINT, ones, plan) == len(JOINT.states)


@several
@given(st.data())
def test_a_joint_allocation_loses_as_little_as_the_best_of_all_plans(data: st.DataObject) -> None:
    def numbers(count: int, low: int, high: int) -> list[float]:
        return [float(data.draw(st.integers(low, high))) for _ in range(count)]

    losses = {c.name: [*numbers(len(c.settings), 0, 20), 0.0] for c in JOINT.choices}
    changes = [
        {site.path: [x if state.effective else 0.0 for x, state in zip(numbers(len(site.states), -20, 5), site.states,
         strict=True)] for site in JOINT.states}
        for _ in range(2)
    ]  # fmt: skip
    limits = [Limit(change, float(data.draw(st.integers(-60, 0)))) for change in changes]
    plans = {*every_plan(JOINT)}
    assert cheapest(JOINT, changes[0]) == min(total_of_states(JOINT, changes[0], plan) for plan in plans)
    possible = [p for p in plans if all(total_of_states(JOINT, each.change, p) <= each.most for each in limits)]
    found = allocate(JOINT, losses, limits)
    if found is None:
        assert not possible
        return
    assert found in possible
    assert total(JOINT, losses, found) == min(total(JOINT, losses, plan) for plan in possible)


@several
@given(monotone(), st.integers(0, 20))
def test_an_allocation_loses_no_more_than_a_uniform_plan(
    problem: tuple[Space, Table, Table, float], twentieths: int
) -> None:
    space, losses, change, _ = problem
    most = cheapest(space, change) * twentieths / 20 + 1e-9
    even, best = uniform(space, change, most), allocate(space, losses, [Limit(change, most)])
    assert best is not None
    assert even is not None
    assert total(space, change, best) <= most + 1e-6
    assert total(space, losses, best) <= total(space, losses, even)


@pytest.mark.parametrize(("gap", "kept"), [(0.9, False), (0.3, True), (0.0, True)])
def test_what_a_solver_had_only_begun_with_is_no_plan(gap: float, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    space = space_of([2, 2])

    def out_of_time(forest: Forest, loss: Floats, changes: Floats, most: list[float]) -> Solution | None:
        found = solve(forest, loss, changes, most)
        return found and replace(found, gap=gap)

    monkeypatch.setattr(allocation, "solve", out_of_time)
    losses = {c.name: [2.0, 1.0, 0.0] for c in space.choices}
    assert (allocate(space, losses, []) is not None) == kept
