import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.config import CostName
from greenfront.errors import MeasureError
from greenfront.hardware_profiles import Cost, Interval, Target
from greenfront.hardware_profiles.cost import derived

amounts = st.floats(min_value=0, max_value=1e12)
positive = st.floats(min_value=1e-6, max_value=1e12)
counts = st.integers(min_value=0, max_value=10**15)
intervals = st.lists(amounts, min_size=3, max_size=3).map(sorted).map(lambda x: Interval(x[1], x[0], x[2]))
targets = st.builds(
    Target, st.just("here"), st.just("cpu"), st.just("torch"), st.just(1), st.just(1), st.just(64),
    large_batch=st.integers(1, 512), grid_intensity=amounts, price=amounts,
)  # fmt: skip
costs = st.builds(
    derived, targets, latency_ms=intervals, latency_p90_ms=amounts, large_batch_latency_ms=positive,
    peak_memory_mb=amounts, size_mb=amounts, parameters=counts, flops=counts, energy_j=amounts,
    energy_source=st.sampled_from(["counter", "estimated"]),
)  # fmt: skip


@given(costs)
def test_a_cost_survives_json(cost: Cost) -> None:
    assert Cost.from_dict(json.loads(json.dumps(cost.to_dict()))) == cost


@given(intervals)
def test_an_interval_survives_json(interval: Interval) -> None:
    assert Interval.from_dict(json.loads(json.dumps(interval.to_dict()))) == interval


@given(costs)
def test_a_value_is_the_field_and_the_median_of_an_interval(cost: Cost) -> None:
    for name in get_args(CostName):
        expected = cost.latency_ms.median if name == "latency_ms" else getattr(cost, name)
        assert cost.value(name) == expected


@given(costs)
def test_an_estimated_energy_says_so_in_every_name_that_comes_from_it(cost: Cost) -> None:
    keys = set(cost.to_dict())
    measured = {"energy_j", "co2_g_per_million", "money_per_million"}
    guessed = {"energy_estimated_j", "co2_estimated_g_per_million", "money_estimated_per_million"}
    expected, others = (measured, guessed) if cost.energy_source == "counter" else (guessed, measured)
    assert expected <= keys
    assert not others & keys
    assert "energy_source" not in keys


def test_what_follows_from_time_and_energy() -> None:
    """32 examples in 160 ms are 200/s; 36 J are 10 kWh a million, at 473 g and 0.25 a kWh."""
    target = Target("here", "cpu", "torch", 1, 1, 64, large_batch=32)
    cost = derived(
        target, latency_ms=Interval(10, 9, 11), latency_p90_ms=12, large_batch_latency_ms=160, peak_memory_mb=1,
        size_mb=1, parameters=1, flops=1, energy_j=36.0, energy_source="counter",
    )  # fmt: skip
    assert cost.throughput_per_s == pytest.approx(200)
    assert cost.co2_g_per_million == pytest.approx(4730)
    assert cost.money_per_million == pytest.approx(2.5)


def test_a_large_query_takes_time() -> None:
    with pytest.raises(MeasureError, match="more than 0 ms, but got 0"):
        derived(
            Target("here", "cpu", "torch", 1, 1, 64), latency_ms=Interval(1, 1, 1), latency_p90_ms=1,
            large_batch_latency_ms=0, peak_memory_mb=1, size_mb=1, parameters=1, flops=1, energy_j=1.0,
            energy_source="counter",
        )  # fmt: skip


@pytest.mark.parametrize("bad", [(1, 2, 3), (1, 0, 0.5), (float("nan"), 0, 1), (1, 0, float("inf"))])
def test_an_interval_without_its_median_inside_is_refused(bad: tuple[float, float, float]) -> None:
    with pytest.raises(MeasureError, match="low <= median <= high"):
        Interval(*bad)


GOOD = Cost(Interval(2.0, 1.0, 3.0), 3.0, 4.0, 5.0, 6.0, 7.0, 8, 9, 10.0, "estimated", 11.0, 12.0).to_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latency_ms": 3.0}, "`latency_ms` as an interval"),
        ({"latency_ms": {"median": 1.0}}, "exactly median, low, high, but missing low, high"),
        ({"size_mb": "5 MB"}, "size_mb must be a finite number, but got '5 MB'"),
        ({"size_mb": float("nan")}, "size_mb must be a finite number, but got nan"),
        ({"flops": True}, "flops must be a finite number, but got True"),
        ({"energy_j": 1.0}, "unknown energy_j"),
        ({"speed": 1.0}, "unknown speed"),
    ],
)
def test_a_foreign_document_is_refused_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        Cost.from_dict({**GOOD, **change})


def test_a_missing_cost_is_named() -> None:
    with pytest.raises(MeasureError, match="missing peak_memory_mb"):
        Cost.from_dict({name: value for name, value in GOOD.items() if name != "peak_memory_mb"})
