"""The report's section on the hardware: break-evens, predictions and every cost, from a profile made of formulas."""

import math
from dataclasses import replace
from html import unescape
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.hardware_profiles import HardwareProfile, Interval, PredictionError, Timing
from greenfront.hardware_profiles.records import CalibrationPlan, Refused
from greenfront.search.chart import Chart
from greenfront.search.front import Front
from greenfront.search.hardware_figure import Curve, curve_figures, curves, predicted_figure
from greenfront.search.report_hardware import hardware_section
from greenfront.spaces import Settings
from tests.search.front_builder import build_front
from tests.search.toy_run import FULL, MS_PER_RANK, toy_profile, toy_space

EVIL = "<img src=x onerror=alert(1)>"


def curve(amounts: list[int], medians: list[float], original_ms: float) -> Curve:
    return Curve("Linear 4 x 4", "rank", original_ms, tuple(amounts), tuple(Interval(ms, ms, ms) for ms in medians))


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=8, unique=True).map(sorted),
    st.lists(st.floats(0.1, 10), min_size=8, max_size=8),
    st.floats(0.1, 10),
)
def test_up_to_the_break_even_every_amount_is_faster(amounts: list[int], medians: list[float], original: float) -> None:
    found = curve(amounts, medians[: len(amounts)], original)
    measured = [latency.median for latency in found.latencies]
    if found.break_even is None:
        assert measured[0] >= original
        assert found.verdict == "never faster"
    elif found.break_even == math.inf:
        assert max(measured) < original
        assert found.verdict == "always faster"
    else:
        assert np.interp(found.break_even, amounts, measured) == pytest.approx(original)
        assert all(ms < original for a, ms in zip(amounts, measured, strict=True) if a < found.break_even - 1e-6)


def toy(**changes: Any) -> HardwareProfile:
    def plan(held_out: bool, measured_ms: float, predicted_ms: float) -> CalibrationPlan:
        return CalibrationPlan({}, held_out, Timing.of([measured_ms] * 3, seed=0), predicted_ms)

    profile = toy_profile("laptop")
    plans = (plan(False, 9.0, 9.1), plan(True, 8.0, 8.4), plan(True, 6.0, 6.0))
    return replace(
        profile, calibration=replace(profile.calibration, plans=plans),
        error=PredictionError(median=0.025, p95=0.05, worst=0.05, tau=1.0, plans=2), **changes,
    )  # fmt: skip


def test_the_curves_are_the_measured_operations() -> None:
    found = curves(toy())
    assert len(found) == len(toy_space().choices)
    for each in found:
        assert each.key == "rank"
        assert each.original_ms == pytest.approx(MS_PER_RANK * FULL)
        assert [latency.median for latency in each.latencies] == pytest.approx([MS_PER_RANK * a for a in each.amounts])
        assert each.break_even == math.inf
    (figure,) = curve_figures(toy()).values()
    unchanged, first, *_ = figure.series
    assert list(unchanged.y) == [1, 1]
    assert list(first.y) == pytest.approx([a / FULL for a in found[0].amounts])


def test_formats_are_no_amounts_and_stand_in_a_curves_name() -> None:
    profile = toy()
    formats: tuple[Settings, ...] = ({"bits": 8}, {"bits": "8w"}, {"bits": 16}, {"rank": 2, "bits": "8w"})
    more = [replace(profile.operations[0], settings=dict(settings)) for settings in formats]
    found = curves(replace(profile, operations=(*profile.operations, *more)))
    assert {curve.key for curve in found} == {"rank"}
    (alone,) = [curve for curve in found if "bits" in curve.label]
    assert alone.label.endswith(", bits 8w")
    assert alone.amounts == (2,)


def test_a_module_that_is_never_called_has_no_curve() -> None:
    profile = toy_profile("laptop", ms_per_rank=0.0)
    assert curves(profile) == []
    assert curve_figures(profile) == {}


def test_the_finalists_stand_beside_what_was_fitted_and_held_out() -> None:
    front = build_front(verified=3, unverified=2)
    figure = predicted_figure(toy(), front)
    series = {each.name: each for each in figure.series}
    assert set(series) == {"predicted = measured", "fitted on", "held out", "finalists", "original"}
    assert (series["held out"].x, series["held out"].y) == ([8.0, 6.0], [8.4, 6.0])
    finalists = [c for c in front.candidates if c.verified]
    assert series["finalists"].x == [c.costs()["laptop"].latency_ms.median for c in finalists]
    assert series["finalists"].y == [c.predicted["laptop"].latency_ms.median for c in finalists]
    assert all("(+4.0%)" in words for words in series["finalists"].words)
    assert (figure.x.low, figure.x.high) == (figure.y.low, figure.y.high)
    assert figure.x.high is not None
    assert all(value is not None and figure.x.high > value for value in (*series["original"].x, *series["original"].y))


def section(front: Front, *warnings: str, **changes: Any) -> tuple[str, dict[str, Chart]]:
    found = hardware_section(front, {"laptop": toy(**changes)}, {"laptop": warnings})
    return unescape(found.markup), found.charts


def test_every_figure_has_its_place_and_the_error_is_told() -> None:
    markup, charts = section(build_front(), "it drifted")
    assert len(charts) == 2
    assert all(f'data-chart="{name}"' in markup for name in charts)
    assert "off by 2.5% in the median, 5.0% at the 95th percentile and 5.0% at worst on 2 held-out" in markup
    assert "<li>it drifted</li>" in markup
    for title in ("peak memory", "throughput", "energy of a query (estimated)", "FLOPs of a query"):
        assert f">{title}</th>" in markup


def test_what_the_runtime_refused_is_told() -> None:
    markup, _ = section(build_front(), refused=(Refused("encoder.x", {"rank": 8}, "no kernel for it"),))
    assert "1 settings are left out, such as {'rank': 8} at encoder.x: no kernel for it" in markup


def test_a_target_without_a_profile_has_its_costs() -> None:
    found = hardware_section(build_front(targets=("laptop", "phone")), {"laptop": toy()}, {})
    markup = found.markup
    assert len(found.charts) == 2
    assert markup.index("Every cost on laptop") < markup.index("Every cost on phone")


def test_nothing_from_users_is_markup() -> None:
    front = build_front(targets=(EVIL,))
    profile = toy(refused=(Refused(EVIL, {"mode": EVIL}, EVIL),), warnings=(EVIL,))
    operations = tuple(replace(operation, group=EVIL + operation.group) for operation in profile.operations)
    evil = replace(profile, target=replace(profile.target, name=EVIL), operations=operations)
    found = hardware_section(front, {EVIL: evil}, {EVIL: [EVIL]})
    assert "<img" not in found.markup
    assert "&lt;img" in found.markup
