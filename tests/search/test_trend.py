"""What is expected after the whole training: from trials that went on, by ratios anyone can work out."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.search.trend import GrowingTrend, Score, Trend

Scores = list[Score]

WENT_ON = [
    [(0.5, 1.0), (0.7, 0.4), (0.85, 0.1)],
    [(0.6, 0.8), (0.8, 0.4), (0.88, 0.2)],
    [(0.4, 2.0), (0.8, 0.2)],
    [(0.1, 9.0)],
]


def test_divergence_falls_by_the_median_ratios() -> None:
    trend = Trend.of(WENT_ON, 3, 0.9)
    # From 0 to 1: .4, .5 and .1; from 1 to 2: .25 and .5.
    assert trend.divergence == pytest.approx((0.4 * 0.375, 0.375, 1.0))
    assert trend.expected(0, (0.1, 9.0))[1] == pytest.approx(9.0 * 0.15)
    assert trend.expected(2, (0.8, 0.2)) == (0.8, 0.2)


def test_the_metric_comes_nearer_to_the_originals_as_all_did_together() -> None:
    trend = Trend.of(WENT_ON, 3, 0.9)
    first, second = (0.2 + 0.1 + 0.1) / (0.4 + 0.3 + 0.5), (0.05 + 0.02) / (0.2 + 0.1)
    assert trend.shortfall == pytest.approx((first * second, second, 1.0))
    assert trend.expected(0, (0.1, 9.0))[0] == pytest.approx(0.9 - first * second * 0.8)
    # One that is better than the original isn't expected to lose that.
    assert Trend.of([[(0.95, 0.1), (0.97, 0.05)]], 2, 0.9).shortfall == (None, 1.0)


def test_what_none_has_gone_through_is_unknown() -> None:
    nothing = Trend.of([], 3, 0.9)
    assert nothing.divergence == (1.0, 1.0, 1.0)
    assert nothing.expected(0, (0.1, 9.0)) == (None, 9.0)
    part = Trend.of([[(0.5, 1.0), (0.7, 0.5)]], 3, 0.9)
    assert part.divergence == (0.5, 1.0, 1.0)
    assert part.expected(1, (0.7, 0.5)) == (None, 0.5)


def test_a_metric_never_gets_worse_by_training() -> None:
    assert Trend.of([[(0.8, 0.2), (0.7, 0.1)]], 2, 0.9).expected(0, (0.8, 0.2))[0] == pytest.approx(0.8)


def test_small_changes_are_not_worth_telling() -> None:
    a = Trend((0.5, 1.0), (0.5, 1.0), 0.9)
    assert not a.differs(Trend((0.54, 1.0), (0.59, 1.0), 0.9), 1.1)
    assert a.differs(Trend((0.56, 1.0), (0.5, 1.0), 0.9), 1.1)
    assert a.differs(Trend((0.5, 1.0), (0.61, 1.0), 0.9), 1.1)
    assert a.differs(Trend((0.5, 1.0), (None, 1.0), 0.9), 1.1)


nats = st.just(0.0) | st.floats(1e-6, 4.0)
scores = st.lists(st.tuples(st.floats(0.0, 1.0), nats), max_size=4)


@given(st.lists(st.tuples(st.integers(0, 9), scores), max_size=30))
def test_trials_one_by_one_and_again_make_the_trend_of_what_is_known_last(history: list[tuple[int, Scores]]) -> None:
    growing, known = GrowingTrend(4, 0.9), dict[int, Scores]()
    for number, reached in history:
        growing.add(number, reached)
        known[number] = reached  # in the order in which they came first
        assert growing.trend() == slow_trend([*known.values()], 4, 0.9)


def slow_trend(trials: list[Scores], rungs: int, original: float) -> Trend:
    """Ratio by ratio, sums from left to right."""
    divergence, shortfall = [1.0], list[float | None]([1.0])
    for step in reversed(range(rungs - 1)):
        pairs = [(trial[step], trial[step + 1]) for trial in trials if len(trial) > step + 1]
        ratios = [after[1] / before[1] for before, after in pairs if before[1] > 0 and after[1] > 0]
        divergence.insert(0, divergence[0] * (statistics.median(ratios) if ratios else 1.0))
        before, after = (sum([max(original - pair[at][0], 0.0) for pair in pairs], 0.0) for at in (0, 1))
        following = shortfall[0]
        shortfall.insert(0, None if following is None or before <= 0 else following * min(after / before, 1.0))
    return Trend(tuple(divergence), tuple(shortfall), original)
