"""Plans from losses and limits in milliseconds, against the integer program and against every plan."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenfront.search.allocation import Limit, allocate, cheapest, state_losses, total
from greenfront.search.decoder import Decoder
from greenfront.search.forest import Floats, Forest, flat, plan_of
from greenfront.search.mixing import Found
from greenfront.spaces import Plan, Space
from tests.search.layered import layered_changes, layered_losses, layered_space

SMALL, LAYERED = layered_space(1), layered_space(4)
POINTS = product(*(range(len(c.options)) for c in SMALL.choices[:4]), *[(4,), (1,)] * 2)
EVERY_SMALL = sorted({SMALL.plan(point) for point in POINTS}, key=Plan.to_json)


def decoded(space: Space, losses: dict[str, list[float]], limits: list[Limit]) -> Plan | None:
    forest = Forest.of(space)
    rows = [flat(space, limit.change) for limit in limits]
    changes = np.array(rows).reshape(len(rows), len(forest.columns))
    loss = flat(space, state_losses(space, losses))
    columns = Decoder(forest, changes).decode(Found(loss), np.array([limit.most for limit in limits]))
    return None if columns is None else plan_of(space, set(columns.tolist()))


def share(space: Space, kind: str, amount: float) -> Limit:
    """So much of what can be saved has to be."""
    change = layered_changes(space, kind)
    return Limit(change, amount * cheapest(space, change))


def test_without_limits_nothing_is_lost() -> None:
    assert decoded(LAYERED, layered_losses(LAYERED, 0), []) == Plan()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 9999), st.floats(0.02, 0.98), st.floats(0.0, 0.98))
def test_a_plan_is_within_every_limit_and_loses_little_more_than_the_best(seed: int, fast: float, small: float) -> None:
    limits, losses = [share(LAYERED, "latency", fast), share(LAYERED, "size", small)], layered_losses(LAYERED, seed)
    best, found = allocate(LAYERED, losses, limits), decoded(LAYERED, losses, limits)
    assert best is not None
    assert found is not None
    for limit in limits:
        assert total(LAYERED, limit.change, found) <= limit.most + 1e-6 * abs(limit.most)
    table = state_losses(LAYERED, losses)
    # Where the best loses next to nothing, one state more is many times that, and still next to nothing.
    dearest = max(loss for of_site in table.values() for loss in of_site if np.isfinite(loss))
    assert total(LAYERED, table, found) <= 1.3 * total(LAYERED, table, best) + 0.03 * dearest


def test_plans_lose_a_few_per_cent_more_than_the_best_on_average() -> None:
    excess = []
    for seed, amount in product(range(5), (0.3, 0.5, 0.7, 0.85)):
        limits, losses = [share(LAYERED, "latency", amount), share(LAYERED, "size", 0.5)], layered_losses(LAYERED, seed)
        table = state_losses(LAYERED, losses)
        best, found = allocate(LAYERED, losses, limits), decoded(LAYERED, losses, limits)
        assert best is not None
        assert found is not None
        excess.append(total(LAYERED, table, found) / total(LAYERED, table, best))
    assert min(excess) >= 1 - 1e-3  # the integer program's own gap
    assert np.mean(excess) < 1.03


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_whatever_the_costs_no_plan_beyond_a_limit_is_given(data: st.DataObject) -> None:
    """Whole numbers of any sign in up to four rows: where a plan is given, it is within all of them."""

    def numbers(count: int, low: int, high: int) -> list[float]:
        return [float(x) for x in data.draw(st.lists(st.integers(low, high), min_size=count, max_size=count))]

    losses = {c.name: [*numbers(len(c.settings), 0, 20), 0.0] for c in SMALL.choices}
    several = data.draw(st.integers(1, 4))
    limits = [
        Limit({s.path: numbers(len(s.states), -9, 4) for s in SMALL.states}, float(data.draw(st.integers(-30, 5))))
        for _ in range(several)
    ]
    found = decoded(SMALL, losses, limits)
    if found is not None:
        assert all(total(SMALL, limit.change, found) <= limit.most + 1e-6 for limit in limits)
        return
    if several == 1:  # a single limit is always met by the cheapest plan
        assert cheapest(SMALL, limits[0].change) > limits[0].most


@pytest.mark.parametrize("amount", [0.2, 0.6, 0.95])
def test_one_limit_is_met_nearly_as_well_as_by_the_best_of_every_plan(amount: float) -> None:
    losses, limit = layered_losses(SMALL, 3), share(SMALL, "latency", amount)
    only = {**losses, **{c.name: [*[np.inf] * len(c.settings), 0.0] for c in SMALL.choices[4:]}}
    table = state_losses(SMALL, only)
    possible = [p for p in EVERY_SMALL if total(SMALL, limit.change, p) <= limit.most]
    found = decoded(SMALL, only, [limit])
    if not possible:
        assert found is None or not np.isfinite(total(SMALL, table, found))
        return
    assert found in possible
    assert total(SMALL, table, found) <= 1.25 * min(total(SMALL, table, p) for p in possible)


def test_plans_found_for_one_limit_help_with_the_next() -> None:
    forest = Forest.of(LAYERED)
    limit = share(LAYERED, "latency", 0.5)
    changes: Floats = flat(LAYERED, limit.change)[None]
    decoder = Decoder(forest, changes)
    loss = flat(LAYERED, state_losses(LAYERED, layered_losses(LAYERED, 1)))
    shared, alone = Found(loss), Found(loss)
    decoder.decode(shared, np.array([limit.most]))
    before = len(shared.columns)
    after = decoder.decode(shared, np.array([1.05 * limit.most]))
    again = decoder.decode(alone, np.array([1.05 * limit.most]))
    assert len(shared.columns) - before < len(alone.columns)
    assert after is not None
    assert again is not None
    assert loss[after].sum() <= 1.1 * loss[again].sum()
