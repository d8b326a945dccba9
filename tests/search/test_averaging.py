"""Averages of parameters, against numbers added up one by one."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from greenfront.errors import PlanError
from greenfront.search.averaging import average
from greenfront.search.training_state import load_arrays, to_arrays

SHARES = st.lists(st.integers(1, 100), min_size=1, max_size=5)


@given(SHARES, st.integers(0, 2**32 - 1))
def test_an_average_is_what_adding_up_one_by_one_gives(shares: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    models = [{"a.weight": rng.normal(size=(2, 3)).astype(np.float32), "n": np.array([7])} for _ in shares]
    found = average(models, shares)
    for row in range(2):
        for column in range(3):
            summed = 0.0
            for share, model in zip(shares, models, strict=True):
                summed += share / sum(shares) * float(model["a.weight"][row, column])
            assert found["a.weight"][row, column] == pytest.approx(summed, rel=1e-6, abs=1e-7)
    assert found["a.weight"].dtype == np.float32
    assert found["n"] == 7


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
def test_the_average_of_linear_models_is_the_mean_of_their_outputs(seed: int, first: int, second: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        models = [torch.nn.Linear(4, 3) for _ in range(2)]
        inputs, merged = torch.randn(5, 4), torch.nn.Linear(4, 3)
    load_arrays(merged, average([to_arrays(model) for model in models], [first, second]))
    share = first / (first + second)
    expected = share * models[0](inputs) + (1 - share) * models[1](inputs)
    torch.testing.assert_close(merged(inputs), expected)


def test_bfloat16_is_averaged_as_numbers_not_as_bits() -> None:
    models = [torch.nn.Linear(3, 2, dtype=torch.bfloat16) for _ in range(2)]
    merged = torch.nn.Linear(3, 2, dtype=torch.bfloat16)
    load_arrays(merged, average([to_arrays(model) for model in models], [1, 3]))
    expected = (0.25 * models[0].weight.double() + 0.75 * models[1].weight.double()).bfloat16()
    assert torch.equal(merged.weight, expected)


def test_what_does_not_fit_together_is_refused() -> None:
    one, other = {"w": np.zeros(2, np.float32)}, {"w": np.zeros(3, np.float32)}
    with pytest.raises(PlanError, match="of one plan, but they differ in w"):
        average([one, other], [1, 1])
    with pytest.raises(PlanError, match="a positive share each"):
        average([one, one], [1, 0])
    with pytest.raises(PlanError, match="a positive share each"):
        average([], [])
    with pytest.raises(PlanError, match="the same seed, which is no parameter"):
        average([{"seed": np.array([1])}, {"seed": np.array([2])}], [1, 1])
