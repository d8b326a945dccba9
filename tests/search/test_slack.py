"""How far candidates are from budgets, in shares of each limit, and budgets as text."""

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from greenfront.config import COST_OF, BudgetsConfig
from greenfront.errors import RunError
from greenfront.search.candidate import Candidate, CandidateScore
from greenfront.search.slack import (
    binding,
    budget_slack,
    budgets_from_text,
    budgets_to_text,
    least,
    missed_budgets,
    summed_limit,
)
from greenfront.spaces.plan import Plan
from greenfront.units import Bound, parse_bound
from tests.search.front_builder import BUDGETS, build_cost, build_original


def test_slack_is_the_share_of_each_limit() -> None:
    slack = budget_slack({"laptop": build_cost(9.0, 90.0)}, 0.91, build_original(), BUDGETS)
    assert slack == pytest.approx(
        {"latency": 3 / 12, "size": -10 / 80, "accuracy_drop": (0.91 - 0.93 * 0.97) / (0.93 * 0.97)}
    )
    assert missed_budgets({"laptop": build_cost(9.0, 90.0)}, 0.91, build_original(), BUDGETS) == ("size",)
    assert binding(slack) == "size"
    assert least(slack) == slack["size"]


def test_a_cost_has_to_hold_on_every_target() -> None:
    original = build_original(("laptop", "phone"))  # 20 ms and 10 ms
    costs = {"laptop": build_cost(10.0), "phone": build_cost(9.0)}
    budgets = BudgetsConfig(latency=parse_bound("60%", "time", "latency"))
    assert budget_slack(costs, 0.9, original, budgets) == pytest.approx({"latency": -0.5})


@given(st.sampled_from(sorted(COST_OF)), st.floats(0.3, 3), st.floats(0.3, 3), st.booleans())
def test_every_budget_bounds_its_cost_on_the_right_side(name: str, share: float, times: float, relative: bool) -> None:
    original = build_original()
    reference, own = original.costs()["laptop"], build_cost(20.0 * times, 91.0 * times)
    before, value = reference.value(COST_OF[name]), own.value(COST_OF[name])
    bound = Bound(share if relative else share * before, relative, "any")
    budgets = BudgetsConfig().model_copy(update={name: bound})
    limit = share * before
    spare = value - limit if name == "throughput" else limit - value
    assume(abs(spare) > 1e-6 * limit)
    slack = budget_slack({"laptop": own}, 0.9, original, budgets)
    assert slack == {name: pytest.approx(spare / limit)}
    assert (name in missed_budgets({"laptop": own}, 0.9, original, budgets)) == (spare < 0)
    summed, most = summed_limit(name, bound, reference, 32)
    assert (own.value(summed) <= most) == (spare >= 0)


def test_a_budget_of_nothing_is_met_by_nothing() -> None:
    """On a grid without CO2 the original emits none, and half of it is none."""
    budgets = BudgetsConfig.model_construct(co2=parse_bound("50%", "mass", "co2"))
    clean = replace(build_cost(), co2_g_per_million=0.0)
    original = replace(build_original(), cost={"laptop": clean})
    assert budget_slack({"laptop": clean}, 0.9, original, budgets) == {"co2": 0.0}


def test_limits_are_met_exactly_and_nan_is_missed() -> None:
    budgets = BudgetsConfig(accuracy=0.9, accuracy_drop=0.1, latency=parse_bound("10%", "time", "latency"))
    original = build_original(validation=1.0)
    costs = {"laptop": build_cost(20.0 * 0.1)}
    assert missed_budgets(costs, 1.0 - 0.1, original, budgets) == ()
    assert missed_budgets(costs, 0.899, original, budgets) == ("accuracy_drop", "accuracy")
    assert missed_budgets(costs, math.nan, original, budgets) == ("accuracy_drop", "accuracy")
    assert binding({"latency": -1.0, "accuracy": math.nan}) == "accuracy"
    assert binding({}) is None
    assert least({}) == math.inf


def test_a_drop_of_a_negative_score_lowers_the_floor() -> None:
    budgets = BudgetsConfig(accuracy_drop=0.1)
    original = build_original(validation=-0.5)
    assert missed_budgets({"laptop": build_cost()}, -0.54, original, budgets) == ()
    assert missed_budgets({"laptop": build_cost()}, -0.56, original, budgets) == ("accuracy_drop",)


def test_slack_works_before_the_original_is_measured() -> None:
    original = Candidate(
        "original", Plan(), CandidateScore("accuracy", 0.9), None, {"laptop": build_cost(10.0)}, feasible=True
    )
    budgets = BudgetsConfig(latency=parse_bound("50%", "time", "latency"))
    assert budget_slack({"laptop": build_cost(4.0)}, 0.9, original, budgets) == pytest.approx({"latency": 0.2})
    with pytest.raises(RunError, match="laptop"):
        budget_slack({"phone": build_cost(4.0)}, 0.9, original, budgets)
    with pytest.raises(RunError, match="laptop"):
        budget_slack({}, 0.9, original, budgets)


@given(
    st.sampled_from([None, "8 ms", "60%", "1.5 s"]),
    st.sampled_from([None, "5M", "12.5%"]),
    st.sampled_from([None, "200/s", "150%"]),
    st.sampled_from([None, 0.01, 0.07, 0.125]),
    st.sampled_from([None, 0.9, 0.333]),
)
def test_budgets_as_text(
    latency: str | None, parameters: str | None, throughput: str | None, drop: float | None, accuracy: float | None
) -> None:
    budgets = BudgetsConfig(
        throughput=None if throughput is None else parse_bound(throughput, "rate", "throughput"),
        latency=None if latency is None else parse_bound(latency, "time", "latency"),
        parameters=None if parameters is None else parse_bound(parameters, "count", "parameters"),
        accuracy_drop=drop,
        accuracy=accuracy,
    )
    assert budgets_from_text(budgets_to_text(budgets)) == budgets
