"""Selecting from a front: what wins, why, and what is said when nothing does."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.config import DIMENSION_OF, BudgetsConfig
from greenfront.errors import BudgetError, ConfigError
from greenfront.search.candidate import Candidate, CandidateScore
from greenfront.search.front import Front
from greenfront.search.preference import chord_distances
from greenfront.search.select import Preference, select
from greenfront.units import Bound, parse_bound
from tests.search.front_builder import BUDGETS, NO_BUDGETS, build_candidate, build_front, build_plan

PLANS = [build_plan(100 + index) for index in range(6)]
A, B, C, D = (plan.id for plan in PLANS[:4])


def ms(text: str) -> Bound:
    return parse_bound(text, "time", "latency")


def mb(text: str) -> Bound:
    return parse_bound(text, "bytes", "size")


def member(index: int, latency_ms: float, validation: float, size_mb: float = 50.0, **more: object) -> Candidate:
    fields: dict[str, object] = {"on_front": True, **more}
    return build_candidate(
        PLANS[index],
        latency_ms=latency_ms,
        validation=validation,
        size_mb=size_mb,
        **fields,  # type: ignore[arg-type]
    )


def front(*candidates: Candidate, budgets: BudgetsConfig = NO_BUDGETS) -> Front:
    return build_front(candidates, budgets=budgets, targets=tuple(candidates[0].predicted))


FOUR = front(member(0, 4, 0.85), member(1, 6, 0.91, 40), member(2, 9, 0.92), member(3, 14, 0.925))


@pytest.mark.parametrize(("prefer", "expected"), [(None, D), ("most_accurate", D), ("fastest", A), ("knee", B)])
def test_preferences(prefer: Preference | None, expected: str) -> None:
    assert select(FOUR, prefer=prefer).candidate.id == expected


def test_a_bound_moves_the_choice_and_its_slack_is_told() -> None:
    selection = select(FOUR, latency=ms("50%"))
    assert selection.candidate.id == C
    assert selection.slack == pytest.approx({"latency": 0.1})
    text = "\n".join(selection.reasons)
    assert "latency at most 10.0 ms on laptop (50% of the original)" in text
    assert f"{D}: accuracy 0.925 on validation, 14.0 ms (1.43x faster)" in text
    assert "misses latency by 40.0%" in text
    assert f"Chosen {C}: the most accurate on validation of 3 that meet the bounds." in text
    assert f"Runner-up {B} lost: 0.010 less accuracy on validation and 1.50x faster." in text
    assert "latency 10.0%; latency binds first" in text
    assert "Test accuracy 0.914 [0.902, 0.925], shown, not used to choose." in text


def test_several_bounds() -> None:
    selection = select(FOUR, latency=ms("12 ms"), size=mb("45 MB"), accuracy_drop=0.05)
    assert selection.candidate.id == B
    assert list(selection.slack) == ["latency", "size", "accuracy_drop"]
    assert "the only one that meets the bounds" in "\n".join(selection.reasons)


@pytest.mark.parametrize(
    ("name", "text", "expected", "words"),
    [
        ("latency_p90", "10 ms", C, "latency p90 at most 10.0 ms"),
        ("large_batch_latency", "50%", C, "large batch latency at most 320 ms on laptop (50% of the original)"),
        ("throughput", "100/s", C, "throughput at least 100/s"),
        ("throughput", "200%", C, "throughput at least 100/s on laptop (200% of the original)"),
        ("memory", "390 MB", B, "memory at most 390 MB"),
        ("energy", "40 mJ", C, "energy at most 40.0 mJ"),
        ("co2", "5 g", C, "co2 at most 5.00 g"),
        ("money", "50%", C, "money at most 0.00278 on laptop (50% of the original)"),
        ("flops", "500M", C, "flops at most 0.500 G"),
        ("parameters", "11M", B, "parameters at most 11.0 M"),
    ],
)
def test_every_cost_can_be_bounded(name: str, text: str, expected: str, words: str) -> None:
    selection = select(FOUR, **{name: parse_bound(text, DIMENSION_OF[name], name)})  # type: ignore[arg-type]
    assert selection.candidate.id == expected
    assert selection.slack[name] >= 0
    assert words in "\n".join(selection.reasons)
    assert ("estimated" in "\n".join(selection.reasons)) == (name in ("energy", "co2", "money"))


def test_an_unknown_cost_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"must be one of latency, .*but got 'speed'"):
        select(FOUR, speed=ms("5 ms"))


def test_by_throughput_the_one_with_most_is_the_cheapest() -> None:
    members = (member(0, 4, 0.85), member(1, 6, 0.91), member(2, 9, 0.92, tied=(B,)))
    tied = build_front(members, budgets=NO_BUDGETS, objectives=("accuracy", "throughput"))
    assert [c.id for c in tied.members] == [A, B, C]
    selection = select(tied)
    assert selection.candidate.id == B
    text = "\n".join(selection.reasons)
    assert f"the highest in throughput of the 2 that are statistically tied with {C}" in text
    assert f"Runner-up {C} lost: 0.010 more accuracy on validation, 1.50x less throughput" in text
    assert select(tied, prefer="knee").candidate.id == B


def test_another_target_has_its_own_front() -> None:
    both = ("laptop", "phone")
    slow = member(0, 9, 0.92, targets=both)
    fast = member(1, 6, 0.91, targets=both, on_front=False)
    made = front(slow, replace(fast, other_fronts=("phone",)))
    assert select(made).candidate.id == A
    assert select(made, target="phone").candidate.id == B


def test_of_tied_candidates_the_cheapest_wins() -> None:
    tied = front(member(0, 4, 0.85), member(1, 6, 0.91), member(2, 9, 0.92, tied=(B,)))
    selection = select(tied)
    assert selection.candidate.id == B
    text = "\n".join(selection.reasons)
    assert f"the fastest of the 2 that are statistically tied with {C}" in text
    assert f"Runner-up {C} lost: 0.010 more accuracy on validation, 1.50x slower and statist" in text
    assert select(tied, prefer="most_accurate").candidate.id == C


def test_the_test_score_chooses_nothing() -> None:
    score = CandidateScore("accuracy", 0.85, 0.999, (0.998, 1.0))
    best_on_test = replace(FOUR.candidates[0], score=score)
    assert select(front(best_on_test, *FOUR.candidates[1:])).candidate.id == D


def test_only_verified_feasible_members_are_chosen() -> None:
    mixed = front(
        member(0, 4, 0.90),
        member(1, 3, 0.95, verified=False),
        member(2, 3, 0.95, feasible=False, on_front=False, missed=("size",)),
    )
    assert select(mixed).candidate.id == A


def test_off_the_front_before_the_original() -> None:
    small = front(member(0, 4, 0.90, 60), member(1, 5, 0.89, 20, on_front=False))
    selection = select(small, size=mb("30 MB"))
    assert selection.candidate.id == B
    assert "No member of the front meets the bounds; 1 verified off the front" in "\n".join(selection.reasons)


def test_the_original_is_the_last_resort() -> None:
    selection = select(FOUR, accuracy_drop=0.001)
    assert selection.candidate.id == "original"
    assert "only the unchanged model does" in "\n".join(selection.reasons)
    assert selection.slack["accuracy_drop"] > 0


def test_nothing_meets_the_bounds() -> None:
    with pytest.raises(BudgetError) as caught:
        select(FOUR, latency=ms("5.7 ms"), accuracy_drop=0.03)
    message = str(caught.value)
    assert f"the closest is {B}" in message
    assert "misses latency by 5.3%" in message
    assert "the binding bound is latency at most 5.70 ms" in message


def test_an_unverified_candidate_that_may_meet_them_is_named() -> None:
    hopeful = front(member(0, 9, 0.92), member(1, 3, 0.91, verified=False, on_front=False))
    with pytest.raises(BudgetError, match=f"predicted to meet them but not verified: {B}"):
        select(hopeful, latency=ms("5 ms"))


def test_a_run_without_feasible_candidates() -> None:
    failed = front(
        member(0, 15, 0.92, feasible=False, on_front=False, missed=("latency",)),
        member(1, 6, 0.80, feasible=False, on_front=False, missed=("accuracy_drop",)),
        budgets=BUDGETS,
    )
    with pytest.raises(BudgetError, match=f"closest is {B}.*binding bound is accuracy drop 3%"):
        select(failed)


def test_a_front_of_those_that_come_near_offers_nothing() -> None:
    near = front(member(0, 15, 0.92, feasible=False, missed=("latency",)), budgets=BUDGETS)
    with pytest.raises(BudgetError, match=f"closest is {A}.*misses latency by 25.0%"):
        select(near)


def test_run_budgets_hold_unless_another_bound_is_asked_for() -> None:
    bounded = front(member(0, 4, 0.91), member(1, 11, 0.92), budgets=BUDGETS)
    assert "the run's budgets: latency at most 12.0 ms" in select(bounded).reasons[0]
    asked = select(bounded, latency=ms("25%"))
    assert asked.candidate.id == A
    assert set(asked.slack) == {"latency", "size", "accuracy_drop"}
    assert asked.slack["latency"] == pytest.approx(0.2)


def test_targets() -> None:
    both = ("laptop", "phone")  # the phone needs half the time
    two = front(member(0, 8, 0.90, targets=both), member(1, 12, 0.92, targets=both))
    assert select(two, latency=ms("10 ms")).candidate.id == A
    assert select(two, latency=ms("10 ms"), target="phone").candidate.id == B
    with pytest.raises(ConfigError, match="laptop, phone, but got 'watch'"):
        select(two, target="watch")


def test_unknown_preference() -> None:
    with pytest.raises(ConfigError, match="cheapest"):
        select(FOUR, prefer="cheapest")  # type: ignore[arg-type]


def test_a_size_front_is_decided_by_size() -> None:
    candidates = (member(0, 9, 0.90, 20), member(1, 4, 0.91, 60), member(2, 6, 0.912, 40, tied=(B,)))
    by_size = build_front(candidates, budgets=NO_BUDGETS, objectives=("accuracy", "size"))
    selection = select(by_size)
    assert selection.candidate.id == C
    assert "the smallest of the 2 that are statistically tied" in "\n".join(selection.reasons)
    assert select(by_size, prefer="fastest").candidate.id == B


@pytest.mark.parametrize(
    "candidates",
    [
        (member(0, 4, 0.9), member(1, 6, 0.92)),
        (member(0, 4, 0.9), member(1, 4, 0.9), member(2, 4, 0.9)),
        (
            member(0, 4, 0.92),
            member(1, 5, 0.91),
            member(2, 6, 0.90),
        ),  # the cheapest is the most accurate as well
    ],
)
def test_without_a_chord_the_knee_falls_back_and_says_so(candidates: tuple[Candidate, ...]) -> None:
    selection = select(front(*candidates), prefer="knee")
    assert selection.candidate == select(front(*candidates)).candidate
    assert "a knee needs three candidates that differ" in "\n".join(selection.reasons)


@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        min_size=3, max_size=6, unique_by=(lambda p: p[0], lambda p: p[1]),
    ),
    st.floats(0.1, 10),
)  # fmt: skip
def test_chord_distance_is_the_plain_geometry_and_ignores_units(points: list[tuple[int, int]], unit: float) -> None:
    """Oracle: on a front the extremes are (0, 0) and (1, 1), so the distance is (y - x) / sqrt(2)."""
    costs, scores = sorted(p[0] for p in points), sorted(p[1] for p in points)
    made = [member(i, c * unit, s / 50) for i, (c, s) in enumerate(zip(costs, scores, strict=True))]
    distances = chord_distances(made, "latency", "laptop")
    assert distances is not None
    for candidate, cost, score in zip(made, costs, scores, strict=True):
        x = (cost - costs[0]) / (costs[-1] - costs[0])
        y = (score - scores[0]) / (scores[-1] - scores[0])
        assert distances[candidate.id] == pytest.approx((y - x) / math.sqrt(2))


@given(st.integers(0, 300), st.sampled_from([None, "knee", "fastest", "most_accurate"]), st.integers(15, 100))
def test_whatever_is_selected_meets_the_bounds(seed: int, prefer: Preference | None, percent: int) -> None:
    made = build_front(seed=seed, verified=6, unverified=0)
    try:
        selection = select(made, latency=ms(f"{percent}%"), prefer=prefer)
    except BudgetError:
        meeting = [c for c in made.candidates if c.feasible and c.costs()["laptop"].latency_ms.median <= percent / 5]
        assert not meeting
    else:
        assert min(selection.slack.values()) >= -1e-9
        assert selection.candidate.id == "original" or selection.candidate.feasible
