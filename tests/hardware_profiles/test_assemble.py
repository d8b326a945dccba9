"""What a profile is fitted on: all of its plans; and what its error is: that of fits that did not see the plan."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.assemble import calibrate, held_out_error, summed_changes
from greenfront.hardware_profiles.calibration import Fit
from greenfront.hardware_profiles.jobs import RawPlan, RawRound, RawRounds
from greenfront.hardware_profiles.records import Calibration
from greenfront.spaces import Plan

ORIGINAL_MS = 20.0
TRUTH = Fit(1.2, {"embeddings": 0.0, "linformer": 0.01, "low_rank": 0.002})


def rounds_of(profile: HardwareProfile, off: Mapping[int, float]) -> RawRounds:
    """The profile's plans, measured as a sum says, but for some that are off by a factor; every other one held out."""
    plans = [RawPlan(plan.plan, number % 2 == 0) for number, plan in enumerate(profile.calibration.plans)]
    rows = [summed_changes(profile.table, plan_of(raw), 1.0) for raw in plans]
    whole = {
        plan_of(raw).id: [[TRUTH.predict(ORIGINAL_MS, row) * off.get(number, 1.0)]] * 4
        for number, (raw, row) in enumerate(zip(plans, rows, strict=True))
    }
    raw_round = RawRound({"original": [[ORIGINAL_MS]] * 4, **whole}, {})
    return RawRounds([], [], [], dict(profile.sites), plans, [raw_round])


def plan_of(raw: RawPlan) -> Plan:
    return Plan(raw.plan)


def calibrated(profile: HardwareProfile, off: Mapping[int, float]) -> Calibration:
    return calibrate(profile.table, rounds_of(profile, off), ORIGINAL_MS, 0)


def test_all_plans_are_fitted_on_also_held_out_ones(profile: HardwareProfile) -> None:
    for number in (0, 1):  # held out, and not
        assert calibrated(profile, {number: 1.3}).slope != pytest.approx(calibrated(profile, {}).slope, rel=1e-6)


def test_a_held_out_plan_is_predicted_by_a_fit_that_did_not_see_it(profile: HardwareProfile) -> None:
    exact, off = calibrated(profile, {}), calibrated(profile, {0: 1.3})
    assert off.plans[0].held_out
    assert off.plans[0].predicted_ms == pytest.approx(exact.plans[0].predicted_ms)
    assert off.plans[1].predicted_ms != pytest.approx(exact.plans[1].predicted_ms, rel=1e-6)
    error = held_out_error(off.plans, ORIGINAL_MS)
    assert error is not None
    assert error.worst == pytest.approx(0.3 / 1.3, abs=0.05)


def test_without_plans_there_is_no_error(profile: HardwareProfile) -> None:
    nothing = replace(rounds_of(profile, {}), plans=[])
    found = calibrate(profile.table, nothing, ORIGINAL_MS, 0)
    assert (found.slope, found.plans, held_out_error(found.plans, ORIGINAL_MS)) == (1.0, (), None)
    assert not np.isnan(list(found.per_call_ms.values())).any()
