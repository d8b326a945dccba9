"""Which parameters matter: found where a few do, not found where none does."""

import re

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from greenfront.search.history import History, Tried
from greenfront.search.importance import ENOUGH, MOST_TRIALS, importances, scored
from greenfront.search.importance_figure import MOST_KINDS as BARS
from greenfront.search.importance_figure import importance_tables, importance_words
from greenfront.search.journal import Result
from greenfront.search.study import RANDOM, SAMPLER
from greenfront.spaces import Plan

LAYERS, MODULES = 6, ("attention.query", "attention.key", "attention.value", "attention.output", "up", "down")
NAMES = [f"encoder.layer.{layer}.{module}:low_rank" for layer in range(LAYERS) for module in MODULES]
PLAN = Plan({"x": {"rank": 1}})


def history(count: int, matters: str = "", seed: int = 0, names: list[str] | None = None) -> History:
    """Random options of every parameter; the divergence is that of those whose names have `matters` in them."""
    rng, names = np.random.default_rng(seed), names or NAMES
    tried = []
    for number in range(count):
        options = {name: int(rng.integers(0, 11)) for name in names}
        loss = sum((1 - option / 10) ** 2 for name, option in options.items() if matters and matters in name)
        divergence = float((loss + 0.1) * np.exp(rng.normal(0, 0.1)))
        tried.append(Tried(trial_of(options, divergence), Result(number, PLAN, "sampler", "scored", 0.9, divergence)))
    return History("accuracy", 60, (), tuple(tried), ())


def trial_of(options: dict[str, int], divergence: float) -> FrozenTrial:
    distributions: dict[str, BaseDistribution] = {name: IntDistribution(0, 10) for name in options}
    return create_trial(
        params=options, distributions=distributions, values=[divergence, 1.0], user_attrs={"divergence": divergence}
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_kind_and_the_layer_that_matter_come_out_first(seed: int) -> None:
    by_kind, by_layer = importances(scored(history(60, "attention.value", seed)))
    assert by_kind[0].name == "low_rank of value"
    assert by_kind[0].told
    assert by_kind[0].parameters == LAYERS
    assert {each.name for each in by_kind[1:]} == {f"low_rank of {name}" for name in (
        "query", "key", "output", "up", "down"
    )}  # fmt: skip
    assert sum(each.share for each in by_kind) == pytest.approx(1)
    assert [each.name for each in by_layer] == [f"layer {number}" for number in range(LAYERS)]
    _, by_layer = importances(scored(history(60, "layer.3.", seed)))
    assert max(by_layer, key=lambda each: each.share).name == "layer 3"


def test_chance_is_seldom_taken_for_importance() -> None:
    found = [each for seed in range(4) for each in importances(scored(history(40, "", seed)))[0]]
    assert sum(each.told for each in found) <= 0.15 * len(found)


def test_parameters_of_allocations_stand_for_themselves() -> None:
    rng, tried = np.random.default_rng(0), []
    names = ["position on latency", "log multiplier of low_rank encoder.layer.up early", "log multiplier of bits x"]
    for number in range(ENOUGH):
        options = {name: float(rng.uniform(0, 1)) for name in names}
        divergence = 0.01 + options[names[0]] ** 2
        trial = create_trial(
            params=options, distributions={name: FloatDistribution(0, 1) for name in names}, value=divergence,
            user_attrs={"divergence": divergence},
        )  # fmt: skip
        tried.append(Tried(trial, Result(number, PLAN, "sampler", "scored", 0.9, divergence)))
    by_kind, by_layer = importances([each.trial for each in tried])
    assert by_kind[0].name == names[0]
    assert by_kind[0].told
    assert {each.name for each in by_kind} == set(names)
    assert by_layer == []
    assert len(importance_tables(History("accuracy", 60, (), tuple(tried), ()))) == 1


def test_of_allocations_only_what_the_sampler_proposed_says_what_it_meant() -> None:
    """Others have the position of their plans, and multipliers of one."""
    rng, names = np.random.default_rng(0), ["position on latency", "log multiplier of bits x"]

    def tried(number: int, origin: str, *, stored: bool = False) -> Tried:
        own = origin == SAMPLER and not stored
        options = {names[0]: float(rng.uniform(0, 1)), names[1]: float(rng.uniform(-4, 4)) if own else 0.0}
        trial = create_trial(
            params=options, distributions=dict.fromkeys(names, FloatDistribution(-4, 4)), value=0.1,
            user_attrs={"divergence": 0.1},
        )  # fmt: skip
        return Tried(trial, Result(number, PLAN, origin, "scored", 0.9, 0.1), stored)

    others = [tried(0, "allocation 50%"), tried(1, SAMPLER, stored=True), tried(2, RANDOM)]
    own = [tried(number, SAMPLER) for number in range(3, 3 + ENOUGH)]
    found = History("accuracy", 60, (), (*others, *own), ())
    assert scored(found) == [each.trial for each in own]
    assert f"half of {ENOUGH} scored trials of the sampler's own" in importance_words(found)


def test_too_few_trials_are_said() -> None:
    few = history(ENOUGH - 1, "up")
    assert importance_tables(few) == []
    assert f"With {ENOUGH - 1} scored trials it" in importance_words(few)
    assert "With 1 scored trial it" in importance_words(history(1))
    assert f"half of {ENOUGH} scored" in importance_words(history(ENOUGH, "up"))


def test_only_trials_that_were_scored_count_and_of_too_many_some() -> None:
    many = history(MOST_TRIALS + 50, names=NAMES[:2])
    assert len(scored(many)) == MOST_TRIALS
    one = many.tried[0]
    unfinished = create_trial(state=TrialState.FAIL)
    none = Tried(unfinished, Result(1, PLAN, "sampler", "failed"))
    lost = Tried(one.trial, Result(2, PLAN, "sampler", "scored", 0.1, float("nan")))
    assert scored(History("accuracy", 60, (), (one, none, lost), ())) == [one.trial]


def test_the_bars_are_the_most_important_ones_and_names_are_text() -> None:
    evil = "<img src=x onerror=alert(1)>"
    names = [f"m{number}:low_rank" for number in range(BARS)] + [f"{evil}:{evil}", "stack.3.x:bits"]
    kinds, layers = importance_tables(history(ENOUGH, "img", names=names))
    assert kinds.count("<tr>") == BARS + 1
    shares = [float(share) for share in re.findall(r"</span>([\d.]+)%</span>", kinds)]
    assert len(shares) == BARS
    assert shares == sorted(shares, reverse=True)
    assert ">layer 3</th>" in layers
    assert "<img" not in kinds
    assert "&lt;img" in kinds
