import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from greenfront.errors import MeasureError
from greenfront.hardware_profiles.cost import Interval
from greenfront.hardware_profiles.statistics import (
    across,
    drift,
    kendall_tau,
    median_interval,
    ratio_interval,
    relative_half_width,
    without_drift,
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


def drifting(seed: int, repetitions: int, names: int, noise: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two samples in each repetition of things that take 1, 2, ... ms, all slowed down together by up to a half."""
    rng = np.random.default_rng(seed)
    slowness = 1 + 0.5 * rng.random(repetitions)
    times = {
        str(n): n * slowness[:, None] * (1 + noise * rng.standard_normal((repetitions, 2))) for n in range(1, names + 1)
    }
    return times, slowness


def test_what_slows_everything_down_together_cancels() -> None:
    times, slowness = drifting(0, repetitions=9, names=5, noise=0.0)
    steady = without_drift([times])
    usual = np.median(slowness)
    for name, samples in steady.items():
        assert samples.shape == (18,)
        assert samples == pytest.approx(int(name) * usual)


def test_ratios_are_known_better_without_the_drift() -> None:
    errors: dict[bool, list[float]] = {False: [], True: []}
    for seed in range(20):
        times, _ = drifting(seed, repetitions=11, names=20, noise=0.01)
        for steady, samples in ((False, times), (True, without_drift([times]))):
            errors[steady].append(abs(np.median(samples["4"]) / np.median(samples["2"]) / 2 - 1))
    assert np.mean(errors[True]) < 0.5 * np.mean(errors[False])


def test_what_joins_in_a_later_and_slower_round_is_put_on_the_same_scale() -> None:
    first, _ = drifting(1, repetitions=8, names=4, noise=0.0)
    later = {"2": np.full((8, 2), 2 * 3.0), "late": np.full((8, 1), 7 * 3.0), "3": np.full((8, 2), 3 * 3.0)}
    steady = without_drift([first, later])
    assert np.median(steady["late"]) / np.median(steady["2"]) == pytest.approx(7 / 2, rel=0.03)
    assert len(steady["2"]) == 32
    assert len(steady["late"]) == 8


def test_samples_without_drift_stay_as_they_are() -> None:
    steady = without_drift([{"a": np.full((4, 1), 2.0), "b": np.full((4, 3), 5.0)}])
    assert steady["a"].tolist() == [2.0] * 4
    assert steady["b"].tolist() == [5.0] * 12
    assert without_drift([]) == {}


@given(st.permutations(list(range(9))))
def test_kendalls_tau_is_scipys(order: list[int]) -> None:
    first = [float(value) for value in range(9)]
    second = [float(value) ** 2 for value in order]
    assert kendall_tau(first, second) == pytest.approx(kendalltau(first, second).statistic)


def test_kendalls_tau_of_a_single_thing_is_one() -> None:
    assert kendall_tau([1.0], [2.0]) == 1.0


@pytest.mark.parametrize("count", [4, 7, 24])
def test_an_interval_across_processes_holds_the_true_mean_as_often_as_it_says(count: int) -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(300):
        interval = across(rng.normal(1, 0.05, count).tolist(), seed=seed)
        hits += interval.low <= 1 <= interval.high
    assert 0.85 <= hits / 300 <= 0.99


def test_one_process_alone_says_nothing_of_others() -> None:
    assert across([2.0], seed=0) == Interval(2.0, 2.0, 2.0)
    with pytest.raises(MeasureError, match="finite values"):
        across([], seed=0)
