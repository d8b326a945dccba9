"""The time left of stages that go at a known pace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.time_left import TimeLeft, duration


@given(st.integers(0, 500), st.integers(1, 20), st.integers(0, 30), st.floats(0.1, 1000))
def test_at_an_even_pace_it_is_right_wherever_a_stage_begins(begun: int, done: int, more: int, pace: float) -> None:
    left = TimeLeft(0)
    for number in range(done + 1):
        left.advance(begun + number, begun + done + more, 50 + pace * number)
    assert left.seconds(50 + pace * done) == pytest.approx(more * pace, abs=1e-6)
    if more:
        assert left.seconds(50 + pace * (done + 0.5)) == pytest.approx((more - 0.5) * pace, abs=1e-6)


def test_nothing_is_known_before_anything_was_done() -> None:
    left = TimeLeft(0)
    assert left.seconds(0) is None
    left.advance(20, 40, 100)  # a run that is taken up: those 20 took no time here
    left.advance(20, 40, 160)
    assert left.seconds(170) is None
    left.advance(21, 40, 200)
    assert left.seconds(200) == pytest.approx(19 * 100)


def test_what_is_known_before_counts_until_something_was_done() -> None:
    left = TimeLeft(100, expected=60)
    left.advance(0, 3, 105)
    assert [left.seconds(now) for now in (100, 130, 200)] == [60, 30, 0]
    left.advance(1, 3, 205)
    assert left.seconds(205) == 200


def test_it_stands_still_where_the_next_word_is_overdue() -> None:
    left = TimeLeft(0)
    for now, done in ((0, 0), (10, 1), (20, 2)):
        left.advance(done, 4, now)
    assert [left.seconds(now) for now in (20, 25, 30, 60, 600)] == [20, 15, 10, 10, 10]
    left.advance(3, 4, 90)
    assert left.seconds(90) == 30
    left.advance(4, 4, 100)
    assert left.seconds(200) == 0


def test_a_total_may_change_and_a_part_may_begin_anew() -> None:
    left = TimeLeft(0)
    left.advance(0, 10, 0)
    left.advance(5, 10, 50)
    left.advance(5, 8, 50)  # on rungs fewer trials go on than was expected
    assert left.seconds(50) == 30
    left.advance(0, 3, 60)
    assert left.seconds(60) is None
    left.advance(1, 3, 62)
    assert left.seconds(62) == 4


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (44.6, "45 s"),
        (89, "89 s"),
        (90, "2 min"),
        (7000, "117 min"),
        (7200, "2 h 0 min"),
        (11100, "3 h 5 min"),
    ],
)
def test_durations_are_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words
