"""The worker that records trials, on a real tiny model."""

import pytest
from record import RecordingWorker

from greenfront.search.worker import Worker
from greenfront.spaces import Plan
from tests.search.tiny_assignment import assignment
from tests.search.toy_run import toy_space

SITES = [site.path for site in toy_space().sites]
MILD, STRONG = Plan({SITES[0]: {"bits": 8}}), Plan({path: {"rank": 2} for path in SITES})


@pytest.mark.parametrize("steps", [(3, 6), (0, 3, 6)], ids=str)
def test_who_needs_no_training_is_the_same_on_every_rung(steps: tuple[int, ...]) -> None:
    work = assignment(steps=6, learning_rate=3.0)
    trial = RecordingWorker(work).record(0, "mild", MILD, {}, steps)
    kept, _ = Worker(work).evaluate(MILD.to_json())
    assert trial.reason == ""
    assert tuple(rung.steps for rung in trial.rungs) == steps
    assert {(rung.divergence, rung.metric) for rung in trial.rungs} == {(kept.divergence, kept.validation)}
    assert not any(rung.score_seconds for rung in trial.rungs[1:])


def test_who_is_trained_is_scored_on_its_way() -> None:
    work = assignment(steps=6, learning_rate=3e-3)
    trial = RecordingWorker(work).record(0, "strong", STRONG, {}, (3, 6))
    kept, _ = Worker(work).evaluate(STRONG.to_json())
    assert [rung.steps for rung in trial.rungs] == [3, 6]
    assert trial.rungs[0].divergence != trial.rungs[1].divergence == kept.divergence
