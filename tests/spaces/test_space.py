"""Space: points and plans, restriction, drawing, JSON."""

import random
from collections import Counter
from itertools import product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenfront.errors import PlanError
from greenfront.spaces import Choice, Plan, Refusal, Settings, Site, Space
from tests.spaces.models import prepared


def choice(path: str, method: str, settings: list[Settings]) -> Choice:
    return Choice(Site(path, "linear", (8, 4), "Linear"), method, tuple(settings))


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Up to three sites, each with one or two methods of up to three settings."""
    choices = []
    for path in draw(st.lists(st.sampled_from(["a", "a.b", "b", "c.0"]), unique=True, max_size=3)):
        ranks = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True).map(sorted))
        choices.append(choice(path, "low_rank", [{"rank": rank} for rank in ranks]))
        if draw(st.booleans()):
            bits = draw(st.lists(st.sampled_from([2, 4, 8]), min_size=1, max_size=3, unique=True).map(sorted))
            choices.append(choice(path, "bits", [{"bits": n, "scheme": "even"} for n in bits]))
    return Space(tuple(choices), (Refusal("x", "low_rank", "too small"),))


SPACE = Space((
    choice("a", "low_rank", [{"rank": 2}, {"rank": 4}]),
    choice("a", "bits", [{"bits": 8}]),
    choice("b", "low_rank", [{"rank": 2}]),
))  # fmt: skip


@given(spaces(), st.data())
@settings(deadline=None)
def test_indices_is_the_inverse_of_plan(space: Space, data: st.DataObject) -> None:
    point = tuple(data.draw(st.integers(0, len(c.settings))) for c in space.choices)
    plan = space.plan(point)
    assert space.indices(plan) == point
    assert space.plan(space.indices(plan)) == plan


@given(spaces())
@settings(max_examples=25, deadline=None)
def test_size_counts_the_plans(space: Space) -> None:
    points = product(*(range(len(c.options)) for c in space.choices))
    assert len({space.plan(point) for point in points}) == space.size


@given(spaces())
@settings(deadline=None)
def test_the_last_point_is_the_original(space: Space) -> None:
    last = [len(c.options) - 1 for c in space.choices]
    assert space.plan(last) == Plan()
    assert space.indices(Plan()) == tuple(last)


@given(spaces())
@settings(deadline=None)
def test_json_round_trip(space: Space) -> None:
    again = Space.from_json(space.to_json())
    assert again == space
    assert again.to_json() == space.to_json()
    assert [c.options for c in again.choices] == [c.options for c in space.choices]


@pytest.mark.parametrize("name", ["bert", "albert", "gpt2", "vit"])
def test_json_round_trip_of_a_models_space(name: str) -> None:
    space = prepared(name).space
    assert Space.from_json(space.to_json()) == space
    assert space.size == prod(len(c.settings) + 1 for c in space.choices)
    assert len({c.name for c in space.choices}) == len(space.choices)


@given(spaces(), st.integers(0, 2**32))
@settings(deadline=None)
def test_random_plans_are_in_the_space_and_follow_the_seed(space: Space, seed: int) -> None:
    plan = space.random(random.Random(seed))
    assert space.plan(space.indices(plan)) == plan
    assert space.random(random.Random(seed)) == plan


def test_random_plans_are_uniform() -> None:
    rng = random.Random(0)
    counts = Counter(SPACE.random(rng) for _ in range(6000))
    assert len(counts) == SPACE.size == 12
    assert all(abs(count - 500) < 120 for count in counts.values())  # 5.6 standard deviations


@given(spaces(), st.integers(0, 9))
@settings(deadline=None)
def test_restrict_keeps_what_holds(space: Space, most: int) -> None:
    def keep(_: Choice, chosen: Settings) -> bool:
        return int(chosen.get("rank", 0)) <= most

    kept = space.restrict(keep)
    assert kept.refusals == space.refusals
    assert all(c.settings for c in kept.choices)
    assert [(c.name, s) for c in kept.choices for s in c.settings] == [
        (c.name, s) for c in space.choices for s in c.settings if keep(c, s)
    ]
    assert space.restrict(lambda *_: True) == space
    assert space.restrict(lambda *_: False).size == 1


def test_sites_are_distinct_and_in_order() -> None:
    assert [site.path for site in SPACE.sites] == ["a", "b"]


def test_methods_of_one_site_share_its_settings() -> None:
    assert SPACE.plan([1, 0, 1]).to_dict() == {"a": {"rank": 4, "bits": 8}}


@pytest.mark.parametrize(("point", "message"), [
    ([0, 0], "3 indices, but got 2"),
    ([0, 0, 0, 0], "3 indices, but got 4"),
    ([3, 0, 0], r"a:low_rank.*0\.\.2, but got 3"),
    ([0, 0, -1], r"b:low_rank.*0\.\.1, but got -1"),
])  # fmt: skip
def test_a_point_outside_is_an_error(point: list[int], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        SPACE.plan(point)


@pytest.mark.parametrize(("plan", "message"), [
    ({"a": {"rank": 3}}, "a: .*{'rank': 2}.*but got {'rank': 3}"),
    ({"b": {"rank": 2.5}}, "b: .*but got {'rank': 2.5}"),
    ({"b": {"bits": 8}}, "not in this space.*b.*bits"),
    ({"z": {"rank": 2}}, "not in this space.*z"),
])  # fmt: skip
def test_a_plan_outside_is_an_error(plan: dict[str, Settings], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        SPACE.indices(Plan(plan))
