"""Splits stay apart, keep the classes' shares, and are the same for the same seed."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.evaluators.splits import split_off, stratified, warn_of_duplicates

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(lambda labels: np.array(labels))


@given(LABELS, st.integers(0, 100), st.integers(0, 9), st.integers(0, 1))
def test_stratified_draws_each_class_in_its_share(
    labels: np.ndarray[tuple[int], np.dtype[np.int64]], count: int, seed: int, leave: int
) -> None:
    drawn = stratified(labels, count, seed=seed, leave=leave)
    assert np.array_equal(drawn, stratified(labels, count, seed=seed, leave=leave))
    assert len(np.unique(drawn)) == len(drawn)
    sizes = np.bincount(labels, minlength=5)
    most = np.maximum(sizes - leave * (sizes > 0), 0)
    quota = np.bincount(labels[drawn], minlength=5)
    assert quota.sum() == min(count, most.sum())
    assert (quota <= most).all()
    if not leave:
        assert (np.abs(quota - quota.sum() * sizes / len(labels)) < 1).all()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 25)), min_size=4, max_size=80),
    st.floats(0.05, 0.6),
    st.integers(0, 5),
)
def test_split_off_parts_groups_of_equal_rows_and_keeps_every_class(
    rows: list[tuple[int, int]], share: float, seed: int
) -> None:
    keys = np.array([key for _, key in rows], dtype=np.uint64)
    labels = np.array([key % 4 for _, key in rows])  # equal rows have equal labels here
    stay, taken = split_off(labels, keys, share, seed=seed)
    assert sorted([*stay.tolist(), *taken.tolist()]) == list(range(len(rows)))
    assert not set(keys[stay].tolist()) & set(keys[taken].tolist())
    assert set(labels[stay].tolist()) == set(labels.tolist())
    groups, classes = len(set(keys.tolist())), len(set(labels.tolist()))
    expected = min(max(1, round(share * groups)), groups - classes)
    assert len(set(keys[taken].tolist())) == expected


def test_another_seed_is_another_split() -> None:
    labels, keys = np.arange(100) % 2, np.arange(100, dtype=np.uint64)
    one, two = (split_off(labels, keys, 0.2, seed=seed)[1].tolist() for seed in (0, 1))
    assert len(one) == len(two) == 20
    assert one != two


def test_duplicates_between_splits_are_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def keys(*values: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        return np.array(values, dtype=np.uint64)

    with caplog.at_level(logging.WARNING, logger="greenfront.evaluators.splits"):
        counts = warn_of_duplicates({"train": keys(1, 2, 3), "validation": keys(4), "test": keys(2, 2, 4, 9)})
    assert counts == {("train", "test"): 2, ("validation", "test"): 1}
    assert "2 of 4 test rows stand in the train split too" in caplog.text
    caplog.clear()
    assert warn_of_duplicates({"train": keys(1, 1), "test": keys(2)}) == {}
    assert caplog.text == ""
