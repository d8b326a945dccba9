"""The original's answers: kept where they are few, asked for again where they are many; a search notices nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from greenfront.evaluators import Outputs, TaskData, predict, score
from greenfront.search import RunFolder, prepare
from greenfront.search.progress import Silent
from greenfront.search.worker import Worker
from tests.search.tiny_assignment import assignment, examples
from tests.search.toy_run import toy_config, toy_model, toy_space


def test_what_is_too_much_to_keep_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = examples(40, seed=0)
    data = TaskData(split, examples(20, seed=1), split, split, ("a", "b", "c"), "")
    found = []
    for name, numbers in (("kept", 2**20), ("asked", 50)):
        monkeypatch.setattr(prepare, "LARGEST_NUMBERS", numbers)
        config = toy_config(tmp_path / name)
        run = RunFolder.create(config)
        first, again = (prepare.prepare_teacher(config, run, data, toy_model(), Silent()) for _ in range(2))
        assert np.array_equal(first.outputs.statistics, again.outputs.statistics)
        assert (first.train_logits is None) == (again.train_logits is None) == (name == "asked")
        assert (first.validation_logits is None) == (name == "asked")
        found.append(first)
    kept, asked = found
    assert kept.train_logits is not None
    assert kept.train_logits == pytest.approx(predict(toy_model(), kept.train), abs=1e-5)
    assert np.array_equal(kept.outputs.statistics, asked.outputs.statistics)
    whole = Outputs.of(predict(toy_model(), data.validation), data.validation, "accuracy")
    assert score(asked.outputs).value == score(whole).value


def test_a_candidate_is_trained_and_scored_the_same() -> None:
    space, work = toy_space(), assignment()
    plan = space.plan([1] * len(space.choices)).to_json()
    without = replace(work, train_logits=None, validation_logits=None)
    with torch.random.fork_rng():
        (kept, _), (asked, _) = (Worker(one).evaluate(plan) for one in (work, without))
    assert (kept.reason, asked.reason) == ("", "")
    assert asked.validation == kept.validation
    assert asked.divergence == pytest.approx(kept.divergence, rel=1e-3)
