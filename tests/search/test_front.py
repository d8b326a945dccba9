"""The front: dominance against an obvious oracle, and front.json in both directions."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from greenfront.config import COST_OF
from greenfront.errors import ConfigError, RunError
from greenfront.search.front import Front, mark_front, pareto_mask
from tests.search.front_builder import (
    build_candidate,
    build_cost,
    build_front,
    build_original,
    build_plan,
)

POINTS = arrays.arrays(
    np.float64,
    st.tuples(st.integers(0, 12), st.integers(1, 3)),
    # Few distinct values, so that duplicates and ties on one coordinate are common.
    elements=st.sampled_from([-1.0, 0.0, 1.0, 2.5, math.inf, math.nan]),
)


def dominates(a: list[float], b: list[float]) -> bool:
    pairs = list(zip(a, b, strict=True))
    return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)


@given(POINTS)
def test_pareto_mask_is_what_nobody_dominates(points: np.ndarray) -> None:
    rows = points.tolist()
    expected = [
        not any(math.isnan(x) for x in row) and not any(dominates(other, row) for other in rows) for row in rows
    ]
    assert pareto_mask(points).tolist() == expected


@given(POINTS)
def test_every_point_off_the_front_is_dominated_by_one_on_it(points: np.ndarray) -> None:
    mask = pareto_mask(points)
    for row, on_front in zip(points, mask, strict=True):
        if not on_front and not np.isnan(row).any():
            assert any(dominates(member.tolist(), row.tolist()) for member in points[mask])


def test_pareto_mask_refuses_a_vector() -> None:
    with pytest.raises(ValueError, match=r"shape \(N, D\)"):
        pareto_mask(np.zeros(3))


def test_mark_front_is_among_feasible_verified_candidates_only() -> None:
    plans = [build_plan(i) for i in range(6)]
    slow_good = build_candidate(plans[0], latency_ms=10, validation=0.92)
    fast_poor = build_candidate(plans[1], latency_ms=5, validation=0.90)
    dominated = build_candidate(plans[2], latency_ms=10.5, validation=0.91, on_front=True)
    infeasible = build_candidate(plans[3], latency_ms=1, validation=0.99, feasible=False)
    unverified = build_candidate(plans[4], latency_ms=1, validation=0.99, verified=False)
    twin = build_candidate(plans[5], latency_ms=5, validation=0.90)
    everyone = (slow_good, fast_poor, dominated, infeasible, unverified, twin)
    marked = mark_front(everyone, ("accuracy", "latency"), "laptop")
    assert [c.on_front for c in marked] == [True, True, False, False, False, True]
    assert [replace(c, on_front=False) for c in marked] == [replace(c, on_front=False) for c in everyone]


def test_mark_front_lets_the_original_compete_and_takes_other_costs() -> None:
    original = build_original()
    worse = build_candidate(build_plan(1), latency_ms=21, size_mb=30, validation=0.92)
    by_latency = mark_front((original, worse), ("accuracy", "latency"), "laptop")
    by_size = mark_front((original, worse), ("accuracy", "size"), "laptop")
    assert [c.on_front for c in by_latency] == [True, False]
    assert [c.on_front for c in by_size] == [True, True]
    assert mark_front((), ("accuracy", "latency"), "laptop") == ()


@given(st.permutations([(4, 40), (8, 20), (16, 10)]), st.sampled_from(sorted(COST_OF)))
def test_every_cost_orders_the_front(points: list[tuple[int, int]], name: str) -> None:
    """The accurate ones cost most: nobody is dominated, unless the cost is turned round."""
    made = [
        build_candidate(build_plan(i), latency_ms=ms, size_mb=ms, validation=0.8 + ms / 100)
        for i, (ms, _) in enumerate(points)
    ]
    assert all(c.on_front for c in mark_front(made, ("accuracy", name), "laptop"))
    worse = [replace(c, score=replace(c.score, validation=1 - c.score.validation)) for c in made]
    on_front = [c for c in mark_front(worse, ("accuracy", name), "laptop") if c.on_front]
    assert [c.costs()["laptop"].latency_ms.median for c in on_front] == [4]


def test_a_further_target_has_a_front_of_its_own() -> None:
    front = build_front(verified=3, unverified=0, targets=("laptop", "phone"))
    one, other, _ = front.candidates
    candidates = (replace(one, on_front=True), replace(other, on_front=False, other_fronts=("phone",)))
    front = Front.from_json(replace(front, candidates=candidates).to_json())
    assert [c.id for c in front.members_on("laptop")] == [one.id]
    assert [c.id for c in front.members_on("phone")] == [other.id]
    assert front.candidates == candidates


def test_a_target_that_is_elsewhere_has_predicted_costs() -> None:
    front = build_front(verified=2, unverified=0, targets=("laptop", "phone"))
    first = front.candidates[0]
    assert first.cost is not None
    away = replace(first, cost={"laptop": first.cost["laptop"]}, on_front=True, other_fronts=("phone",))
    front = Front.from_json(replace(front, candidates=(away,)).to_json())
    assert front.members == front.members_on("phone") == (away,)
    assert away.measured("laptop")
    assert not away.measured("phone")
    assert away.costs() == {"laptop": first.cost["laptop"], "phone": first.predicted["phone"]}


def test_mark_front_refuses_unknown_objectives_and_targets() -> None:
    candidates = (build_candidate(build_plan(1)),)
    with pytest.raises(ConfigError, match="speed"):
        mark_front(candidates, ("accuracy", "speed"), "laptop")
    with pytest.raises(RunError, match="server"):
        mark_front(candidates, ("accuracy", "latency"), "server")


@given(st.integers(0, 50), st.sampled_from([("laptop",), ("laptop", "a phone")]))
def test_json_gives_the_same_front(seed: int, targets: tuple[str, ...]) -> None:
    front = build_front(verified=3, unverified=2, seed=seed, targets=targets)
    assert Front.from_json(front.to_json()) == front


def test_json_has_the_documented_shape() -> None:
    front = build_front(verified=2, unverified=1)
    raw = json.loads(front.to_json())
    assert list(raw) == ["version", "metric", "targets", "budgets", "objectives", "fronts", "original", "candidates"]
    assert raw["version"] == 2
    assert raw["fronts"] == {"laptop": [member.id for member in front.members]}
    assert raw["budgets"] == {"latency": "60%", "size": "80 MB", "accuracy_drop": "3%"}
    measured = next(c for c in raw["candidates"] if c["verified"])
    predicted = next(c for c in raw["candidates"] if not c["verified"])
    assert set(measured) == {
        "id", "plan", "score", "cost", "predicted", "feasible", "on_front", "missed", "origin", "verified",
        "tied",
    }  # fmt: skip
    assert set(measured["score"]) == {"metric", "validation", "test", "test_interval"}
    assert set(measured["cost"]["laptop"]) == {
        "latency_ms", "latency_p90_ms", "large_batch_latency_ms", "throughput_per_s", "peak_memory_mb", "size_mb",
        "parameters", "flops", "energy_estimated_j", "co2_estimated_g_per_million", "money_estimated_per_million",
    }  # fmt: skip
    assert set(measured["cost"]["laptop"]["latency_ms"]) == {"median", "low", "high"}
    assert predicted["cost"] is None
    assert predicted["score"]["test"] is None
    assert raw["original"]["id"] == "original"
    assert raw["original"]["plan"] == {}


def test_a_diverged_candidate_is_kept_without_nan_in_the_document() -> None:
    diverged = build_candidate(build_plan(1), validation=math.nan, verified=False, feasible=False)
    text = build_front((diverged,)).to_json()
    assert "NaN" not in text
    assert math.isnan(Front.from_json(text).candidates[0].score.validation)


def test_save_and_load(tmp_path: Path) -> None:
    front, path = build_front(verified=2, unverified=1), tmp_path / "front.json"
    path.write_text("the old one")
    front.save(path)
    assert Front.load(path) == front
    assert [file.name for file in tmp_path.iterdir()] == ["front.json"]


def test_a_failed_save_leaves_the_old_front_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "front.json"
    front = build_front(verified=2, unverified=0)
    front.save(path)
    first = front.candidates[0]
    unwritable = replace(first, score=replace(first.score, test=math.inf))
    broken = replace(front, candidates=(unwritable,))
    with pytest.raises(ValueError, match="JSON"):
        broken.save(path)
    assert Front.load(path) == front
    assert [file.name for file in tmp_path.iterdir()] == ["front.json"]


def edited(path: str, value: Any) -> str:
    """A good document with one value replaced, or removed when `value` is `...`."""
    raw = json.loads(build_front(verified=2, unverified=1).to_json())
    at: Any = raw
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in parents:
        at = at[part]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return json.dumps(raw)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("version", 1, "version must be 2, but got 1"),
        ("version", ..., "version is missing"),
        ("metric", 3, "metric: must be text, but got '3'"),
        ("targets", [], "fronts: must hold exactly"),
        ("targets", [1], "list of text"),
        ("extra", 1, "unknown extra"),
        ("objectives", ..., "missing objectives"),
        ("fronts", {"phone": []}, "fronts: must hold exactly laptop, but missing laptop and unknown phone"),
        ("fronts/laptop", "all", "fronts.laptop: must be a list"),
        ("budgets/latency", "8 MB", "8 MB"),
        ("budgets/speed", "8 ms", "speed"),
        ("budgets/accuracy", "much", "much"),
        ("original/cost", {"phone": build_cost().to_dict()}, "costs must be of laptop, but got laptop, phone"),
        ("candidates", {}, "candidates: must be a list"),
        ("candidates/1/id", "0000", "candidate '0000': its id must be that of its plan"),
        ("candidates/1/feasible", 1, r"candidates\[1\].feasible: must be true or false"),
        ("candidates/1/score/validation", "high", r"candidates\[1\].score.validation: must be a number"),
        ("candidates/1/score/test_interval", [1], "test_interval: must be .low, high. or null"),
        ("candidates/1/score/test", None, "its test score is missing"),
        ("candidates/1/plan", {"a": 5}, r"candidates\[1\]"),
        ("candidates/1/plan", [], "plan: must be a mapping"),
        ("candidates/1/cost/laptop/size_mb", "big", r"candidates\[1\].*size_mb"),
        ("candidates/1/cost/laptop", 5, r"candidates\[1\].cost.laptop: must be a mapping"),
        ("candidates/1/predicted", ..., r"candidates\[1\]: .*missing predicted"),
        ("candidates/1", "x", r"candidates\[1\]: must be a mapping"),
    ],
)
def test_load_says_what_is_wrong_and_where(tmp_path: Path, path: str, value: Any, words: str) -> None:
    file = tmp_path / "front.json"
    file.write_text(edited(path, value))
    with pytest.raises(RunError, match=words) as caught:
        Front.load(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", b"\xff\xfe"])
def test_load_refuses_what_is_no_document(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "front.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RunError, match=r"front\.json"):
        Front.load(file)


def test_load_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"front\.json: can't be read"):
        Front.load(tmp_path / "front.json")


def test_a_front_has_a_target() -> None:
    with pytest.raises(RunError, match="at least one target"):
        replace(build_front(()), targets=())


def test_two_candidates_with_one_plan_are_refused() -> None:
    twin = build_candidate(build_plan(1))
    with pytest.raises(RunError, match="twice"):
        build_front((twin, twin))


def test_members_are_sorted_and_candidates_are_found_by_prefix() -> None:
    front = build_front(verified=14, unverified=18)
    latencies = [c.costs()["laptop"].latency_ms.median for c in front.members]
    assert latencies == sorted(latencies)
    assert len(latencies) >= 2
    some = front.members[0]
    assert front.candidate(some.id) == front.candidate(some.id[:6]) == some
    assert front.candidate("original") == front.original
    with pytest.raises(RunError, match=f"'zz'.*{some.id}"):
        front.candidate("zz")
    with pytest.raises(RunError, match="33 candidates"):
        front.candidate("")
