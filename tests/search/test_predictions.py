"""Predicted costs that are remembered are those that a profile predicts."""

import pytest

from greenfront.search import predictions
from greenfront.search.predictions import Predictions
from greenfront.spaces import Plan
from tests.search.toy_run import toy_profile, toy_space


def test_each_plan_has_its_own_costs_whatever_was_asked_before() -> None:
    profile, space = toy_profile(), toy_space()
    predict = Predictions({"toy": profile})
    plans = [Plan(), *(space.plan([0] * n + [3] * (len(space.choices) - n)) for n in range(1, 5))]
    for plan in (*plans, *plans, *reversed(plans)):
        assert predict(plan) == {"toy": toy_profile().predict(plan)}


def test_a_plan_in_hand_is_predicted_once_and_those_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "REMEMBERED", 64)
    profile, space = toy_profile(), toy_space()
    predict = Predictions({"toy": profile})
    first = predict(Plan())
    for n in range(predictions.REMEMBERED - 1):
        choices = [(n // 4**place) % 4 for place in range(len(space.choices))]
        predict(space.plan([3 - index for index in choices]))
        assert predict(Plan()) is first
    for n in range(predictions.REMEMBERED, 2 * predictions.REMEMBERED):
        predict(space.plan([3 - (n // 4**place) % 4 for place in range(len(space.choices))]))
    assert predict(Plan()) == first
    assert predict(Plan()) is not first
