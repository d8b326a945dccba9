"""Examples: padding, subsets, batches."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.errors import DataError
from greenfront.evaluators import TextExamples, batches
from greenfront.evaluators.examples import endless_batches
from greenfront.evaluators.text_examples import pack

SEQUENCES = st.lists(st.lists(st.integers(1, 90), min_size=1, max_size=9), min_size=1, max_size=30)


def text_examples(sequences: list[list[int]], **settings: Any) -> TextExamples:
    """Examples of these tokens, labelled by their positions."""
    tokens, offsets = pack(sequences, np.int32)
    return TextExamples(tokens, offsets, np.arange(len(sequences)), **settings)


@given(SEQUENCES, st.booleans(), st.randoms(use_true_random=False))
def test_batch_pads_as_the_obvious_loop_does(sequences: list[list[int]], left: bool, random: Any) -> None:
    examples = text_examples(sequences, pad_token=99, pad_left=left)
    chosen = random.choices(range(len(sequences)), k=random.randint(1, 8))
    longest = max(len(sequences[index]) for index in chosen)
    ids, mask = [], []
    for index in chosen:
        padding = longest - len(sequences[index])
        row, ones = [99] * padding, [0] * padding
        ids.append(row + sequences[index] if left else sequences[index] + row)
        mask.append(ones + [1] * len(sequences[index]) if left else [1] * len(sequences[index]) + ones)
    batch = examples.batch(np.array(chosen))
    assert set(batch) == {"input_ids", "attention_mask"}
    assert batch["input_ids"].tolist() == ids
    assert batch["attention_mask"].tolist() == mask


@given(SEQUENCES, st.randoms(use_true_random=False))
def test_subset_holds_the_chosen_examples_in_order(sequences: list[list[int]], random: Any) -> None:
    examples = text_examples(sequences)
    chosen = np.array(random.sample(range(len(sequences)), random.randint(0, len(sequences))), dtype=np.int64)
    part = examples.subset(chosen)
    assert part.labels.tolist() == chosen.tolist()
    for position, index in enumerate(chosen):
        one = np.array([position])
        assert part.batch(one)["input_ids"].tolist() == [sequences[index]]


def test_token_types_are_padded_with_their_own_value() -> None:
    types, _ = pack([[0, 1], [0, 0, 1]], np.int8)
    tokens, offsets = pack([[5, 6], [7, 8, 9]], np.int32)
    examples = TextExamples(tokens, offsets, np.zeros(2, dtype=np.int64), types=types, pad_type=3)
    batch = examples.subset(np.array([1, 0])).batch(np.array([0, 1]))
    assert batch["token_type_ids"].tolist() == [[0, 0, 1], [0, 1, 3]]


def test_pickle_is_compact_and_whole() -> None:
    examples = text_examples([[1, 2, 3]] * 10_000)
    pickled = pickle.dumps(examples, protocol=5)
    assert len(pickled) < 10_000 * (3 * 4 + 3 * 8) + 5_000  # tokens int32; offsets, labels and lengths int64
    assert pickle.loads(pickled).digest() == examples.digest()


def test_digest_depends_on_tokens_boundaries_types_and_labels() -> None:
    examples = text_examples([[1, 2], [3]])
    other_labels = text_examples([[1, 2], [3]])
    other_labels.labels = np.array([1, 0])
    typed = text_examples([[1, 2], [3]], types=np.zeros(3, dtype=np.int8))
    digests = {e.digest() for e in (examples, text_examples([[1], [2, 3]]), other_labels, typed)}
    assert len(digests) == 4
    assert text_examples([[1, 2], [3]]).digest() == examples.digest()


@given(SEQUENCES, st.integers(1, 7), st.one_of(st.none(), st.integers(0, 2**32)))
def test_batches_hold_each_example_once(sequences: list[list[int]], size: int, seed: int | None) -> None:
    cut = list(batches(text_examples(sequences), size, seed=seed))
    assert sorted(np.concatenate(cut).tolist()) == list(range(len(sequences)))
    assert len(cut) == -(-len(sequences) // size)
    assert all(0 < len(indices) <= size for indices in cut)


def test_batches_without_a_seed_start_with_the_longest() -> None:
    examples = text_examples([[1], [1] * 5, [1] * 3, [1] * 4])
    assert [indices.tolist() for indices in batches(examples, 2)] == [[1, 3], [2, 0]]


def test_shuffled_batches_group_lengths_and_differ_by_seed() -> None:
    rng = np.random.default_rng(0)
    examples = text_examples([[1] * int(length) for length in rng.integers(1, 60, size=1024)])
    first, again, other = (list(batches(examples, 16, seed=seed)) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    padded = sum(int(examples.lengths[indices].max()) * len(indices) for indices in first)
    assert padded < 1.1 * examples.lengths.sum()
    # The order of the batches says nothing of their lengths.
    longest = [int(examples.lengths[indices].max()) for indices in first]
    assert longest != sorted(longest)


def test_endless_batches_shuffle_every_pass_anew() -> None:
    examples = text_examples([[1]] * 40)
    stream = endless_batches(examples, 8, seed=0)
    passes = [[next(stream) for _ in range(5)] for _ in range(3)]
    for one in passes:
        assert sorted(np.concatenate(one).tolist()) == list(range(40))
    assert not np.array_equal(np.concatenate(passes[0]), np.concatenate(passes[1]))


def test_no_examples_are_no_batches_to_go_on_with() -> None:
    with pytest.raises(DataError, match="training must have at least one example, but got none"):
        next(endless_batches(text_examples([]), 8, seed=0))


@pytest.mark.parametrize("count", [0, 1])
def test_few_examples_are_no_special_case(count: int) -> None:
    examples = text_examples([[4, 2]] * count)
    assert len(examples.subset(np.arange(count))) == count
    assert [len(indices) for indices in batches(examples, 4)] == [1] * count
