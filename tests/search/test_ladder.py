"""Who goes on from a rung: against slow, obvious versions on random trials."""

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from greenfront.search.ladder import Ladder
from greenfront.search.rung import Point, Standing, furthest, ranks
from tests.search.slow_ladder import SlowLadder

coordinates = st.integers(0, 6).map(float)


def points_of(dimensions: int) -> st.SearchStrategy[list[Point]]:
    """Few different values, so that equal points and equal coordinates come often."""
    return st.lists(st.tuples(*[coordinates] * dimensions), max_size=24)


def dominates(a: Point, b: Point) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


def slow_fronts(points: Sequence[Point]) -> list[set[int]]:
    """Peel off what nothing left dominates, until nothing is left."""
    left, found = set(range(len(points))), []
    while left:
        front = {i for i in left if not any(dominates(points[j], points[i]) for j in left)}
        found.append(front)
        left -= front
    return found


@given(st.integers(1, 4).flatmap(points_of))
def test_fronts_are_peeled_off(points: list[Point]) -> None:
    found = ranks(np.array(points, dtype=np.float64)).tolist()
    assert found == [next(k for k, front in enumerate(slow_fronts(points)) if i in front) for i in range(len(points))]


@given(points_of(2).filter(bool), st.lists(st.tuples(coordinates, coordinates), max_size=4))
def test_the_chosen_one_is_the_furthest_from_all_others(points: list[Point], near: list[Point]) -> None:
    chosen = points[furthest(np.array(points), np.array(near).reshape(-1, 2))]
    if near:
        most = max(min(math.dist(point, other) for other in near) for point in points)
        assert min(math.dist(chosen, other) for other in near) >= most - 1e-9
    else:
        assert sum(chosen) == min(map(sum, points))


def deserving(standings: dict[int, Standing], promoted: set[int], places: int) -> set[int]:
    """Who may go on: those of the first fronts, feasible ones before all others, as far as the places go."""
    found, better = set[int](), 0
    if len(promoted) >= places:
        return found
    for feasible in (True, False):
        group = [number for number, standing in standings.items() if standing.feasible is feasible]
        for front in slow_fronts([standings[number].point for number in group]):
            numbers = {group[index] for index in front}
            if len(numbers & promoted) < places - better:
                found |= numbers - promoted
            better += len(numbers)
    return found


steps = st.lists(
    st.tuples(
        st.tuples(coordinates, coordinates),
        st.booleans(),
        st.sampled_from(["result", "result", "promote", "fail"]),
    ),
    max_size=40,
)


@given(steps, st.integers(2, 4), st.integers(0, 3))
def test_the_next_one_is_the_best_of_the_highest_rung_that_has_one(
    history: list[tuple[Point, bool, str]], reduction: int, settled: int
) -> None:
    rungs = 3
    ladder = Ladder(rungs, reduction)
    standings: list[dict[int, Standing]] = [{} for _ in range(rungs)]
    promoted: list[set[int]] = [set() for _ in range(rungs)]
    for number, (point, feasible, event) in enumerate(history):
        ladder.record(0, number, Standing(point, feasible))
        standings[0][number] = Standing(point, feasible)
        if event == "result":
            continue
        found = ladder.next(settled=settled)
        allowed = [
            deserving(
                standings[rung], promoted[rung],
                -(-len(standings[rung]) // reduction) if rung < settled else len(standings[rung]) // (2 * reduction),
            )
            for rung in range(rungs - 1)
        ]  # fmt: skip
        lowest = min(settled, rungs - 1)
        order = [*range(lowest), *range(rungs - 2, lowest - 1, -1)]
        expected = next((rung for rung in order if allowed[rung]), None)
        if expected is None:
            assert found is None
            continue
        assert found is not None
        rung, chosen = found
        assert rung == expected
        assert chosen in allowed[rung]
        ladder.promote(rung, chosen)
        promoted[rung].add(chosen)
        if event == "promote":
            standing = Standing(tuple(value / 2 for value in standings[rung][chosen].point), feasible)
            ladder.record(rung + 1, chosen, standing)
            standings[rung + 1][chosen] = standing
        else:
            ladder.drop(chosen)
            for kept, gone in zip(standings, promoted, strict=True):
                kept.pop(chosen, None)
                gone.discard(chosen)


@given(st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=40), st.integers(2, 5), st.integers(1, 9))
def test_at_the_end_a_share_of_every_rung_has_gone_on_and_so_many_at_least(
    points: list[Point], reduction: int, least: int
) -> None:
    ladder, reached = Ladder(4, reduction, least), [len(points), 0, 0, 0]
    for number, point in enumerate(points):
        ladder.record(0, number, Standing(point))
    assert ladder.expected(len(points))[0] == len(points)
    while (found := ladder.next(settled=4)) is not None:
        rung, number = found
        ladder.promote(rung, number)
        ladder.record(rung + 1, number, Standing(points[number]))
        reached[rung + 1] += 1
    expected = [len(points)]
    for _ in range(3):
        expected.append(max(math.ceil(expected[-1] / reduction), min(least, expected[-1])))
    assert reached == expected == ladder.expected(len(points))


def test_a_ladder_of_one_rung_promotes_nobody() -> None:
    ladder = Ladder(1, 3)
    for number in range(9):
        ladder.record(0, number, Standing((float(number), 0.0)))
    assert ladder.next() is None
    assert ladder.next(settled=1) is None


def test_milliseconds_do_not_hide_nats() -> None:
    """Both ends of a front go on, then its middle: by milliseconds the last but one is as far from it as the first."""
    ladder = Ladder(2, 2)
    front = [(0.001, 9000.0), (0.002, 8000.0), (0.003, 7000.0), (0.004, 6000.0), (2.0, 1.0)]
    for number, point in enumerate([*front, *[(9.0, 9e4)] * 3]):
        ladder.record(0, number, Standing(point))
    chosen = []
    while (found := ladder.next(settled=1)) is not None:
        chosen.append(found[1])
        ladder.promote(*found)
    assert (set(chosen[:2]), chosen[2], len(chosen)) == ({0, 4}, 2, 4)


def test_who_has_enough_better_ones_is_hopeless() -> None:
    ladder = Ladder(2, 3)
    for number in range(6):  # each dominates the next
        ladder.record(0, number, Standing((float(number), float(number))))
    assert ladder.hopeless(0, 6) == {2, 3, 4, 5}
    assert ladder.hopeless(0, 12) == {4, 5}  # six more may come, and so four places
    ladder.promote(0, 5)
    assert ladder.hopeless(0, 12) == {4}


events = st.lists(
    st.tuples(
        st.sampled_from(["record", "record", "record", "promote", "drop", "judge"]),
        st.tuples(coordinates, coordinates),
        st.booleans(),
        st.integers(0, 30),
    ),
    max_size=60,
)


@given(events, st.integers(2, 4), st.integers(1, 3), st.integers(0, 3))
def test_whoever_goes_on_is_whom_the_slow_ladder_takes(
    history: list[tuple[str, Point, bool, int]], reduction: int, least: int, settled: int
) -> None:
    ladders: tuple[Ladder, SlowLadder] = Ladder(3, reduction, least), SlowLadder(3, reduction, least)
    known: list[tuple[int, int]] = []
    for number, (event, point, feasible, which) in enumerate(history):
        found, slow = (ladder.next(settled=settled) for ladder in ladders)
        assert found == slow
        for rung in range(2):
            assert ladders[0].hopeless(rung, 60) == ladders[1].hopeless(rung, 60)
        assert ladders[0].expected(60) == ladders[1].expected(60)
        for ladder in ladders:
            if event == "record":
                ladder.record(0, number, Standing(point, feasible))
            elif event == "promote" and slow is not None:
                ladder.promote(*slow)
                ladder.record(slow[0] + 1, slow[1], Standing(point, feasible))
            elif known and event == "judge":
                ladder.record(*known[which % len(known)], Standing(point, feasible))
            elif known and event == "drop":
                ladder.drop(known[which % len(known)][1])
        if event == "record":
            known.append((0, number))
        elif event == "promote" and slow is not None:
            known.append((slow[0] + 1, slow[1]))
        elif known and event == "drop":
            gone = known[which % len(known)][1]
            known = [each for each in known if each[1] != gone]
