"""What training makes worse stays as it was built, and whoever reads of it is told so."""

from dataclasses import replace
from pathlib import Path

import pytest

from greenfront.errors import RunError
from greenfront.evaluators.peak_rate import NEGLIGIBLE
from greenfront.search.candidate import Candidate
from greenfront.search.journal import Result, result_of
from greenfront.search.outlook import trial_words
from greenfront.search.paused import PausedStates
from greenfront.search.samplers import make_sampler
from greenfront.search.study import Study
from greenfront.search.training_state import Part, Weights, to_arrays
from greenfront.search.worker import Outcome, Worker
from greenfront.spaces import Plan, complete, compress
from tests.search.front_builder import build_candidate, build_cost, build_plan
from tests.search.test_training_state import result, same
from tests.search.tiny_assignment import assignment
from tests.search.toy_run import toy_model, toy_space

QUERY, OUTPUT = (f"bert.encoder.layer.0.{path}" for path in ("attention.self.query", "output.dense"))
PLANS = {"ranks": Plan({QUERY: {"rank": 4}, OUTPUT: {"rank": 6}}), "bits": Plan({QUERY: {"rank": 4, "bits": 8}})}
RUINOUS = 3.0
"""A learning rate that no model survives, and no loss is infinite at."""


def built(plan: Plan) -> Weights:
    model = compress(toy_model(), plan, assignment().library, to_train=True)
    complete(model)
    return to_arrays(model)


def untrained(plan: Plan) -> Outcome:
    return Worker(assignment(steps=0)).evaluate(plan.to_json())[0]


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_what_training_ruins_is_kept_as_it_was_built(plan: Plan, tmp_path: Path) -> None:
    work, paused = assignment(steps=6, learning_rate=RUINOUS), PausedStates(tmp_path)
    outcome, weights = Worker(work).evaluate(plan.to_json())
    assert outcome.untrained, outcome
    assert outcome.steps == 6
    assert result(outcome) == result(untrained(plan))
    assert same(weights, built(plan))
    # On a ladder a rung tells what training has done by then; what is kept at the end is the same.
    middle, state = Worker(work).evaluate(plan.to_json(), Part(0, 4))
    assert not middle.untrained
    assert middle.steps == 4
    assert (middle.divergence or 0) > 2 * (outcome.divergence or 0)
    assert state is not None
    paused.save(plan.id, 4, state)
    last, ended = Worker(work).evaluate(plan.to_json(), paused.part(plan.id, 6))
    assert last.untrained
    assert last.steps == 2
    assert result(last) == result(outcome)
    assert same(ended, weights)


def test_what_training_improves_is_kept_trained() -> None:
    plan = Plan({site.path: {"rank": 2} for site in toy_space().sites})
    outcome, weights = Worker(assignment(steps=40, learning_rate=3e-3)).evaluate(plan.to_json())
    assert not outcome.untrained
    assert (outcome.divergence or 9) < (untrained(plan).divergence or 0)
    assert not same(weights, built(plan))
    assert outcome.steps == 40
    assert not untrained(plan).untrained  # nobody asked for any training
    assert untrained(plan).steps == 0


def test_what_needs_no_training_gets_none() -> None:
    plan = Plan({QUERY: {"bits": 8}})
    assert (untrained(plan).divergence or 1) < NEGLIGIBLE / 2
    for part in (None, Part(0, 6)):
        outcome, weights = Worker(assignment(steps=6, learning_rate=RUINOUS)).evaluate(plan.to_json(), part)
        assert outcome.untrained
        assert outcome.steps == 0  # one that is ruined would come to the same in the end
        assert result(outcome) == result(untrained(plan))
        assert same(weights, built(plan))
    middle, _ = Worker(assignment(steps=6, learning_rate=RUINOUS)).evaluate(plan.to_json(), Part(0, 4))
    assert middle.steps == 0
    assert result(middle) == result(untrained(plan))


def test_a_journal_and_a_front_remember_it(tmp_path: Path) -> None:
    study = Study(toy_space(), ["divergence"], make_sampler("random", {}, 0, 1), tmp_path / "study.journal")
    for is_so in (True, False):
        asked = study.ask()
        told = Result(asked.number, asked.plan, asked.origin, "scored", 0.9, 0.1, 1.0, untrained=is_so)
        told = replace(told, steps=0 if is_so else None)
        trial = study.tell(told, [0.1], {})
        study.keep(trial)
        assert ("untrained" in trial.user_attrs) is ("steps" in trial.user_attrs) is is_so
        assert result_of(trial) == told
    again = Study(toy_space(), ["divergence"], make_sampler("random", {}, 0, 1), tmp_path / "study.journal")
    assert [each.untrained for each in again.results] == [True, False]
    assert [each.steps for each in again.results] == [0, None]

    candidate = build_candidate(build_plan(1))
    assert "untrained" not in candidate.to_dict()
    kept = replace(candidate, untrained=True)
    assert Candidate.from_dict(kept.to_dict(), "here") == kept
    with pytest.raises(RunError, match=r"here\.untrained: must be true or false, but got 'yes'"):
        Candidate.from_dict({**kept.to_dict(), "untrained": "yes"}, "here")


def test_a_reader_is_told() -> None:
    told = Result(0, build_plan(1), "uniform", "scored", 0.9, 0.1, 1.0)
    assert " (uniform, 1 s)" in trial_words(told, "", build_cost(), "accuracy")
    why = {None: "", 0: ", as it needs none", 6: ", as training made it no better"}
    for steps, words in why.items():
        kept = replace(told, untrained=True, steps=steps)
        assert f" (uniform, untrained{words}, 1 s)" in trial_words(kept, "", build_cost(), "accuracy")
