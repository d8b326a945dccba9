"""The front: dominance against an obvious oracle, budgets, and front.json in both directions."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from greenfront.config import COST_OF, BudgetsConfig
from greenfront.errors import ConfigError, RunError
from greenfront.search.candidate import Candidate, CandidateScore
from greenfront.search.front import Front, budget_slack, mark_front, missed_budgets, pareto_mask
from greenfront.search.slack import binding, budgets_from_text, budgets_to_text, least, summed_limit
from greenfront.spaces.plan import Plan
from greenfront.units import Bound, parse_bound
from tests.search.front_builder import (
    BUDGETS,
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


def test_slack_is_the_share_of_each_limit() -> None:
    slack = budget_slack({"laptop": build_cost(9.0, 90.0)}, 0.91, build_original(), BUDGETS)
    assert slack == pytest.approx(
        {"latency": 3 / 12, "size": -10 / 80, "accuracy_drop": (0.91 - 0.93 * 0.97) / (0.93 * 0.97)}
    )
    assert missed_budgets({"laptop": build_cost(9.0, 90.0)}, 0.91, build_original(), BUDGETS) == ("size",)
    assert binding(slack) == "size"
    assert least(slack) == slack["size"]


def test_a_cost_has_to_hold_on_every_target() -> None:
    original = build_original(("laptop", "phone"))  # 20 ms and 10 ms
    costs = {"laptop": build_cost(10.0), "phone": build_cost(9.0)}
    budgets = BudgetsConfig(latency=parse_bound("60%", "time", "latency"))
    assert budget_slack(costs, 0.9, original, budgets) == pytest.approx({"latency": -0.5})


@given(st.sampled_from(sorted(COST_OF)), st.floats(0.3, 3), st.floats(0.3, 3), st.booleans())
def test_every_budget_bounds_its_cost_on_the_right_side(name: str, share: float, times: float, relative: bool) -> None:
    original = build_original()
    reference, own = original.costs()["laptop"], build_cost(20.0 * times, 91.0 * times)
    before, value = reference.value(COST_OF[name]), own.value(COST_OF[name])
    bound = Bound(share if relative else share * before, relative, "any")
    budgets = BudgetsConfig().model_copy(update={name: bound})
    limit = share * before
    spare = value - limit if name == "throughput" else limit - value
    assume(abs(spare) > 1e-6 * limit)
    slack = budget_slack({"laptop": own}, 0.9, original, budgets)
    assert slack == {name: pytest.approx(spare / limit)}
    assert (name in missed_budgets({"laptop": own}, 0.9, original, budgets)) == (spare < 0)
    summed, most = summed_limit(name, bound, reference, 32)
    assert (own.value(summed) <= most) == (spare >= 0)


def test_a_budget_of_nothing_is_met_by_nothing() -> None:
    """On a grid without CO2 the original emits none, and half of it is none."""
    budgets = BudgetsConfig.model_construct(co2=parse_bound("50%", "mass", "co2"))
    clean = replace(build_cost(), co2_g_per_million=0.0)
    original = replace(build_original(), cost={"laptop": clean})
    assert budget_slack({"laptop": clean}, 0.9, original, budgets) == {"co2": 0.0}


def test_limits_are_met_exactly_and_nan_is_missed() -> None:
    budgets = BudgetsConfig(accuracy=0.9, accuracy_drop=0.1, latency=parse_bound("10%", "time", "latency"))
    original = build_original(validation=1.0)
    costs = {"laptop": build_cost(20.0 * 0.1)}
    assert missed_budgets(costs, 1.0 - 0.1, original, budgets) == ()
    assert missed_budgets(costs, 0.899, original, budgets) == ("accuracy_drop", "accuracy")
    assert missed_budgets(costs, math.nan, original, budgets) == ("accuracy_drop", "accuracy")
    assert binding({"latency": -1.0, "accuracy": math.nan}) == "accuracy"
    assert binding({}) is None
    assert least({}) == math.inf


def test_a_drop_of_a_negative_score_lowers_the_floor() -> None:
    budgets = BudgetsConfig(accuracy_drop=0.1)
    original = build_original(validation=-0.5)
    assert missed_budgets({"laptop": build_cost()}, -0.54, original, budgets) == ()
    assert missed_budgets({"laptop": build_cost()}, -0.56, original, budgets) == ("accuracy_drop",)


def test_slack_works_before_the_original_is_measured() -> None:
    original = Candidate(
        "original", Plan(), CandidateScore("accuracy", 0.9), None, {"laptop": build_cost(10.0)}, feasible=True
    )
    budgets = BudgetsConfig(latency=parse_bound("50%", "time", "latency"))
    assert budget_slack({"laptop": build_cost(4.0)}, 0.9, original, budgets) == pytest.approx({"latency": 0.2})
    with pytest.raises(RunError, match="laptop"):
        budget_slack({"phone": build_cost(4.0)}, 0.9, original, budgets)
    with pytest.raises(RunError, match="laptop"):
        budget_slack({}, 0.9, original, budgets)


@given(
    st.sampled_from([None, "8 ms", "60%", "1.5 s"]),
    st.sampled_from([None, "5M", "12.5%"]),
    st.sampled_from([None, "200/s", "150%"]),
    st.sampled_from([None, 0.01, 0.07, 0.125]),
    st.sampled_from([None, 0.9, 0.333]),
)
def test_budgets_as_text(
    latency: str | None, parameters: str | None, throughput: str | None, drop: float | None, accuracy: float | None
) -> None:
    budgets = BudgetsConfig(
        throughput=None if throughput is None else parse_bound(throughput, "rate", "throughput"),
        latency=None if latency is None else parse_bound(latency, "time", "latency"),
        parameters=None if parameters is None else parse_bound(parameters, "count", "parameters"),
        accuracy_drop=drop,
        accuracy=accuracy,
    )
    assert budgets_from_text(budgets_to_text(budgets)) == budgets
