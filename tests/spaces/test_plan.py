"""Plan: frozen, canonical, and the same everywhere."""

import copy
import hashlib
import json
import pickle
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenfront.errors import PlanError
from greenfront.spaces import Plan

Raw = dict[str, dict[str, int | float | str]]

values = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
raw_plans: st.SearchStrategy[Raw] = st.dictionaries(
    st.text(min_size=1), st.dictionaries(st.text(), values, max_size=3), max_size=5
)


def shuffled(raw: Raw, seed: int) -> Raw:
    rng = random.Random(seed)
    paths = rng.sample(list(raw), len(raw))
    return {path: dict(rng.sample(list(raw[path].items()), len(raw[path]))) for path in paths}


@given(raw_plans)
@settings(deadline=None)
def test_json_round_trip(raw: Raw) -> None:
    plan = Plan(raw)
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.to_json() == plan.to_json()
    assert json.loads(plan.to_json()) == plan.to_dict()


@given(raw_plans, st.integers(0, 99))
@settings(deadline=None)
def test_order_does_not_matter(raw: Raw, seed: int) -> None:
    plan, other = Plan(raw), Plan(shuffled(raw, seed))
    assert other == plan
    assert hash(other) == hash(plan)
    assert other.id == plan.id
    assert other.to_json() == plan.to_json()
    assert list(other) == list(plan) == sorted(plan)


@given(raw_plans, raw_plans)
@settings(deadline=None)
def test_equal_exactly_when_the_json_is(left: Raw, right: Raw) -> None:
    a, b = Plan(left), Plan(right)
    assert (a == b) == (a.to_json() == b.to_json())
    if a == b:
        assert hash(a) == hash(b)
        assert a.id == b.id


@given(raw_plans)
@settings(deadline=None)
def test_empty_settings_are_dropped(raw: Raw) -> None:
    plan = Plan(raw)
    assert plan == Plan({path: chosen for path, chosen in raw.items() if chosen})
    assert plan.to_dict() == {path: chosen for path, chosen in raw.items() if chosen}
    assert len(plan) == sum(1 for chosen in raw.values() if chosen)


def test_nothing_in_it_can_be_changed() -> None:
    given = {"a": {"rank": 8}}
    plan = Plan(given)
    given["a"]["rank"] = 16
    plan.to_dict()["a"]["rank"] = 32
    with pytest.raises(TypeError, match="does not support item assignment"):
        plan["a"]["rank"] = 64  # type: ignore[index]
    assert plan == Plan({"a": {"rank": 8}})
    assert plan["a"] == {"rank": 8}


@given(raw_plans)
@settings(deadline=None)
def test_pickling_and_copying(raw: Raw) -> None:
    plan = Plan(raw)
    for again in (pickle.loads(pickle.dumps(plan)), copy.copy(plan), copy.deepcopy(plan), Plan(plan)):
        assert again == plan
        assert again.to_dict() == plan.to_dict()


@given(raw_plans)
@settings(deadline=None)
def test_what_it_was_made_from_and_gives_out_are_copies(raw: Raw) -> None:
    plan = Plan(raw)
    before = plan.to_json()
    for source in (raw, plan.to_dict()):
        for chosen in source.values():
            chosen["changed"] = 1
        source["more"] = {"rank": 1}
    assert plan.to_json() == before
    assert Plan(plan.to_dict()) == plan


@given(raw_plans)
@settings(deadline=None)
def test_reads_like_a_mapping(raw: Raw) -> None:
    plan = Plan(raw)
    assert {path: dict(settings) for path, settings in plan.items()} == plan.to_dict()
    assert all(path in plan for path, chosen in raw.items() if chosen)
    assert "" not in plan


def test_the_id_is_the_beginning_of_the_hash() -> None:
    text = '{"a.b":{"bits":8,"rank":64}}'
    plan = Plan({"a.b": {"rank": 64, "bits": 8}})
    assert plan.to_json() == text
    assert plan.id == hashlib.sha256(text.encode()).hexdigest()[:8]
    assert repr(plan) == f"Plan({text})"


@pytest.mark.parametrize("raw", [None, {}, {"a": {}}])
def test_the_empty_plan_is_the_original(raw: Any) -> None:
    assert Plan(raw).id == "original"
    assert not Plan(raw)
    assert Plan(raw) == Plan()


def test_other_values_are_other_plans() -> None:
    plans = [Plan({"a": {"rank": value}}) for value in (8, 8.0, "8", 16)]
    assert len(set(plans)) == len({plan.id for plan in plans}) == 4
    assert Plan({"a": {"rank": 8}}) != {"a": {"rank": 8}}


WRONG: list[tuple[Any, str]] = [
    ({"": {"rank": 8}}, "non-empty string, but got ''"),
    ({3: {"rank": 8}}, "non-empty string, but got 3"),
    ({"a": {1: 8}}, "a: .*got 1: 8"),
    ({"a": {1: 8, "rank": 8}}, "a: .*got 1: 8"),
    ({"a": {"rank": None}}, "a: .*got 'rank': None"),
    ({"a": {"rank": [8]}}, r"a: .*got 'rank': \[8\]"),
    ({"a": {"rank": True}}, "a: .*got 'rank': True"),
    ({"a": {"rank": float("nan")}}, "a: .*finite.*nan"),
    ({"a": {"rank": float("-inf")}}, "a: .*finite.*-inf"),
    ({"a": 8}, "a: .*got 8"),
    ({"a": "rank"}, "a: .*got 'rank'"),
    ({"a": ["rank"]}, r"a: .*got \['rank'\]"),
]


@pytest.mark.parametrize(("raw", "message"), WRONG)
def test_what_is_no_plan_is_refused(raw: Any, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        Plan(raw)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "8", "null", '{"a": 8}', '{"a": null}', '{"a": {"rank": NaN}}', '{"a": {"rank": null}}'],
)
def test_json_that_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(PlanError):
        Plan.from_json(text)
