"""Finishing on a real tiny model: what is trained, what is kept, and what is left wherever it is killed."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from greenfront.config import RunConfig
from greenfront.evaluators import Outputs, TaskData, answer, score
from greenfront.search import RunFolder, finishing, keeping
from greenfront.search.averaging import average
from greenfront.search.candidate import Candidate, CandidateScore
from greenfront.search.continuing import Continue
from greenfront.search.finalists import Finalists
from greenfront.search.finish_record import Attempt, Finished, Quality, attempts_on, finished
from greenfront.search.finishing import Finisher, as_kept, unfinished_members
from greenfront.search.finishing_data import chosen_examples, shards_of
from greenfront.search.journal import Result
from greenfront.search.keeping import keep_candidate, keep_finished
from greenfront.search.pool import Pool
from greenfront.search.samplers import make_sampler
from greenfront.search.study import Study
from greenfront.search.training_state import Weights, to_arrays
from greenfront.search.verify import original_candidate
from greenfront.search.worker import Assignment, Worker
from greenfront.spaces import Plan, complete, load_checkpoint
from greenfront.spaces.unrounding import unrounded
from tests.search.inline_pool import InlinePool
from tests.search.test_driver import Notes
from tests.search.tiny_assignment import assignment
from tests.search.toy_run import toy_config, toy_model, toy_profile, toy_space

Trials = dict[Plan, tuple[Result, Weights, Outputs]]
SITES = [site.path for site in toy_space().sites]
PLANS = [Plan({SITES[n]: {"rank": 2}, SITES[n + 1]: {"rank": 4, "bits": 8}}) for n in (0, 4)]
STEPS = 16


@pytest.fixture(autouse=True)
def weights_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ray there is no object store to fetch from."""
    monkeypatch.setattr(Pool, "fetch", staticmethod(lambda weights: weights))


@pytest.fixture(scope="module")
def trials() -> Trials:
    """Plans as a search leaves them: trained for a few steps."""
    found = {}
    for number, plan in enumerate(PLANS):
        outcome, weights = Worker(work()).evaluate(plan.to_json())
        assert weights is not None, outcome.reason
        assert outcome.outputs is not None
        result = Result(number, plan, "sampler", "scored", outcome.validation, outcome.divergence)
        found[plan] = result, weights, outcome.outputs
    return found


@pytest.fixture
def run(tmp_path: Path, trials: Trials) -> RunFolder:
    run = RunFolder.create(config_at(tmp_path / "run"))
    for plan, (_, weights, outputs) in trials.items():
        keep_candidate(run, toy_model(), plan, weights, outputs, None)
    return run


def config_at(folder: Path, **finish: object) -> RunConfig:
    return toy_config(folder, finish={"steps": STEPS, **finish})


def results(trials: Trials) -> list[Result]:
    return [result for result, *_ in trials.values()]


@cache
def work() -> Assignment:
    """What trials' workers have."""
    return assignment()


def longer() -> Assignment:
    """What finishing gives its workers."""
    settings = {"steps": STEPS, "learning_rate": 3e-4, "warmup": 0.05}
    return replace(work(), fine_tune=work().fine_tune.model_copy(update=settings))


def finish(
    run: RunFolder, members: Sequence[Result], pool: InlinePool, *, shards: int = 1, floors: Sequence[float] = ()
) -> Notes:
    config, report = config_at(run.path, shards=shards), Notes()
    parts = shards_of(32, shards, 0)
    Finisher(config, run, toy_model(), None, floors, parts, report).work(pool, members)
    return report


def quality(run: RunFolder, id_: str) -> Quality:
    """What the candidate that would be measured and exported scores."""
    model = load_checkpoint(run.candidate(id_))
    found = score(answer(model, work().validation, "accuracy", work().validation_logits))
    assert found.divergence is not None
    return Quality(found.value, found.divergence)


def test_members_that_improve_are_kept_with_their_scores(run: RunFolder, trials: Trials) -> None:
    members = results(trials)
    report = finish(run, members, InlinePool(longer()))
    for member in members:
        done = finished(run, member.plan.id)
        assert done is not None, report.notes
        assert (done.steps, done.shards) == (STEPS, 1)
        assert done.before == Quality(member.validation or 0.0, member.divergence or 0.0)
        assert done.after.divergence < done.before.divergence
        now = quality(run, member.plan.id)
        assert now.validation == done.after.validation
        assert now.divergence == pytest.approx(done.after.divergence, rel=1e-4)
        statistics = load_file(run.outputs(member.plan.id))["statistics"]
        assert statistics[:, 0].mean() == done.after.validation
    kept = as_kept(run, members, "accuracy")
    assert [each.divergence for each in kept] == [
        attempts_on(run, member.plan.id)[-1].after.divergence for member in members  # type: ignore[union-attr]
    ]  # fmt: skip
    assert report.done[-1] == (2, 2)


def test_what_is_done_is_not_done_again_unless_the_settings_change(run: RunFolder, trials: Trials) -> None:
    members = results(trials)
    assert unfinished_members(config_at(run.path, steps=0), run, members) == []
    assert unfinished_members(config_at(run.path), run, members) == members
    finish(run, members[:1], InlinePool(longer()))
    assert unfinished_members(config_at(run.path), run, members) == members[1:]
    assert unfinished_members(config_at(run.path, steps=STEPS + 1), run, members) == members
    before = quality(run, members[0].plan.id)
    again = as_kept(run, members[:1], "accuracy")
    finish(run, again, InlinePool(longer()))
    first, second = attempts_on(run, members[0].plan.id)
    assert second.before == first.after
    now = quality(run, members[0].plan.id)
    assert (now.divergence < before.divergence) == second.accepted
    assert now == before or second.accepted


def test_another_start_finishes_nobody_else(tmp_path: Path) -> None:
    """One of two is to be finished; the other one must not come to its turn because the first is better now."""
    config, profiles = config_at(tmp_path / "run", members=1), {"toy": toy_profile()}
    run = RunFolder.create(config)
    study = Study(toy_space(), ["d", "ms"], make_sampler("random", {}, 0), run.study)
    for number, rank in enumerate((2, 4)):
        plan = Plan({site: {"rank": rank} for site in SITES[:4]})
        outcome, weights = Worker(work()).evaluate(plan.to_json())
        assert weights is not None
        assert outcome.outputs is not None
        keep_candidate(run, toy_model(), plan, weights, outcome.outputs, None)
        study.results.append(Result(number, plan, "sampler", "scored", outcome.validation, outcome.divergence))
    finalists = Finalists(config, run, study, profiles, original_candidate(1.0, profiles, config))
    (member,) = finalists.members()
    finish(run, [member], InlinePool(longer()))
    (again,) = finalists.members()
    assert again.plan == member.plan
    assert again.divergence != member.divergence
    assert unfinished_members(config_at(run.path), run, [again]) == []


def test_a_member_that_does_not_improve_stays_what_it_was(run: RunFolder, trials: Trials) -> None:
    member = results(trials)[0]
    lucky = replace(member, divergence=1e-9)
    before = run.candidate(member.plan.id)
    report = finish(run, [lucky], InlinePool(longer()))
    assert run.candidate(member.plan.id) == before
    assert finished(run, member.plan.id) is None
    (attempt,) = attempts_on(run, member.plan.id)
    assert not attempt.accepted
    assert "no improvement, it stays as it was" in report.notes[-1]
    assert unfinished_members(config_at(run.path), run, [lucky]) == []


def test_the_average_of_shards_competes_with_the_single_run(run: RunFolder, trials: Trials) -> None:
    member, pool = results(trials)[0], InlinePool(longer())
    kept = to_arrays(unrounded(toy_model(), load_checkpoint(run.candidate(member.plan.id))))
    report = finish(run, [member], pool, shards=3)
    whole, *shards, averaged = pool.jobs
    assert (whole.part, averaged.part, averaged.steps) == (None, None, 0)
    assert sorted(np.concatenate([job.part for job in shards])) == list(range(32))
    assert max(len(job.part) for job in shards) - min(len(job.part) for job in shards) <= 1
    assert all(np.array_equal(job.weights[name], kept[name]) for job in shards for name in kept)
    trained = [job(longer())[1] for job in shards]
    expected = average([weights for weights in trained if weights], [len(job.part) for job in shards])
    assert all(np.array_equal(averaged.weights[name], expected[name]) for name in expected)
    scores = {1: whole(longer())[0].divergence, 3: averaged(longer())[0].divergence}
    (attempt,) = attempts_on(run, member.plan.id)
    assert attempt.after is not None
    assert attempt.after.divergence == min(value for value in scores.values() if value is not None)
    assert attempt.shards == min(scores, key=lambda shards: scores[shards] or 0.0)
    assert report.done[-1] == (5, 5)


def test_a_shard_that_fails_leaves_the_single_run(run: RunFolder, trials: Trials) -> None:
    member, pool = results(trials)[0], InlinePool(longer(), {1: "diverged"})
    report = finish(run, [member], pool, shards=2)
    assert len(pool.jobs) == 3
    (attempt,) = attempts_on(run, member.plan.id)
    assert (attempt.shards, attempt.accepted) == (1, True)
    assert any("could not be trained on: diverged" in note for note in report.notes)


def test_nothing_is_lost_where_every_run_fails(run: RunFolder, trials: Trials) -> None:
    member = results(trials)[0]
    before = quality(run, member.plan.id)
    finish(run, [member], InlinePool(longer(), {0: "out of memory"}))
    (attempt,) = attempts_on(run, member.plan.id)
    assert (attempt.accepted, attempt.after) == (False, None)
    assert quality(run, member.plan.id) == before


@dataclass
class Stages(Notes):
    """Notes that remember how long each stage was said to take."""

    seconds: dict[str, float | None] = field(default_factory=dict)

    def stage(self, title: str, seconds: float | None = None) -> None:
        self.seconds[title] = seconds


class InlineWorkers(InlinePool):
    """Made as `Pool` is."""

    def __init__(self, assignment: Assignment, *_: object) -> None:
        super().__init__(assignment)


TRIALS: dict[str, tuple[dict[str, object], list[bool], float | None]] = {
    "trained": ({"steps": 4}, [False, False], (3 + 5) * STEPS / 4 * 3 / 2),
    "trials without a step": ({"steps": 0}, [False, False], None),
    "one that needed none": ({"steps": 4}, [False, True], None),
}
"""The steps of a trial, which members are untrained -> seconds of a run and two shards each, on two workers."""


@pytest.mark.parametrize(("fine_tune", "untrained", "expected"), TRIALS.values(), ids=TRIALS)
def test_how_long_it_takes_is_said_where_trials_tell_it(
    fine_tune: Mapping[str, object],
    untrained: Sequence[bool],
    expected: float | None,
    run: RunFolder,
    trials: Trials,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finishing, "Pool", InlineWorkers)
    monkeypatch.setattr(finishing, "running_ray", lambda *_: nullcontext())
    fine_tune = {"batch_size": 8, "precision": "float32", **fine_tune}
    config, report = toy_config(run.path, finish={"steps": STEPS, "shards": 2}, fine_tune=fine_tune), Stages()
    members = [
        replace(member, seconds=seconds, untrained=is_so)
        for member, seconds, is_so in zip(results(trials), (3.0, 5.0), untrained, strict=True)
    ]
    train, validation = work().train, work().validation
    data = TaskData(train, validation, validation, train, ("a", "b", "c"), "")
    original = original_candidate(1.0, {"toy": toy_profile()}, config)
    finishing.finish(config, run, members, original, work(), data, None, report)
    assert report.seconds["Finishing 2 candidates"] == (None if expected is None else pytest.approx(expected))
    assert report.done[-1] == (8, 8)
    assert all(attempts_on(run, member.plan.id) for member in members)


WRITES = (
    (keeping, "save_checkpoint"), (keeping, "save_file"), (keeping, "write_atomic"), (os, "replace"),
    (shutil, "rmtree"),
)  # fmt: skip


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it."""


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Die instead of the n-th step that changes the disk, where `left` is n; count them."""
    state = {"left": -1, "count": 0}

    def deadly(function: object) -> object:
        def step(*arguments: object, **named: object) -> object:
            state["count"] += 1
            if state["left"] == 0:
                raise Killed
            state["left"] -= 1
            return function(*arguments, **named)  # type: ignore[operator]

        return step

    for holder, name in WRITES:
        monkeypatch.setattr(holder, name, deadly(getattr(holder, name)))
    yield state
    monkeypatch.undo()


@pytest.mark.parametrize("again", [False, True], ids=["first", "second"])
def test_a_kill_at_any_step_leaves_a_candidate_with_its_own_score(
    run: RunFolder, trials: Trials, kills: dict[str, int], again: bool
) -> None:
    member = results(trials)[0]
    id_ = member.plan.id
    first = Continue(PLANS[0].to_json(), to_arrays(unrounded(toy_model(), load_checkpoint(run.candidate(id_)))), STEPS)
    outcome, weights = first(longer())
    assert weights is not None
    assert outcome.outputs is not None
    attempts = [
        Attempt(
            "16 steps", STEPS, 1, True, Quality(member.validation or 0.0, member.divergence or 0.0),
            Quality(outcome.validation or 0.0, outcome.divergence or 0.0), 1.0,
        )
    ]  # fmt: skip
    if again:
        keep_finished(run, toy_model(), PLANS[0], attempts, weights, outcome.outputs, None)
        attempts = [*attempts, replace(attempts[0], settings="other")]
    for left in range(100):
        kills |= {"left": left, "count": 0}
        try:
            keep_finished(run, toy_model(), PLANS[0], attempts, weights, outcome.outputs, None)
        except Killed:
            (now,) = as_kept(run, [member], "accuracy")
            found = quality(run, id_)
            assert found.validation == now.validation
            assert found.divergence == pytest.approx(now.divergence, rel=1e-4)
            continue
        break
    assert left >= 4
    assert attempts_on(run, id_) == attempts
    assert [path.name for path in (run.path / "finished").iterdir()] == [id_]


def test_examples_that_trials_have_not_seen_come_first(tmp_path: Path) -> None:
    config = toy_config(tmp_path, fine_tune={"steps": 2, "batch_size": 8}, finish={"steps": 3, "shards": 2})
    seen = np.random.default_rng(config.search.seed).permutation(100)[:16]
    chosen = chosen_examples(config, 100)
    assert len(set(chosen.tolist())) == 48
    assert not set(chosen.tolist()) & set(seen.tolist())
    assert (np.diff(chosen) > 0).all()
    assert chosen_examples(config, 20).tolist() == list(range(20))
    assert set(range(60)) - set(chosen_examples(config, 60).tolist()) <= set(
        np.random.default_rng(config.search.seed).permutation(60)[4:16].tolist()
    )


def test_rounded_weights_are_trained_as_floats_and_rounded_again(run: RunFolder, trials: Trials) -> None:
    model = unrounded(toy_model(), load_checkpoint(run.candidate(PLANS[0].id)))
    weight = model.get_submodule(SITES[1]).get_submodule("up").weight
    assert isinstance(weight, torch.nn.Parameter)
    assert weight.requires_grad
    complete(model)
    kept = load_checkpoint(run.candidate(PLANS[0].id)).state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())


def test_a_front_says_what_finishing_did(run: RunFolder) -> None:
    done = Finished(300, 2, Quality(0.9, 0.05), Quality(0.91, 0.02))
    plan = PLANS[0]
    candidate = Candidate(plan.id, plan, CandidateScore("accuracy", 0.91), None, {}, True, finished=done)
    document = candidate.to_dict()
    assert document["finished"] == {
        "steps": 300, "shards": 2, "before": {"validation": 0.9, "divergence": 0.05},
        "after": {"validation": 0.91, "divergence": 0.02},
    }  # fmt: skip
    assert Candidate.from_dict(document, "here") == candidate
    assert "finished" not in replace(candidate, finished=None).to_dict()
