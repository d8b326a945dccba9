"""Entities and their F1: seqeval's documented cases, and a slow definition."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.evaluators import Outputs, TokenExamples, get_metric, score
from greenfront.evaluators.entity_metric import EntityF1, entities, is_iob2
from greenfront.evaluators.examples import offsets_of

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
SENTENCES = st.lists(st.lists(st.sampled_from(TAGS), min_size=1, max_size=8), min_size=1, max_size=6)


def slow_entities(tags: list[str]) -> set[tuple[str, int, int]]:
    """Every stretch that begins like an entity, goes on like one, and ends where it stops going on."""
    found = set()
    for start, first in enumerate(tags):
        kind = first[2:]
        before = tags[start - 1] if start else "O"
        begins = first.startswith("B-") or (first.startswith("I-") and before[2:] != kind)
        if begins:
            end = start
            while end + 1 < len(tags) and tags[end + 1] == f"I-{kind}":
                end += 1
            found.add((kind, start, end))
    return found


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["B-PER", "I-PER", "O", "B-LOC"], {("PER", 0, 1), ("LOC", 3, 3)}),
        (["B-PER", "B-PER"], {("PER", 0, 0), ("PER", 1, 1)}),
        (["O", "I-PER", "I-PER"], {("PER", 1, 2)}),
        (["B-PER", "I-LOC", "I-LOC"], {("PER", 0, 0), ("LOC", 1, 2)}),
        (["O", "O"], set()),
        ([], set()),
    ],
)
def test_entities_are_those_of_conll(tags: list[str], expected: set[tuple[str, int, int]]) -> None:
    assert entities(tags) == expected


@given(st.lists(st.sampled_from(TAGS), max_size=12))
def test_entities_are_those_of_the_slow_definition(tags: list[str]) -> None:
    assert entities(tags) == slow_entities(tags)


def test_the_value_is_the_one_in_seqevals_documentation() -> None:
    true = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    guessed = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    assert get_metric("entity_f1").compute(predictions=guessed, references=true) == {"entity_f1": 0.5}
    assert get_metric("entity_f1").compute(predictions=[["O"]], references=[["O"]]) == {"entity_f1": 0.0}


@given(SENTENCES, st.data())
def test_logits_score_as_their_tags_do(true: list[list[str]], data: Any) -> None:
    """Through batches of any order, between positions that don't count."""
    guessed = [data.draw(st.lists(st.sampled_from(TAGS), min_size=len(t), max_size=len(t))) for t in true]
    ids = {tag: position for position, tag in enumerate(TAGS)}
    labels = np.concatenate([[-100, *(ids[tag] for tag in tags), -100] for tags in true]).astype(np.int32)
    offsets = offsets_of(np.array([len(tags) + 2 for tags in true]))
    examples = TokenExamples(np.zeros(len(labels), dtype=np.int32), offsets, labels, TAGS)
    logits = np.eye(len(TAGS))[[ids[tag] for tags in guessed for tag in tags]]
    expected = EntityF1().compute(predictions=guessed, references=true)["entity_f1"]
    assert score(Outputs.of(logits, examples, "entity_f1")).value == pytest.approx(expected)
    order = np.array(data.draw(st.permutations(range(len(true)))))
    part = examples.subset(order)
    again = np.concatenate([logits[examples.rows[i] : examples.rows[i + 1]] for i in order])
    assert score(Outputs.of(again, part, "entity_f1")).value == pytest.approx(expected)


def test_labels_of_other_schemes_are_told_apart() -> None:
    assert [is_iob2(name) for name in ("O", "B-x", "I-x y", "B-", "NOUN", "E-x")] == [True] * 3 + [False] * 3
