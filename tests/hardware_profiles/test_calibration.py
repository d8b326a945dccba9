import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from greenfront.hardware_profiles import calibration
from greenfront.hardware_profiles.calibration import Cached, Fit, Row, fit, fit_large_batch, prediction_error
from greenfront.hardware_profiles.candidate_plans import draw_plans
from greenfront.spaces import Choice, Plan, Site, Space
from tests.hardware_profiles.tiny import Tiny

METHODS = ("linformer", "low_rank")


def rows(original_ms: float, found: Fit, noise: float = 0.0) -> list[Row]:
    """Eight plans whose changes, and whose calls by method, vary independently."""
    rng = np.random.default_rng(0)
    changes = original_ms * np.array([-0.6, -0.5, -0.4, -0.3, -0.2, -0.1, -0.05, -0.45])
    calls = [
        {"linformer": a, "low_rank": b}
        for a, b in zip((6, 0, 3, 5, 0, 2, 1, 4), (9, 30, 4, 12, 7, 2, 20, 6), strict=True)
    ]
    return [
        Row(change, count, found.predict(original_ms, Row(change, count, 0.0)) * (1 + noise * rng.normal()))
        for change, count in zip(changes, calls, strict=True)
    ]


@given(st.floats(0.9, 1.1), st.floats(-0.002, 0.002), st.floats(-0.002, 0.002), st.floats(5, 200))
def test_an_exact_sum_is_found_again(slope: float, linformer: float, low_rank: float, original_ms: float) -> None:
    truth = Fit(slope, {"linformer": linformer * original_ms, "low_rank": low_rank * original_ms})
    found = fit(original_ms, rows(original_ms, truth), METHODS)
    for row in rows(original_ms, truth):
        assert found.predict(original_ms, row) == pytest.approx(row.measured_ms, rel=0.01)


def test_each_method_has_a_constant_of_its_own() -> None:
    found = fit(20.0, rows(20.0, Fit(1.05, {"linformer": 0.1, "low_rank": -0.02})), METHODS)
    assert found.slope == pytest.approx(1.05, abs=0.02)
    assert found.per_call_ms["linformer"] == pytest.approx(0.1, abs=0.03)
    assert found.per_call_ms["low_rank"] == pytest.approx(-0.02, abs=0.01)


def test_noise_alone_changes_little() -> None:
    found = fit(20.0, rows(20.0, Fit(1.0, dict.fromkeys(METHODS, 0.0)), noise=0.005), METHODS)
    assert found.slope == pytest.approx(1, abs=0.05)
    assert max(abs(value) for value in found.per_call_ms.values()) < 0.003 * 20


@given(st.floats(0.97, 1.03), st.floats(0.95, 1.05))
def test_an_original_that_came_out_too_fast_or_too_slow_is_told_by_all_plans(beside: float, slope: float) -> None:
    """Predictions are less than half as far off as they are where the original is taken as it was measured."""
    truth = Fit(slope, {"linformer": 0.01, "low_rank": 0.005})
    true = rows(20.0, truth)
    seen = [Row(row.change_ms, row.calls, beside * row.measured_ms) for row in true for _ in range(2)]
    found = fit(20.0, seen, METHODS)
    assert abs(found.beside - beside) <= 0.5 * abs(beside - 1) + 0.002
    for row in true:
        off = found.predict(20.0, row) / row.measured_ms - 1
        assert abs(off) <= 0.5 * abs(beside - 1) + 0.005


def test_the_unit_of_time_does_not_matter() -> None:
    truth = Fit(1.08, {"linformer": 0.05, "low_rank": 0.01})
    found = fit(20.0, rows(20.0, truth, noise=0.01), METHODS)
    scaled = [Row(1000 * row.change_ms, row.calls, 1000 * row.measured_ms) for row in rows(20.0, truth, noise=0.01)]
    assert fit(20_000.0, scaled, METHODS).slope == pytest.approx(found.slope)


def test_what_is_skipped_has_a_slope_of_its_own() -> None:
    truth = Fit(1.0, dict.fromkeys(METHODS, 0.0), 0.8)
    skipped = [-8.0, 0.0, -4.0, -2.0, 0.0, -6.0, -1.0, -3.0]
    found_rows = [
        Row(row.change_ms, row.calls, truth.predict(20.0, replace(row, skipped_ms=gone)), gone)
        for row, gone in zip(rows(20.0, truth), skipped, strict=True)
        if truth.predict(20.0, replace(row, skipped_ms=gone)) > 0
    ]
    found = fit(20.0, found_rows, METHODS)
    assert found.skipped_slope == pytest.approx(0.8, abs=0.02)
    assert found.slope == pytest.approx(1.0, abs=0.02)


def test_what_was_there_before_has_a_slope_of_its_own() -> None:
    """Of small plans nearly everything is replaced: with one slope for both they are off by several times as much."""
    truth = Fit(0.9, dict.fromkeys(METHODS, 0.0), replaced_slope=0.98)
    replaced = [19.0, 18.0, 19.5, 12.0, 6.0, 15.0, 19.0, 9.0]
    instead = [0.8, 1.6, 0.5, 4.0, 3.0, 2.0, 3.5, 1.0]
    plans = [Row(new - old, {"low_rank": 36}, 0.0, replaced_ms=old) for new, old in zip(instead, replaced, strict=True)]
    plans = [replace(row, measured_ms=truth.predict(20.0, row)) for row in plans]
    both, one = fit(20.0, plans, METHODS), fit(20.0, [replace(row, replaced_ms=0.0) for row in plans], METHODS)
    errors = [abs(both.predict(20.0, row) / row.measured_ms - 1) for row in plans]
    single = [abs(one.predict(20.0, replace(row, replaced_ms=0.0)) / row.measured_ms - 1) for row in plans]
    assert max(errors) < 0.02
    assert max(errors) < 0.5 * max(single)


def test_without_rows_operations_stand_as_measured() -> None:
    assert fit(20.0, [], METHODS) == Fit(1.0, {"linformer": 0.0, "low_rank": 0.0})


def test_many_methods_on_few_noisy_plans_do_not_follow_the_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations that are right to 1% of their sum, seven methods, ten plans: against a loose prior."""
    methods = [f"method {n}" for n in range(7)]

    def error() -> float:
        rng, errors = np.random.default_rng(0), []
        for _ in range(20):
            found = fit(9.0, [plan(rng) for _ in range(10)], methods)
            new = [plan(rng) for _ in range(20)]
            errors += [abs(found.predict(9.0, row) / row.measured_ms - 1) for row in new]
        return float(np.median(errors))

    def plan(rng: np.random.Generator) -> Row:
        measured_ms = float(rng.uniform(0.8, 3.0))
        calls = {name: int(rng.integers(0, 37)) for name in methods}
        return Row((measured_ms - 9.0) * (1 + rng.normal(0, 0.01)), calls, measured_ms)

    chosen = error()
    monkeypatch.setattr(calibration, "_PER_CALL", (0.003,))
    assert chosen < 0.8 * error()


@given(st.floats(0.1, 0.5), st.floats(0.0, 0.35), st.floats(0.001, 1.5), st.floats(0.001, 1.5))
def test_what_caches_save_keeps_the_order_and_has_an_inverse(below: float, gain: float, one: float, two: float) -> None:
    cached = Cached(below, gain)
    assert cached.summed(cached.share(one)) == pytest.approx(one)
    assert cached.share(one) <= one
    if one < two * (1 - 1e-9):
        assert cached.share(one) < cached.share(two)


@pytest.mark.parametrize("summed", [-0.05, 0.0, 0.01, 1.2])
def test_without_a_gain_a_sum_is_the_latency_also_below_nothing(summed: float) -> None:
    for cached in (Cached(), Cached(0.3, 0.0)):
        assert (cached.share(summed), cached.summed(summed), cached.elasticity(summed)) == (summed, summed, 1.0)


@given(st.floats(0.1, 0.5), st.floats(0.01, 0.35), st.floats(0.01, 1.2))
def test_the_elasticity_is_that_of_the_share(below: float, gain: float, summed: float) -> None:
    cached, step = Cached(below, gain), 1e-7
    assume(min(abs(summed - below), abs(summed - below / 2)) > 1e-3)
    slope = (cached.share(summed + step) - cached.share(summed - step)) / (2 * step)
    assert cached.elasticity(summed) == pytest.approx(slope * summed / cached.share(summed), rel=1e-4)


def test_small_plans_that_are_faster_than_their_sum_are_found() -> None:
    truth = Fit(1.0, dict.fromkeys(METHODS, 0.0), cached=Cached(0.3, 0.2))
    changes = [-18.5, -17.5, -17.0, -16.0, -15.5, -15.0, -12.0, -10.0, -6.0, -2.0]
    small = [Row(change, {"low_rank": 36}, truth.predict(20.0, Row(change, {}, 0.0))) for change in changes]
    found = fit(20.0, small, METHODS)
    for row in small:
        assert found.predict(20.0, row) == pytest.approx(row.measured_ms, rel=0.02)
    assert found.predict(20.0, Row(-16.5, {"low_rank": 36}, 0.0)) == pytest.approx(
        truth.predict(20.0, Row(-16.5, {}, 0.0)), rel=0.03
    )


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_without_small_plans_that_are_faster_caches_save_nothing(noise: float) -> None:
    found = fit(20.0, rows(20.0, Fit(1.03, dict.fromkeys(METHODS, 0.0)), noise=noise), METHODS)
    assert found.cached.gain == 0


def test_one_row_moves_a_fit_without_running_away() -> None:
    found = fit(20.0, [Row(-0.001, {"low_rank": 1}, 15.0)], METHODS)
    assert found.slope == pytest.approx(1, abs=0.01)
    assert abs(found.per_call_ms["low_rank"]) < 5


@given(st.floats(0, 40), st.floats(0, 300))
def test_large_queries_follow_latency_and_work_where_they_are_not_in_proportion(
    per_latency: float, per_gflop: float
) -> None:
    changes = [(-9.0, -0.9), (-5.0, -1.0), (-1.0, -0.4), (0.5, -0.2)]
    original_ms = 1000.0
    measured = [(a, b, original_ms + per_latency * a + per_gflop * b) for a, b in changes]
    found = fit_large_batch(original_ms, 1.0, measured)  # in proportion a change of 1 ms would be one of a second
    for a, b, expected in measured:
        assert original_ms + found[0] * a + found[1] * b == pytest.approx(expected, rel=1e-6)
    assert min(found) >= 0


def test_large_queries_in_proportion_to_latency_stay_so_whatever_single_plans_say() -> None:
    rows = [(-5.0, -1.0, 52.0), (-8.0, -1.8, 19.0), (-2.0, -0.1, 70.0)]
    assert fit_large_batch(100.0, 10.0, rows) == (10.0, 0.0)


def test_what_grows_where_it_should_shrink_is_given_no_weight() -> None:
    assert fit_large_batch(100.0, 1.0, [(-1.0, 0.0, 120.0), (-2.0, 0.0, 140.0)]) == (0.0, 0.0)
    assert fit_large_batch(100.0, 10.0, []) == (10.0, 0.0)


def test_errors_are_relative_to_what_was_measured() -> None:
    error = prediction_error([(11.0, 10.0), (19.0, 20.0), (31.5, 30.0)])
    assert error is not None
    assert error.median == pytest.approx(0.05)
    assert error.worst == pytest.approx(0.10)
    assert error.median <= error.p95 <= error.worst
    assert (error.tau, error.plans) == (1.0, 3)
    assert prediction_error([]) is None


def test_an_error_of_next_to_nothing_is_next_to_nothing() -> None:
    error = prediction_error([(0.4, 0.2), (19.0, 20.0)], least=1.0)
    assert error is not None
    assert error.worst == pytest.approx(0.2)
    assert error.median == pytest.approx((0.2 + 0.05) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_plans_are_new_and_in_the_space(tiny: Tiny, seed: int) -> None:
    rng = random.Random(seed)
    first = draw_plans(tiny.space, 8, rng, set())
    second = draw_plans(tiny.space, 6, rng, set(first))
    plans = [*first, *second]
    assert len(plans) == len(set(plans)) == 14
    assert Plan() not in plans
    for plan in plans:
        tiny.space.indices(plan)  # raises for a plan of another space


def test_plans_reach_from_cheap_to_dear(tiny: Tiny) -> None:
    plans = draw_plans(tiny.space, 12, random.Random(0), set())
    means = [np.mean(tiny.space.indices(plan)) for plan in plans]
    assert min(means) < 0.8
    assert max(means) > 1.2


def test_the_same_seed_gives_the_same_plans(tiny: Tiny) -> None:
    drawn = [draw_plans(tiny.space, 5, random.Random(seed), set()) for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_space_with_few_plans_gives_few(tiny: Tiny) -> None:
    assert len(draw_plans(Space(tiny.space.choices[:1]), 8, random.Random(0), set())) == 2  # two ranks
    assert draw_plans(Space(()), 8, random.Random(0), set()) == []


def test_half_of_the_plans_leave_attention_exact_and_half_skip_nothing() -> None:
    site, whole = Site("a", "attention", (4, 8), "a"), Site("l", "layer", (8, 8), "l")
    space = Space(
        (
            Choice(site, "linformer", ({"linformer": 16}, {"linformer": 32})),
            Choice(whole, "blocks", ({"skip": "layer"}, {"skip": "attention"})),
            Choice(Site("d", "linear", (64, 64), "d"), "low_rank", tuple({"rank": rank} for rank in range(1, 40))),
        )
    )
    plans = [plan for seed in range(60) for plan in draw_plans(space, 3, random.Random(seed), set())]
    for path in ("a", "l"):
        assert 0.3 < sum(path in plan for plan in plans) / len(plans) < 0.6  # of those that use it, some not here
