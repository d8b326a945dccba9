import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.errors import MeasureError
from greenfront.hardware_profiles import Cost, Interval

amounts = st.floats(min_value=0, max_value=1e12)
counts = st.integers(min_value=0, max_value=10**15)
intervals = st.lists(amounts, min_size=3, max_size=3).map(sorted).map(lambda x: Interval(x[1], x[0], x[2]))
costs = st.builds(Cost, intervals, amounts, amounts, counts, counts)


@given(costs)
def test_a_cost_survives_json(cost: Cost) -> None:
    assert Cost.from_dict(json.loads(json.dumps(cost.to_dict()))) == cost


@given(intervals)
def test_an_interval_survives_json(interval: Interval) -> None:
    assert Interval.from_dict(json.loads(json.dumps(interval.to_dict()))) == interval


@given(costs)
def test_a_value_is_the_field_and_the_median_of_an_interval(cost: Cost) -> None:
    assert cost.value("latency_ms") == cost.latency_ms.median
    assert cost.value("size_mb") == cost.size_mb
    assert cost.value("flops") == cost.flops


@pytest.mark.parametrize("bad", [(1, 2, 3), (1, 0, 0.5), (float("nan"), 0, 1), (1, 0, float("inf"))])
def test_an_interval_without_its_median_inside_is_refused(bad: tuple[float, float, float]) -> None:
    with pytest.raises(MeasureError, match="low <= median <= high"):
        Interval(*bad)


GOOD = Cost(Interval(2.0, 1.0, 3.0), 4.0, 5.0, 6, 7).to_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latency_ms": 3.0}, "`latency_ms` as an interval"),
        ({"latency_ms": {"median": 1.0}}, "exactly median, low, high"),
        ({"size_mb": "5 MB"}, "size_mb must be a number, but got '5 MB'"),
        ({"flops": True}, "flops must be a number, but got True"),
        ({"energy_j": 1.0}, "exactly peak_memory_mb, size_mb, parameters, flops"),
    ],
)
def test_a_foreign_document_is_refused_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        Cost.from_dict({**GOOD, **change})
