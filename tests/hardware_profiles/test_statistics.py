import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.errors import MeasureError
from greenfront.hardware_profiles.statistics import (
    drift,
    median_interval,
    ratio_interval,
    relative_half_width,
)

samples = st.lists(st.floats(min_value=1e-3, max_value=1e6), min_size=1, max_size=40)


@given(samples, st.integers(0, 5))
def test_the_interval_holds_the_median_and_stays_within_the_samples(values: list[float], seed: int) -> None:
    interval = median_interval(values, seed=seed, resamples=100)
    assert interval.median == pytest.approx(float(np.median(values)))
    assert min(values) <= interval.low <= interval.median <= interval.high <= max(values)


@given(samples, st.floats(min_value=0.5, max_value=2))
def test_the_interval_scales_with_its_samples(values: list[float], factor: float) -> None:
    one = median_interval(values, seed=1, resamples=100)
    scaled = median_interval([factor * value for value in values], seed=1, resamples=100)
    assert scaled.high == pytest.approx(factor * one.high)
    assert scaled.low == pytest.approx(factor * one.low)


def test_the_interval_shrinks_with_the_root_of_the_number_of_samples() -> None:
    rng = np.random.default_rng(0)
    few, many = ([], [])  # type: tuple[list[float], list[float]]
    for seed in range(20):
        for n, widths in ((25, few), (400, many)):
            widths.append(relative_half_width(median_interval(rng.normal(10, 1, n).tolist(), seed=seed)))
    assert np.mean(few) / np.mean(many) == pytest.approx(4, rel=0.25)


def test_the_interval_covers_the_true_median_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(300):
        interval = median_interval(rng.exponential(1, 60).tolist(), seed=seed, resamples=300)
        hits += interval.low <= np.log(2) <= interval.high
    assert 0.90 <= hits / 300 <= 0.99


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).normal(10, 1, 30).tolist()
    assert median_interval(values, seed=3) == median_interval(values, seed=3)
    assert median_interval(values, seed=3) != median_interval(values, seed=4)


@pytest.mark.parametrize("bad", [[], [1.0, float("nan")], [float("inf")]])
def test_samples_that_say_nothing_are_refused(bad: list[float]) -> None:
    with pytest.raises(MeasureError, match="finite samples"):
        median_interval(bad, seed=0)


def test_a_ratio_of_pairs_is_blind_to_what_slows_both() -> None:
    rng = np.random.default_rng(0)
    slowness = np.exp(rng.normal(0, 0.5, 100))  # the machine's speed wanders by half
    ratio = ratio_interval((0.5 * slowness).tolist(), slowness.tolist(), seed=0)
    assert ratio.low == pytest.approx(0.5)
    assert ratio.high == pytest.approx(0.5)


def test_ratios_need_pairs() -> None:
    with pytest.raises(MeasureError, match="as many positive baselines"):
        ratio_interval([1.0, 2.0], [1.0], seed=0)
    with pytest.raises(MeasureError, match="as many positive baselines"):
        ratio_interval([1.0], [0.0], seed=0)


def test_drift_is_the_change_from_the_first_to_the_last_third() -> None:
    assert drift([1.0, 1.0, 5.0, 5.0, 1.2, 1.2]) == pytest.approx(0.2)
    assert drift([1.0, 2.0]) == 0.0
