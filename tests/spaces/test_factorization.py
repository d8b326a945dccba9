"""The factorization against its definition, computed the slow way: SVD and inverses in float64."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from greenfront.spaces.factorization import RIDGE, Spectrum, factorize

WEIGHINGS = {
    "two_sided": {"weigh_inputs": True, "weigh_outputs": True},
    "input": {"weigh_inputs": True, "weigh_outputs": False},
    "plain": {"weigh_inputs": False, "weigh_outputs": False},
}
SHAPES = [(12, 7), (7, 12), (8, 8)]


@dataclass(frozen=True)
class Problem:
    """Weight (O x I), and the moments S (I x I), G (O x O), with the ridge the factorization adds to them."""

    weight: Tensor
    inputs: Tensor
    gradients: Tensor

    @property
    def ridged(self) -> tuple[Tensor, Tensor]:
        return ridged(self.inputs), ridged(self.gradients)

    def factorize(self, weighing: str) -> Spectrum:
        """Every rank up to the full one."""
        return factorize(self.weight, self.inputs, self.gradients, min(self.weight.shape), **WEIGHINGS[weighing])

    def loss(self, approximation: Tensor) -> float:
        """1/2 tr(G E S E^T)."""
        inputs, gradients = self.ridged
        error = self.weight.double() - approximation.double()
        return 0.5 * float(torch.trace(gradients @ error @ inputs @ error.T))

    def best(self, weighing: str, rank: int) -> tuple[Tensor, Tensor]:
        """R^-T [R^T W L]_r L^-1 by SVD and inverses, and all singular values of R^T W L."""
        inputs, gradients = self.ridged
        identity = [torch.eye(n, dtype=torch.float64) for n in self.weight.shape]
        right = torch.linalg.cholesky(inputs) if WEIGHINGS[weighing]["weigh_inputs"] else identity[1]
        left = torch.linalg.cholesky(gradients) if WEIGHINGS[weighing]["weigh_outputs"] else identity[0]
        u, s, v = torch.linalg.svd(left.T @ self.weight.double() @ right, full_matrices=False)
        truncated = u[:, :rank] @ torch.diag(s[:rank]) @ v[:rank]
        return torch.linalg.inv(left.T) @ truncated @ torch.linalg.inv(right), s


def ridged(moment: Tensor) -> Tensor:
    return moment + RIDGE * moment.diagonal().mean() * torch.eye(len(moment), dtype=torch.float64)


def problem(shape: tuple[int, int], seed: int = 0, *, rows: int = 40) -> Problem:
    """Correlated moments of uneven scale, as in a layer; `rows` below a dimension makes them singular."""
    generator = torch.Generator().manual_seed(seed)

    def moment(size: int) -> Tensor:
        samples = torch.randn(rows, size, generator=generator, dtype=torch.float64)
        samples = samples * torch.logspace(0, -1.5, size, dtype=torch.float64)
        mixed = samples @ torch.randn(size, size, generator=generator, dtype=torch.float64)
        return mixed.T @ mixed / rows

    return Problem(torch.randn(shape, generator=generator), moment(shape[1]), moment(shape[0]))


@pytest.mark.parametrize("rows", [40, 5])
@pytest.mark.parametrize("weighing", WEIGHINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_rank_is_the_truncated_svd(shape: tuple[int, int], weighing: str, rows: int) -> None:
    case = problem(shape, rows=rows)
    found = case.factorize(weighing)
    for rank in range(1, min(shape) + 1):
        expected, _ = case.best(weighing, rank)
        product = found.up[:, :rank].double() @ found.down[:rank].double()
        assert (product - expected).norm() < 1e-5 * expected.norm()


@pytest.mark.parametrize("weighing", WEIGHINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_is_the_priced_error(shape: tuple[int, int], weighing: str) -> None:
    case = problem(shape)
    found = case.factorize(weighing)
    assert found.loss.shape == (min(shape) + 1,)
    assert found.loss.dtype == torch.float64
    for rank in range(min(shape)):
        expected = case.loss(case.best(weighing, rank)[0])
        assert float(found.loss[rank]) == pytest.approx(expected, rel=1e-6)
    assert float(found.loss[0]) == pytest.approx(case.loss(torch.zeros(shape)), rel=1e-9)
    assert float(found.loss[-1]) < 1e-9 * float(found.loss[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_two_sided_loss_is_half_the_dropped_squares(shape: tuple[int, int]) -> None:
    case = problem(shape)
    found, (_, values) = case.factorize("two_sided"), case.best("two_sided", 1)
    for rank in range(min(shape)):
        dropped = 0.5 * float(values[rank:].square().sum())
        assert float(found.loss[rank]) == pytest.approx(dropped, rel=1e-6)
    assert all(cheaper > dearer for cheaper, dearer in pairwise(found.loss.tolist()))


@given(seed=st.integers(0, 10_000), rank=st.integers(1, 6), exponent=st.floats(-4, 0))
@settings(max_examples=60, deadline=None)
def test_two_sided_beats_every_other_matrix_of_its_rank(seed: int, rank: int, exponent: float) -> None:
    case = problem((9, 7), seed % 5)
    found = case.factorize("two_sided")
    generator = torch.Generator().manual_seed(seed)
    up, down = found.up[:, :rank].double(), found.down[:rank].double()
    up = up + 10**exponent * up.norm() * torch.randn(up.shape, generator=generator, dtype=torch.float64)
    down = down + 10**exponent * down.norm() * torch.randn(down.shape, generator=generator, dtype=torch.float64)
    assert case.loss(up @ down) >= float(found.loss[rank]) * (1 - 1e-6)


@pytest.mark.parametrize("other", ["input", "plain"])
def test_weighing_both_sides_loses_least(other: str) -> None:
    case = problem((12, 9))
    assert (case.factorize("two_sided").loss[1:-1] < case.factorize(other).loss[1:-1]).all()


@pytest.mark.parametrize("weighing", WEIGHINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_both_halves_of_every_component_are_equally_long(shape: tuple[int, int], weighing: str) -> None:
    found = problem(shape).factorize(weighing)
    assert found.up.dtype == found.down.dtype == torch.float32
    torch.testing.assert_close(found.up.norm(dim=0), found.down.norm(dim=1))


@pytest.mark.parametrize("weighing", WEIGHINGS)
@pytest.mark.parametrize("shape", [(5, 11), (11, 5)])
def test_diagonal_inputs_equal_the_full_matrix(shape: tuple[int, int], weighing: str) -> None:
    case = problem(shape)
    frequencies = torch.rand(shape[1], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    full = Problem(case.weight, torch.diag(frequencies), case.gradients).factorize(weighing)
    diagonal = Problem(case.weight, frequencies, case.gradients).factorize(weighing)
    torch.testing.assert_close(diagonal.loss, full.loss, rtol=1e-9, atol=1e-12)
    for rank in range(1, min(shape) + 1):
        torch.testing.assert_close(
            diagonal.up[:, :rank] @ diagonal.down[:rank],
            full.up[:, :rank] @ full.down[:rank],
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize("weighing", WEIGHINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_weight_of_low_rank_is_exact_from_its_rank_on(shape: tuple[int, int], weighing: str) -> None:
    case = problem(shape)
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(shape[0], 3, generator=generator) @ torch.randn(3, shape[1], generator=generator)
    case = Problem(weight, case.inputs, case.gradients)
    found = case.factorize(weighing)
    for rank in range(3, min(shape) + 1):
        up, down = found.up[:, :rank], found.down[:rank]
        assert (up @ down - weight).norm() < 1e-5 * weight.norm()
        assert float(found.loss[rank]) < 1e-9 * float(found.loss[0])


@pytest.mark.parametrize("weighing", WEIGHINGS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("zero", ["weight", "inputs", "gradients"])
def test_zeros_give_finite_factors(shape: tuple[int, int], weighing: str, zero: str) -> None:
    case = problem(shape)
    parts = {"weight": case.weight, "inputs": case.inputs, "gradients": case.gradients}
    parts[zero] = torch.zeros_like(parts[zero])
    found = Problem(**parts).factorize(weighing)
    assert found.loss.isfinite().all()
    for rank in range(1, min(shape) + 1):
        up, down = found.up[:, :rank], found.down[:rank]
        assert up.isfinite().all()
        assert down.isfinite().all()
    assert (found.up @ found.down - parts["weight"]).norm() <= 1e-4 * case.weight.norm()


def test_inputs_that_never_vary_can_be_factorized() -> None:
    """Their covariance is rounding noise, on either side of zero."""
    inputs = 1e-6 * torch.randn(7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    case = problem((9, 7))
    found = Problem(case.weight, (inputs + inputs.T) / 2, case.gradients).factorize("two_sided")
    up, down = found.up, found.down
    assert (up @ down - case.weight).norm() < 1e-4 * case.weight.norm()
