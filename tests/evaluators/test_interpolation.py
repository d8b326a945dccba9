"""Losses between scored settings: exact where scored, monotone between, never beyond the neighbours."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenfront.evaluators.interpolation import amount, between, lines, spread
from greenfront.spaces import Choice, Settings, Site

SITE = Site("encoder.layer.0.attention.self", "attention", (4, 8), "Attention()")


def choice(*settings: Settings) -> Choice:
    return Choice(SITE, "attention", settings)


def test_a_line_is_one_amount_of_one_method() -> None:
    found = lines(
        choice(
            {"linformer": 64, "linformer_positions": 512}, {"window": 8}, {"linformer": 16, "linformer_positions": 512},
            {"window": 4}, {"linformer": 32, "linformer_positions": 256},
        )
    )  # fmt: skip
    assert found == [[2, 0], [3, 1], [4]]


@given(st.integers(1, 40), st.integers(2, 6))
def test_what_is_scored_of_a_line_has_both_ends_and_is_no_more_than_asked(size: int, most: int) -> None:
    line = list(range(100, 100 + size))
    found = spread(line, most)
    assert len(found) == len(set(found)) == min(size, most)
    assert (found[0], found[-1]) == (line[0], line[-1])
    assert found == sorted(found)
    if size > most:
        gaps = np.diff(found)
        assert gaps.max() - gaps.min() <= 1


@given(
    st.lists(st.floats(1e-9, 10), min_size=2, max_size=6),
    st.lists(st.integers(1, 400), min_size=6, max_size=6, unique=True),
)
def test_between_two_scored_settings_is_between_their_losses(losses: list[float], amounts: list[int]) -> None:
    known = dict(zip(sorted(float(a) for a in amounts[: len(losses)]), losses, strict=True))
    assert between(known, list(known)) == pytest.approx(losses)
    for low, high in pairwise(known):
        inner = between(known, list(np.linspace(low, high, 7)))
        floor, ceiling = sorted((known[low], known[high]))
        assert all(floor * (1 - 1e-9) <= loss <= ceiling * (1 + 1e-9) for loss in inner)
        assert inner == sorted(inner, reverse=known[low] > known[high]) or inner == pytest.approx(sorted(inner), 1e-6)


def test_a_power_law_is_met_exactly() -> None:
    known = {amount: 3.0 / amount**2 for amount in (8.0, 32.0, 128.0)}
    assert between(known, [16.0, 64.0]) == pytest.approx([3.0 / 16**2, 3.0 / 64**2])


def test_what_breaks_the_model_breaks_what_is_cheaper() -> None:
    known = {8.0: math.inf, 16.0: 0.5, 64.0: 0.0}
    found = between(known, [8.0, 12.0, 32.0])
    assert found[:2] == [math.inf, math.inf]
    assert 0 < found[2] < 0.5
    assert between({8.0: math.inf, 16.0: 0.5}, [12.0]) == [math.inf]


def test_amounts() -> None:
    assert amount({"linformer": 16, "linformer_positions": 512}) == 16.0
