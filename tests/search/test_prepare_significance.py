"""Significance in a run: computed once, kept, and computed again where what is kept is not of this run's space."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from greenfront.config import RunConfig
from greenfront.evaluators import Outputs, Significance, TaskData, TextExamples, predict
from greenfront.evaluators.text_examples import pack
from greenfront.search.prepare import Teacher, prepare_significance
from greenfront.search.progress import Silent
from greenfront.search.run_folder import RunFolder
from greenfront.search.some_examples import (
    LEAST_EXAMPLES,
    SOME_EXAMPLES,
    SOME_TOKENS,
    some_batches,
    telling_batches,
)
from greenfront.spaces import Library, Space
from tests.search.tiny_assignment import assignment, examples
from tests.search.toy_run import toy_config, toy_model, toy_space


class Noting(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notes: list[str] = []

    def stage(self, title: str, seconds: float | None = None) -> None:
        self.stages.append(title)

    def note(self, text: str) -> None:
        self.notes.append(text)


@cache
def library() -> Library:
    return assignment().library


def prepared(run: RunFolder, space: Space, config: RunConfig) -> tuple[dict[str, list[float]], Noting]:
    part, said = examples(24, seed=2), Noting()
    data = TaskData(part, part, part, part, ("a", "b", "c"), "fingerprint")
    logits = predict(toy_model(), part)
    teacher = Teacher(part, None, logits, Outputs.of(logits, part, "accuracy"))
    return prepare_significance(config, run, space, data, toy_model(), library(), teacher, said), said


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def test_it_is_computed_once_and_additivity_is_said_each_time(run: RunFolder) -> None:
    config = toy_config(run.path)
    first, said = prepared(run, toy_space(), config)
    assert said.stages == ["Significance of every setting"]
    again, silent = prepared(run, toy_space(), config)
    assert (again, silent.stages) == (first, [])
    kept = Significance.from_json(run.significance.read_text())
    assert kept.losses == first
    assert kept.additivity is not None
    assert said.notes == silent.notes == [str(kept.additivity)]
    assert json.loads(run.significance.read_text())["version"] == 3


def test_what_is_not_of_this_run_is_computed_again(run: RunFolder) -> None:
    config = toy_config(run.path)
    first, _ = prepared(run, toy_space(), config)
    for spoilt, words in (
        (json.dumps(first), "not a record of significance of version 3"),  # as the first version wrote it
        (run.significance.read_text()[:200], "must be JSON"),
        (run.significance.read_text().replace('"version": 3', '"version": 2'), "version 3"),
    ):
        run.significance.write_text(spoilt)
        again, said = prepared(run, toy_space(), config)
        assert again == first
        assert words in said.notes[0]
        assert said.stages == ["Significance of every setting"]
    fewer = toy_space().restrict(lambda _choice, settings: settings["rank"] != 4)
    smaller, said = prepared(run, fewer, config)
    assert "it is of another space" in said.notes[0]
    assert [len(losses) for losses in smaller.values()] == [3] * len(fewer.choices)


@pytest.mark.parametrize(
    ("tokens", "count", "expected"),
    [(8, 200, SOME_EXAMPLES), (8, 5, 5), (500, 200, SOME_TOKENS // 500), (5000, 200, LEAST_EXAMPLES)],
)
def test_how_many_examples_are_scored_on(tokens: int, count: int, expected: int) -> None:
    flat, offsets = pack([[1] * tokens] * count, np.int32)
    batches = some_batches(TextExamples(flat, offsets, np.zeros(count, dtype=np.int64)), seed=0)
    assert sum(len(batch["input_ids"]) for batch in batches) == expected
    assert all(batch["input_ids"].numel() <= max(2048, tokens) for batch in batches)


def test_examples_are_drawn_from_everywhere() -> None:
    flat, offsets = pack([[number + 1] for number in range(1000)], np.int32)
    (first, second) = (
        np.concatenate([b["input_ids"].flatten().numpy() for b in some_batches(
            TextExamples(flat, offsets, np.zeros(1000, dtype=np.int64)), seed=seed)])
        for seed in (0, 1)
    )  # fmt: skip
    assert first.max() > 900
    assert first.min() < 100
    assert set(first) != set(second)


@pytest.mark.parametrize("known", [True, False])
def test_telling_examples_stand_for_all_and_are_those_in_doubt(known: bool) -> None:
    flat, offsets = pack([[number + 1] for number in range(1000)], np.int32)
    every = TextExamples(flat, offsets, np.zeros(1000, dtype=np.int64))
    sure = np.zeros((1000, 2), dtype=np.float32)
    sure[40:, 0] = 12.0  # of the first forty the model has no idea
    found, weights = telling_batches(every, sure if known else None, seed=0)
    drawn = np.concatenate([batch["input_ids"].flatten().numpy() for batch in found])
    assert len(drawn) == len(set(drawn)) == SOME_EXAMPLES
    assert sum(weight * len(batch["input_ids"]) for batch, weight in zip(found, weights, strict=True)) == 1000
    assert ((drawn <= 40).sum() >= 24) == known
