"""Budgets as limits: what all targets allow together, and what is said to be out of reach."""

from dataclasses import replace

import pytest

from greenfront.config import DIMENSION_OF, RunConfig
from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.records import PredictionError
from greenfront.search.allocation import Limit, cheapest
from greenfront.search.limits import budget_limits, first_plans, without
from greenfront.search.slack import budget_slack, missed
from greenfront.search.verify import original_candidate
from greenfront.spaces import Plan
from tests.search.toy_run import toy_config, toy_losses, toy_profile, toy_space


def profiles(**ms_per_rank: float) -> dict[str, HardwareProfile]:
    return {name: toy_profile(name, ms_per_rank=ms) for name, ms in ms_per_rank.items()}


def limits_of(config: RunConfig, here: dict[str, HardwareProfile]) -> tuple[tuple[str, ...], list[Limit]]:
    return budget_limits(config, toy_space(), here, {name: profile.original for name, profile in here.items()})


def test_every_budget_limits_on_every_target() -> None:
    config = toy_config("run", budgets={"latency": "70%", "size": "80%", "throughput": "120%"})
    unreachable, limits = limits_of(config, profiles(a=0.1, b=0.05))
    assert unreachable == ()
    assert len(limits) == 6
    assert all(limit.most < 0 for limit in limits)


def test_a_budget_out_of_reach_on_one_target_limits_on_none() -> None:
    # On b the compressed layers are next to nothing of the whole.
    config = toy_config("run", budgets={"latency": "50%", "parameters": "80%"})
    here = profiles(a=0.1, b=0.001)
    unreachable, limits = limits_of(config, here)
    assert unreachable == ("latency",)
    assert len(limits) == 2
    for order in (here, dict(reversed(here.items()))):
        assert limits_of(config, order)[0] == ("latency",)
    assert without(config, unreachable).budgets.latency is None
    assert without(config, unreachable).budgets.parameters is not None


def test_a_profile_that_is_far_off_somewhere_still_gives_first_plans_near_the_budget() -> None:
    space, config = toy_space(), toy_config("run", budgets={"latency": "80%"})
    shares = []
    for error in (None, PredictionError(0.02, 0.5, 0.93, 0.9, 10)):
        here = {name: replace(profile, error=error) for name, profile in profiles(toy=0.1).items()}
        before = {name: profile.original for name, profile in here.items()}
        found = first_plans(config, space, toy_losses(space), here, before, limits_of(config, here)[1])
        dearest = max(here["toy"].predict(seed.plan).latency_ms.median for seed in found)
        shares.append(dearest / before["toy"].latency_ms.median)
    without_margin, with_margin = shares
    assert without_margin <= 0.8
    assert 0.7 <= with_margin < without_margin


@pytest.mark.parametrize("name", sorted({*DIMENSION_OF} - {"memory"}))  # the toy's weights are next to none of it
def test_limits_allow_exactly_the_plans_that_keep_a_budget(name: str) -> None:
    """But for the thousandth that is held back, wherever the least loss leads."""
    space, here = toy_space(), profiles(toy=0.1)
    config = toy_config("run", objectives=["accuracy", name], budgets={name: "125%" if name == "throughput" else "80%"})
    unreachable, limits = limits_of(config, here)
    assert unreachable == ()
    (limit,) = limits
    assert cheapest(space, limit.change) <= limit.most
    original = original_candidate(1.0, here, config)
    seeds = first_plans(config, space, toy_losses(space), here, original.costs(), limits)
    assert seeds
    for seed in seeds:
        slack = budget_slack({"toy": here["toy"].predict(seed.plan)}, 1.0, original, config.budgets)
        assert missed(slack) == ()
    # The plan right at the limit is the dearest: 80% of the budgeted cost, 125% of the throughput, within 1%.
    dearest = min(
        budget_slack({"toy": here["toy"].predict(seed.plan)}, 1.0, original, config.budgets)[name] for seed in seeds
    )
    assert dearest < 0.08


def test_states_are_priced_by_the_space_that_asks() -> None:
    """Another space's site of the same name has other states, and may be asked for between two costs."""
    profile, whole = toy_profile(), toy_space()
    fewer = whole.restrict(lambda choice, settings: settings["rank"] != 4)
    for space in (whole, fewer, whole):
        for site in space.states:
            changes = [profile.predict(Plan({site.path: state.own})) for state in site.states]
            sizes = [change.size_mb - profile.original.size_mb for change in changes]
            assert profile.state_costs(site, "size_mb") == pytest.approx(sizes, abs=1e-9)
            latencies = [change.latency_ms.median - profile.original.latency_ms.median for change in changes]
            assert profile.state_costs(site, "latency_ms") == pytest.approx(latencies, abs=1e-9)
