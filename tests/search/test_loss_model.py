"""What is learnt of losses from trials."""

import numpy as np
import pytest

from greenfront.search.forest import Floats
from greenfront.search.loss_model import LossModel

GROUPS = 8
CORRELATION = 0.5 * np.ones((GROUPS, GROUPS)) + 0.5 * np.eye(GROUPS)


def plans(rng: np.random.Generator, count: int) -> Floats:
    """Predicted losses (n, G) of plans from mild to strong."""
    drawn: Floats = np.exp(rng.normal(-6, 1.5, (count, GROUPS)) + rng.uniform(-2, 2, (count, 1)))
    return drawn


def truth(parts: Floats, factors: Floats, floor: float = 1e-4, power: float = 0.8) -> Floats:
    lost: Floats = floor + (parts @ factors) ** power
    return lost


def test_factors_floor_power_and_noise_are_recovered() -> None:
    rng = np.random.default_rng(0)
    factors = np.exp(rng.normal(0, 1, GROUPS))
    parts = plans(rng, 400)
    losses = truth(parts, factors, floor=2e-3) * np.exp(0.1 * rng.normal(size=400))
    model = LossModel.fit(parts, losses, CORRELATION)
    assert np.abs(model.mean[:GROUPS] - np.log(factors)).max() < 0.35
    assert np.exp(model.mean[GROUPS]) == pytest.approx(0.8, rel=0.1)
    assert np.exp(model.mean[GROUPS + 1]) == pytest.approx(2e-3, rel=0.15)
    assert model.noise == pytest.approx(0.1, rel=0.2)


def test_predictions_of_new_plans_are_as_good_as_they_say() -> None:
    inside, better = [], 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        factors = np.exp(rng.normal(0, 1, GROUPS))
        parts, new = plans(rng, 25), plans(rng, 40)
        losses = truth(parts, factors) * np.exp(0.15 * rng.normal(size=25))
        mean, deviation = LossModel.fit(parts, losses, CORRELATION).predict(new)
        error = mean - np.log(truth(new, factors))
        inside.append(np.mean(np.abs(error) < 2 * deviation))
        taken = np.log(new.sum(axis=1)) - np.log(truth(new, factors))
        better += np.std(error) < 0.7 * np.std(taken)
    assert np.mean(inside) > 0.85
    assert better >= 11


def test_without_trials_factors_are_around_one_and_related_ones_alike() -> None:
    model = LossModel.fit(np.zeros((0, GROUPS)), np.zeros(0), CORRELATION)
    assert model.mean[:GROUPS].tolist() == [0.0] * GROUPS
    drawn = np.array([model.draw(np.random.default_rng(seed)) for seed in range(300)])
    assert np.std(drawn) == pytest.approx(np.sqrt(1 + 1.5**2), rel=0.15)
    assert np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1] > 0.7


def test_the_order_of_trials_does_not_matter_and_plans_of_no_loss_do_no_harm() -> None:
    rng = np.random.default_rng(5)
    parts = np.vstack([plans(rng, 10), np.zeros((2, GROUPS))])
    losses = np.append(truth(parts[:10], np.ones(GROUPS)), [1e-4, 0.0])
    model, turned = (LossModel.fit(parts[i], losses[i], CORRELATION) for i in (np.arange(12), np.arange(12)[::-1]))
    assert np.isfinite(model.mean).all()
    assert np.isfinite(model.root).all()
    assert model.mean == pytest.approx(turned.mean, abs=1e-3)


def test_more_trials_make_predictions_surer() -> None:
    rng = np.random.default_rng(1)
    parts, new = plans(rng, 80), plans(rng, 10)
    losses = truth(parts, np.ones(GROUPS)) * np.exp(0.1 * rng.normal(size=80))
    few, many = (LossModel.fit(parts[:n], losses[:n], CORRELATION).predict(new)[1] for n in (8, 80))
    assert (many < few).all()
