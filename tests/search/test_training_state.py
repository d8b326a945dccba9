"""A candidate that is trained in parts, by other workers and after a restart, is the one that is trained at once."""

from pathlib import Path

import numpy as np
import pytest

from greenfront.search.paused import PausedStates
from greenfront.search.training_state import Part, Weights
from greenfront.search.worker import Outcome, Worker
from greenfront.spaces import Plan
from tests.search.tiny_assignment import assignment
from tests.search.toy_run import toy_space

QUERY, OUTPUT = (f"bert.encoder.layer.0.{path}" for path in ("attention.self.query", "output.dense"))
TABLE = "bert.embeddings.word_embeddings"
RANKS: dict[str, dict[str, int | float | str]] = {site.path: {"rank": 2} for site in toy_space().sites}
PLANS = {  # so strong that training is of use
    "ranks": Plan(RANKS),
    "few bits": Plan({**RANKS, QUERY: {"rank": 2, "bits": 8}, OUTPUT: {"bits": 16}, TABLE: {"bits": 8}}),
}


def same(a: Weights | None, b: Weights | None) -> bool:
    assert a is not None
    assert b is not None
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def result(outcome: Outcome) -> tuple[object, ...]:
    assert outcome.outputs is not None, outcome.reason
    return outcome.validation, outcome.divergence, outcome.outputs.statistics.tolist()


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_parts_come_to_the_same_bits_as_the_whole(plan: Plan, tmp_path: Path) -> None:
    work, paused = assignment(steps=7, learning_rate=3e-3), PausedStates(tmp_path / "paused")
    whole, weights = Worker(work).evaluate(plan.to_json())
    untrained, nothing = Worker(work).evaluate(plan.to_json(), Part(0, 0))
    assert nothing is None
    first, state = Worker(work).evaluate(plan.to_json(), Part(0, 2))
    assert state is not None
    paused.save(plan.id, 2, state)
    second, state = Worker(work).evaluate(plan.to_json(), paused.part(plan.id, 5))
    assert state is not None
    paused.save(plan.id, 5, state)
    part = paused.part(plan.id, 7)
    assert (part.start, part.stop) == (5, 7)
    last, ended = Worker(work).evaluate(plan.to_json(), part)
    assert result(last) == result(whole)
    assert not last.untrained
    assert same(ended, weights)
    divergences = [outcome.divergence for outcome in (untrained, first, second, last)]
    assert len(set(divergences)) == 4
    # Rounding a copy to score it has left no trace; and what a rung scored is what less training would have.
    assert result(Worker(assignment(steps=0)).evaluate(plan.to_json())[0]) == result(untrained)


def test_a_table_that_stays_is_not_kept() -> None:
    _, state = Worker(assignment(steps=3)).evaluate(PLANS["few bits"].to_json(), Part(0, 2))
    assert state is not None
    assert not [name for name in state if TABLE in name]
    assert f"model.{QUERY}.up.weight" in state  # in floats, although it will have eight bits
    assert state[f"model.{QUERY}.up.weight"].dtype == np.float32


def test_what_is_not_there_or_broken_means_from_the_start(tmp_path: Path) -> None:
    paused = PausedStates(tmp_path / "paused")
    state = {"model.a": np.arange(3, dtype=np.float32), "moments.a:step": np.array(2, dtype=np.float32)}
    assert paused.part("1a", 9) == Part(0, 9)
    paused.save("1a", 4, state)
    found = paused.part("1a", 9)
    assert (found.start, found.stop) == (4, 9)
    assert same(found.state, state)
    assert paused.part("1a", 3) == Part(0, 3)  # further than it should be
    path = tmp_path / "paused" / "1a.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    assert paused.part("1a", 9) == Part(0, 9)
    paused.save("1a", 5, state)
    assert paused.part("1a", 9).start == 5
    paused.drop("1a")
    assert list((tmp_path / "paused").iterdir()) == []
    paused.drop("1a")
    paused.clear()
    assert not (tmp_path / "paused").exists()
    paused.clear()
