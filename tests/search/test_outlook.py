"""The words for where a search stands, on costs from a formula."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pytest

from greenfront.hardware_profiles import Cost
from greenfront.search.journal import Result, RungScore, State
from greenfront.search.outlook import OVER, Outlook, trial_words
from greenfront.spaces import Plan
from tests.search.front_builder import build_candidate, build_cost, build_plan
from tests.search.toy_run import toy_config

PLANS = [build_plan(seed) for seed in range(6)]
COSTS = [(16.0, 80.0), (8.0, 60.0), (4.0, 70.0), (9.0, 30.0), (2.0, 20.0), (5.0, 50.0)]
"""Predicted ms and MB of each; the original takes 20 ms and 91 MB."""
SCORES = [0.9, 0.89, 0.88, 0.87, 0.5, 0.86]


def predict(plan: Plan) -> dict[str, Cost]:
    return {"toy": build_cost(*COSTS[PLANS.index(plan)])}


def on_two(plan: Plan) -> dict[str, Cost]:
    """Another target, slower where the plan's size is small."""
    cost = predict(plan)["toy"]
    return {"toy": cost, "phone": build_cost(600 / cost.size_mb, cost.size_mb)}


def result_of(number: int, state: State = "scored", reason: str = "", rungs: Sequence[int] = ()) -> Result:
    done = tuple(RungScore(steps, SCORES[number], 0.02, 1.0) for steps in rungs)
    found = Result(number, PLANS[number], "sampler", state, seconds=2.5, reason=reason, rungs=done)
    if state not in ("scored", "paused"):
        return found
    return replace(found, validation=SCORES[number], divergence=0.01 * (number + 1))


def outlook_of(results: Sequence[Result], stored: Collection[Plan] = (), **sections: object) -> Outlook:
    sections = {"budgets": {"latency": "60%", "accuracy_drop": "10%"}, **sections}
    original = build_candidate(Plan(), latency_ms=20 / 1.04, size_mb=91.0, validation=0.9, targets=("toy",))
    return Outlook(toy_config("unused", **sections), results, original, predict, stored)


def followed(results: Sequence[Result], **sections: object) -> Mapping[str, str]:
    """The words when all of the results came one after the other."""
    known: list[Result] = []
    outlook = outlook_of(known, (), **sections)
    for result in results:
        known.append(result)
        outlook.add(result)
    return outlook.words()


def test_each_budget_has_the_best_that_a_trial_within_all_of_them_reaches() -> None:
    # 0 is over the budget on latency, 4 under that on accuracy.
    words = followed([result_of(number) for number in range(5)])
    assert words["best"] == "latency ~4.00 ms (at most 12.0 ms), accuracy 0.890 (at least 0.810)"
    assert float(words["hypervolume"]) > 0  # the last one added nothing
    assert set(words) == {"hypervolume", "best"}


def test_what_the_last_trial_gained_is_said() -> None:
    before, after = (followed([result_of(number) for number in range(1, count)]) for count in (3, 4))
    assert before["hypervolume"].endswith(" by the last trial)")
    assert float(after["hypervolume"]) == float(before["hypervolume"].split()[0])  # plan 3 is worse than 1 in both
    paused = followed([result_of(1), result_of(2, "paused", rungs=[0])])
    assert paused["hypervolume"] == followed([result_of(1)])["hypervolume"].split()[0]


def test_a_gain_that_would_be_written_as_nothing_is_not_said() -> None:
    little = replace(result_of(1), number=2, divergence=0.02 * (1 - 1e-5))
    outlook = outlook_of([result_of(1)])
    before = outlook.words()
    outlook.add(little)
    assert outlook.words() == before


def test_a_budget_on_a_perplexity_is_an_upper_one() -> None:
    config = toy_config("unused", budgets={"accuracy_drop": "5%"})
    config = config.model_copy(update={"data": config.data.model_copy(update={"metric": "perplexity"})})
    original = build_candidate(Plan(), latency_ms=20 / 1.04, size_mb=91.0, validation=1 / 20, targets=("toy",))
    words = Outlook(config, [replace(result_of(1), validation=1 / 21)], original, predict).words()
    assert "perplexity 21.00 (at most 21.05)" in words["best"].split(", ")


def test_a_run_that_goes_on_says_what_it_would_have_said() -> None:
    results = [result_of(number) for number in range(5)] + [result_of(5, "rejected", f"{OVER}: latency")]
    assert outlook_of(results).words() == followed(results)
    assert outlook_of(results[:2]).words()["best"] == followed(results[:2])["best"]
    assert "last trial" not in outlook_of(results[:2]).words()["hypervolume"]


def test_before_anything_is_good_enough_that_is_said() -> None:
    words = followed([result_of(0), result_of(4), result_of(1, "failed", "diverged")])
    assert words == {"hypervolume": "0.0000", "best": "no finished trial within the budgets yet"}


def test_only_proposals_over_a_budget_save_a_training() -> None:
    over = [result_of(number, "rejected", f"{OVER}: latency, size") for number in (0, 1)]
    known = result_of(2, "rejected", "has a result already")
    assert "saved" not in followed([known])
    assert followed([*over[:1], known])["saved"] == "1 training, predicted over budget"
    assert followed([*over, known])["saved"] == "2 trainings, predicted over budget"


def test_rungs_say_how_many_stand_on_them() -> None:
    search = {"trials": 12, "rungs": [0, 30, 100], "finalists": 4}
    results = [
        result_of(0, "paused", rungs=[0]), result_of(1, "paused", rungs=[0]), result_of(2, "paused", rungs=[0, 30]),
        result_of(3, rungs=[0, 30]), result_of(4, "rejected", OVER), replace(result_of(5), origin="earlier"),
    ]  # fmt: skip
    words = followed(results, search=search, fine_tune={"steps": 100})
    assert words["rungs"] == "2 at 0 steps, 1 at 30 steps, 1 finished (100 steps)"  # the last was never on a rung
    failed = followed([*results, result_of(5, "failed")], search=search, fine_tune={"steps": 100})
    assert failed["rungs"].endswith("1 finished (100 steps), 1 failed")
    known = [*results, result_of(5, "failed")]
    stored = outlook_of(known, {PLANS[5]}, search=search, fine_tune={"steps": 100}).words()
    assert stored["rungs"] == words["rungs"]  # it failed under an earlier configuration


def test_the_rest_takes_as_long_as_what_an_earlier_start_did() -> None:
    done = [replace(result_of(number), seconds=10.0) for number in range(3)]
    assert outlook_of([], ray={"workers": 2}).seconds_left(0, 12) is None
    assert outlook_of(done, ray={"workers": 2}).seconds_left(3, 12) == pytest.approx(9 * 10 / 2)
    # On rungs it goes by steps, and who was never on one has done none of them.
    on_rungs = {"search": {"trials": 12, "rungs": [0, 100]}, "fine_tune": {"steps": 100}, "ray": {"workers": 1}}
    climbing = [replace(result_of(number, "paused", rungs=[0]), seconds=2.0) for number in range(2)]
    assert outlook_of([*done, *climbing], (), **on_rungs).seconds_left(40, 400) == pytest.approx(360 * 4 / 40)


def test_objectives_without_a_budget_stand_beside_the_original() -> None:
    words = followed([result_of(1), result_of(2)], budgets={}, objectives=["accuracy", "latency", "size"])
    assert words["best"] == (
        "accuracy 0.890 (original 0.900), latency ~4.00 ms (original 20.0 ms), size ~60.0 MB (original 91.0 MB)"
    )


@pytest.mark.parametrize(
    ("budgets", "best"),
    [
        ({"throughput": "150%"}, "throughput ~250/s (at least 75.0/s), accuracy 0.890 (original 0.900)"),
        ({"accuracy": "70%"}, "accuracy 0.890 (at least 0.700), latency ~4.00 ms (original 20.0 ms)"),
    ],
)
def test_a_lower_bound_is_called_one(budgets: dict[str, str], best: str) -> None:
    said = followed([result_of(1), result_of(2)], budgets=budgets)["best"]
    assert all(part in said for part in best.split(", "))


def test_of_several_targets_the_one_with_least_to_spare_counts() -> None:
    hardware = [{"name": "toy", "sequence_length": 16}, {"name": "phone", "sequence_length": 16}]
    config = toy_config("unused", hardware=hardware, budgets={"latency": "90%"})
    original = build_candidate(Plan(), latency_ms=20 / 1.04, validation=0.9, targets=("toy", "phone"))
    results = [result_of(1), result_of(2), result_of(3)]  # of 20 and 10 ms: 8 and 10, 4 and 8.6, 9 and 20
    words = Outlook(config, results, original, on_two).words()
    assert words["best"].startswith("latency ~8.57 ms (at most 9.00 ms) on phone")


def test_a_trial_is_one_line() -> None:
    words = trial_words(result_of(1), " after 30 of 100 steps", build_cost(8.0, 60.0), "accuracy")
    assert words == f"{PLANS[1].id}: accuracy 0.890 after 30 of 100 steps, predicted 8.00 ms, 60.0 MB (sampler, 2 s)"
