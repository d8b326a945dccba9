"""The hypervolume of a search so far, against inclusion and exclusion over the boxes that its trials dominate."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenfront.config import RunConfig
from greenfront.hardware_profiles import Cost
from greenfront.search.hypervolume import LEAST_DIVERGENCE, LEAST_SHARE, Progression
from greenfront.search.journal import Result, State
from tests.search.front_builder import build_candidate, build_cost, build_plan
from tests.search.toy_run import toy_config

PLAN = build_plan(0)
ORIGINAL_MS, ORIGINAL_MB = 20.0, 80.0
Trial = tuple[float, float, float]
"""Divergence in nats, predicted latency in ms, predicted size in MB."""
trials = st.lists(
    st.tuples(st.floats(1e-5, 2), st.floats(0.1, 30), st.floats(0.5, 100)), min_size=1, max_size=5
)  # fmt: skip


def config_of(*objectives: str, **budgets: str) -> RunConfig:
    return toy_config("unused", objectives=[*objectives], budgets=budgets)


def progression_of(config: RunConfig) -> Progression:
    original = build_candidate(PLAN, latency_ms=ORIGINAL_MS / 1.04, size_mb=ORIGINAL_MB, targets=("toy",))
    return Progression(config, original)


def result_of(divergence: float | None, state: State = "scored", validation: float | None = 0.9) -> Result:
    return Result(0, PLAN, "sampler", state, validation, divergence)


def costs_of(trial: Trial) -> dict[str, Cost]:
    return {"toy": build_cost(trial[1], trial[2])}


def curve(config: RunConfig, tried: Sequence[Trial]) -> list[float]:
    found = progression_of(config).after([result_of(trial[0]) for trial in tried], map(costs_of, tried))
    assert found.shape == (len(tried),)
    return [float(value) for value in found]


def by_hand(tried: Sequence[Trial], worst: Trial, axes: Sequence[int]) -> float:
    """The volume of the union of the boxes from each point to the worst corner, as sums over intersections."""
    best = (LEAST_DIVERGENCE, worst[1] * LEAST_SHARE, worst[2] * LEAST_SHARE)
    lengths = [
        [
            min(max(math.log(worst[axis] / trial[axis]) / math.log(worst[axis] / best[axis]), 0.0), 1.0)
            for axis in axes
        ]
        for trial in tried
    ]  # fmt: skip
    union: float = sum(
        (-1) ** (count + 1) * math.prod(map(min, zip(*some, strict=True)))
        for count in range(1, len(lengths) + 1)
        for some in combinations(lengths, count)
    )
    return union


@given(trials)
def test_shares_of_the_box_are_those_by_hand(tried: list[Trial]) -> None:
    for axes, objectives in (((0, 1), ["accuracy", "latency"]), ((0, 1, 2), ["accuracy", "latency", "size"])):
        found = curve(config_of(*objectives), tried)
        expected = [by_hand(tried[: n + 1], (1.0, ORIGINAL_MS, ORIGINAL_MB), axes) for n in range(len(tried))]
        assert found == pytest.approx(expected, abs=1e-9)


@settings(max_examples=20)
@given(trials)
def test_it_never_falls_and_the_order_changes_nothing_at_the_end(tried: list[Trial]) -> None:
    config = config_of("accuracy", "latency", "size", "parameters", "memory")  # so many are approximated
    found = curve(config, tried)
    assert found == sorted(found)
    assert 0 <= found[0] <= found[-1] <= 1
    assert curve(config, sorted(tried))[-1] == pytest.approx(found[-1], abs=1e-12)


@settings(max_examples=20)
@given(trials)
def test_an_approximation_is_near(tried: list[Trial]) -> None:
    five = config_of("accuracy", "latency", "size", "latency_p90", "large_batch_latency")  # the last two as latency
    expected = by_hand(tried, (1.0, ORIGINAL_MS, ORIGINAL_MB), (0, 1, 2, 1, 1))
    assert curve(five, tried)[-1] == pytest.approx(expected, abs=0.01)


def test_a_budget_is_the_worst_that_counts() -> None:
    tried = [(0.01, 4.0, 40.0), (0.001, 9.0, 20.0)]
    found = curve(config_of("accuracy", "latency", latency="50%"), tried)
    assert found[-1] == pytest.approx(by_hand(tried, (1.0, ORIGINAL_MS / 2, 1.0), (0, 1)))
    # Twice as many examples a second are half as long a query.
    assert curve(config_of("accuracy", "throughput", throughput="200%"), tried) == pytest.approx(found)


@pytest.mark.parametrize(
    ("result", "latency_ms"),
    [
        (result_of(0.01), 10.1),
        (result_of(0.01, validation=0.5), 5.0),
        (result_of(0.01, validation=math.nan), 5.0),
        (result_of(math.nan), 5.0),
        (result_of(0.01, "paused"), 5.0),
        (result_of(None, "failed", None), 5.0),
        (result_of(None, "rejected", None), 5.0),
    ],
)
def test_what_is_no_feasible_result_does_not_count(result: Result, latency_ms: float) -> None:
    progression = progression_of(config_of("accuracy", "latency", latency="50%", accuracy_drop="5%"))
    assert progression.add(result, costs_of((0, latency_ms, 40.0))) == 0
    assert progression.add(result_of(0.01), costs_of((0, 5.0, 40.0))) > 0


def test_a_cost_that_is_nothing_anyway_decides_nothing() -> None:
    def clean(cost: Cost) -> dict[str, Cost]:
        return {"toy": replace(cost, co2_g_per_million=0.0)}

    original = build_candidate(PLAN, targets=("toy",))
    config = config_of("accuracy", "co2", co2="50%")
    progression = Progression(config, replace(original, predicted=clean(original.predicted["toy"])))
    expected = math.log(0.01) / math.log(LEAST_DIVERGENCE)
    assert progression.add(result_of(0.01), clean(build_cost(5.0))) == pytest.approx(expected)
