"""Strata: who is drawn stands for all, the doubtful ones first, and means come out right with less noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.evaluators.strata import strata, uncertainty
from greenfront.evaluators.text_examples import TextExamples, pack


@given(st.lists(st.floats(0, 3), min_size=1, max_size=200), st.integers(1, 80), st.integers(0, 9))
def test_those_drawn_stand_for_all(uncertain: list[float], count: int, seed: int) -> None:
    found = strata(np.array(uncertain), count, seed=seed)
    drawn = np.concatenate([stratum.indices for stratum in found])
    assert len(drawn) == len(set(drawn.tolist())) <= count
    assert all(stratum.weight >= 1 for stratum in found)
    assert sum(stratum.weight * len(stratum.indices) for stratum in found) == pytest.approx(len(uncertain))
    again = strata(np.array(uncertain), count, seed=seed)
    assert [stratum.indices.tolist() for stratum in again] == [stratum.indices.tolist() for stratum in found]


def test_means_are_met_on_average_and_much_closer_than_by_chance() -> None:
    rng = np.random.default_rng(0)
    uncertain = np.where(rng.random(500) < 0.05, rng.uniform(0.3, 1, 500), 1e-3)
    losses = uncertain**2 * rng.exponential(1, 500)
    stratified = [
        sum(s.weight * losses[s.indices].sum() for s in strata(uncertain, 64, seed=seed)) / 500 for seed in range(200)
    ]
    chance = [losses[np.random.default_rng(seed).permutation(500)[:64]].mean() for seed in range(200)]
    assert np.mean(stratified) == pytest.approx(losses.mean(), rel=0.05)
    assert np.std(stratified) < 0.5 * np.std(chance)


def test_all_of_few_are_taken_once() -> None:
    found = strata(np.array([0.0, 2.0, 0.0]), 64, seed=0)
    assert sorted(np.concatenate([stratum.indices for stratum in found]).tolist()) == [0, 1, 2]
    assert {stratum.weight for stratum in found} == {1.0}


def test_an_examples_uncertainty_is_the_entropy_of_its_rows() -> None:
    flat, offsets = pack([[1], [2]], np.int32)
    examples = TextExamples(flat, offsets, np.zeros(2, dtype=np.int64))
    logits = np.array([[0.0, 0.0], [40.0, 0.0]], dtype=np.float32)
    assert uncertainty(logits, examples) == pytest.approx([np.log(2), 0.0], abs=1e-9)
