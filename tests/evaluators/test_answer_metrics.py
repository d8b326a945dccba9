"""Answers in words: SQuAD's own cases, and the search for the likeliest stretch against the obvious loop."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.evaluators import Outputs, QuestionExamples, TextExamples, get_metric, score
from greenfront.evaluators.answer_metrics import normalized
from greenfront.evaluators.examples import offsets_of
from greenfront.evaluators.question_examples import LONGEST_ANSWER

Array = np.ndarray[Any, np.dtype[Any]]


@pytest.mark.parametrize(
    ("predicted", "answers", "exact", "f1"),
    [
        ("The Denver Broncos!", ["Denver Broncos"], 1.0, 1.0),
        ("Denver", ["Denver Broncos", "the broncos"], 0.0, 2 / 3),
        ("a an the", ["the"], 1.0, 0.0),  # nothing is left of either
        ("", ["Denver"], 0.0, 0.0),
        ("red red blue", ["red blue blue"], 0.0, 2 / 3),  # words count as often as both have them
        ("theatre", ["the atre"], 0.0, 0.0),  # articles are whole words
    ],
)
def test_values_are_squads(predicted: str, answers: list[str], exact: float, f1: float) -> None:
    for name, expected in (("exact_match", exact), ("answer_f1", f1)):
        found = get_metric(name).compute(predictions=[predicted], references=[answers])
        assert found == {name: pytest.approx(expected)}


def test_words_are_without_case_punctuation_and_articles() -> None:
    assert normalized("The U.S. -- an  Army's  a") == ["us", "armys"]


def questions(
    seed: int, *, pad_left: bool
) -> tuple[QuestionExamples, np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """Three questions about one-letter words, in one to three windows of different lengths, and random logits."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 4, size=3)
    contexts = ["".join(rng.choice(list("abcdefgh"), 60)) for _ in counts]
    lengths = rng.integers(4, 50, size=int(counts.sum()))
    width = int(lengths.max())
    characters = []
    for length in lengths:
        start = int(rng.integers(0, 12))
        places = np.full((length, 2), -1, dtype=np.int32)
        places[2:-1] = np.stack(
            [np.arange(start, start + length - 3), np.arange(start + 1, start + length - 2)], axis=1
        )
        characters.append(places)
    windows = TextExamples(
        np.zeros(int(lengths.sum()), dtype=np.int32), offsets_of(lengths), np.zeros(len(lengths), dtype=np.int64),
        pad_left=pad_left,
    )  # fmt: skip
    examples = QuestionExamples(
        windows, offsets_of(counts), np.concatenate(characters), np.zeros((len(lengths), 2), dtype=np.int64), contexts,
        [("x",)] * 3, width,
    )  # fmt: skip
    return examples, rng.normal(size=(2 * len(lengths), width))


@given(st.integers(0, 10_000), st.booleans())
def test_the_answer_is_the_likeliest_stretch_of_all_windows(seed: int, pad_left: bool) -> None:
    examples, logits = questions(seed, pad_left=pad_left)
    expected = []
    for question in range(3):
        best, text = -np.inf, ""
        for window in range(examples.first[question], examples.first[question + 1]):
            places = examples.characters[examples.windows.offsets[window] : examples.windows.offsets[window + 1]]
            shift = examples.width - len(places) if pad_left else 0
            start, end = logits[2 * window], logits[2 * window + 1]
            for first in range(len(places)):
                for last in range(first, min(first + LONGEST_ANSWER, len(places))):
                    inside = places[first, 0] >= 0 and places[last, 0] >= 0
                    if inside and start[first + shift] + end[last + shift] > best:
                        best = start[first + shift] + end[last + shift]
                        text = examples.contexts[question][places[first, 0] : places[last, 1]]
        expected.append(text)
    assert examples.predictions(logits, np.arange(3)) == expected
    assert len(expected[0]) <= LONGEST_ANSWER
    # Any order and part of the questions gives the same answers.
    order = np.array([2, 0])
    part = examples.subset(order)
    rows = np.concatenate([logits[examples.rows[index] : examples.rows[index + 1]] for index in order])
    assert part.predictions(rows, np.arange(2)) == [expected[2], expected[0]]
    right = QuestionExamples(
        part.windows, part.first, part.characters, part.spans, part.contexts, [(expected[2],), ("zz", "y")], part.width
    )
    assert score(Outputs.of(rows, right, "exact_match")).value == 0.5
