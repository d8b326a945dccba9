import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.hardware_profiles.calibration import Fit, Row, calibration_plans, fit
from greenfront.spaces import Plan, Space
from tests.hardware_profiles.tiny import Tiny


def rows(original_ms: float, slope: float, per_call_ms: float, noise: float = 0.0) -> list[Row]:
    rng = np.random.default_rng(0)
    changes, calls = [-12.0, -9.0, -7.0, -5.0, -3.0, -1.5], [40, 12, 35, 8, 20, 5]
    found = Fit(slope, per_call_ms)
    return [
        Row(change, count, found.predict(original_ms, change, count) * (1 + noise * rng.normal()))
        for change, count in zip(changes, calls, strict=True)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_plans_are_new_and_in_the_space(tiny: Tiny, seed: int) -> None:
    fitted, held_out = calibration_plans(tiny.space, seed)
    plans = [*fitted, *held_out]
    assert len(fitted) == 6
    assert len(held_out) == 3
    assert len(set(plans)) == len(plans)
    assert Plan() not in plans
    for plan in plans:
        tiny.space.indices(plan)  # raises for a plan of another space


def test_the_same_seed_gives_the_same_plans(tiny: Tiny) -> None:
    assert calibration_plans(tiny.space, 3) == calibration_plans(tiny.space, 3)
    assert calibration_plans(tiny.space, 3) != calibration_plans(tiny.space, 4)


def test_a_space_with_few_plans_gives_few(tiny: Tiny) -> None:
    fitted, held_out = calibration_plans(Space(tiny.space.choices[:1]), 0)
    assert len(fitted) + len(held_out) == 2  # two ranks, the original aside


def test_a_space_without_choices_gives_none() -> None:
    assert calibration_plans(Space(()), 0) == ([], [])


@given(st.floats(0.5, 2), st.floats(15, 100))
def test_an_exact_sum_is_found_again(slope: float, original_ms: float) -> None:
    found = fit(original_ms, rows(original_ms, slope, 0.0))
    for row in rows(original_ms, slope, 0.0):
        assert found.predict(original_ms, row.change_ms, row.calls) == pytest.approx(row.measured_ms, rel=1e-3)


def test_a_price_per_call_is_found_where_there_is_one() -> None:
    found = fit(20.0, rows(20.0, 1.1, 0.05))
    assert found.slope == pytest.approx(1.1)
    assert found.per_call_ms == pytest.approx(0.05)


def test_a_negative_price_per_call_is_taken_for_noise() -> None:
    assert fit(20.0, rows(20.0, 1.1, -0.02)).per_call_ms == 0.0


def test_noise_alone_makes_no_price_per_call() -> None:
    assert fit(20.0, rows(20.0, 1.0, 0.0, noise=1e-3)).slope == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("measured", [[], [Row(0.001, 3, 20.5)], [Row(-5.0, 3, 25.0)]])
def test_what_tells_nothing_or_nonsense_leaves_the_operations_as_measured(measured: list[Row]) -> None:
    assert fit(20.0, measured) == Fit(1.0, 0.0)
