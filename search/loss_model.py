"""What plans lose after training, learnt from trials: predicted losses by group, each with a factor, and a floor.

    loss = floor + (sum over groups g of factor_g * part_g) ** power

times a lognormal error. Losses and factors span decades, errors are shares of what they are errors of: so all is fitted
in logarithms. Factors, the power and the floor have Gaussian priors there, the factors' correlated by method and kind;
the posterior is Gaussian around its maximum (Laplace's approximation, found by Gauss-Newton steps). Letters: n trials,
G groups, P = G + 2 parameters: the logarithms of factors, of the power, of the floor.
"""

from dataclasses import dataclass

import numpy as np

from greenfront.search.forest import Floats

SPREAD, COMMON = 1.0, 1.5
"""Standard deviations of the logarithm of a group's factor, and of what all of them share: training recovers more than
half of most losses."""
POWER, FLOOR = 0.3, 1.5
"""Of the logarithms of power and floor."""
NOISE, COUNTED = 0.3, 4.0
"""The lognormal error's deviation before it is known, and after how many trials the data say as much."""
_STEPS, _CLOSE = 30, 1e-6
_TINY = 1e-12
"""Nats below which parts are counted as this much: a plan that loses nothing has a logarithm too."""


@dataclass(frozen=True)
class LossModel:
    """A Gaussian over the parameters."""

    mean: Floats
    """(P,)"""
    root: Floats
    """(P, P) Lower triangular: its product with its transpose is the covariance."""
    noise: float
    """The lognormal error's deviation."""

    @classmethod
    def fit(cls, parts: Floats, losses: Floats, correlation: Floats) -> "LossModel":
        """The posterior after trials with predicted losses `parts` (n, G) came to `losses` (n,), both in nats.

        `correlation` (G, G) is that of the factors' priors. Without trials it is the prior.
        """
        groups = correlation.shape[0]
        covariance = np.zeros((groups + 2, groups + 2))
        covariance[:groups, :groups] = SPREAD**2 * correlation + COMMON**2
        covariance[groups, groups], covariance[groups + 1, groups + 1] = POWER**2, FLOOR**2
        precision = np.linalg.inv(covariance)
        observed = np.log(np.maximum(losses, _TINY))
        prior = np.zeros(groups + 2)
        prior[-1] = observed.min() - 1.0 if len(observed) else np.log(_TINY)
        mean, noise = prior.copy(), NOISE
        for _ in range(3 if len(observed) else 0):
            mean, hessian = _maximum(mean, prior, precision, parts, observed, noise)
            fitted, slopes = _expected(mean, parts)
            free = len(observed) - np.trace(np.linalg.solve(hessian, slopes.T @ slopes)) / noise**2
            squares = float(((observed - fitted) ** 2).sum())
            noise = float(np.sqrt((COUNTED * NOISE**2 + squares) / (COUNTED + max(free, 0.0))))
        _, slopes = _expected(mean, parts)
        hessian = precision + slopes.T @ slopes / noise**2
        return cls(mean, np.linalg.cholesky(np.linalg.inv(hessian)), noise)

    @property
    def groups(self) -> int:
        """G."""
        return len(self.mean) - 2

    def draw(self, rng: np.random.Generator) -> Floats:
        """(G,) logarithms of factors from the posterior."""
        drawn: Floats = (self.mean + self.root @ rng.standard_normal(len(self.mean)))[: self.groups]
        return drawn

    def expected(self, parts: Floats) -> Floats:
        """(n, G) predicted losses -> (n,) expected logarithm of the loss, as `predict` has it."""
        return _logarithm(self.mean, parts)[0]

    def predict(self, parts: Floats) -> tuple[Floats, Floats]:
        """(n, G) predicted losses -> (n,) expected logarithm of the loss and its deviation, the error's left out."""
        mean, slopes = _expected(self.mean, parts)
        return mean, np.sqrt(((slopes @ self.root) ** 2).sum(axis=1))


def _expected(parameters: Floats, parts: Floats) -> tuple[Floats, Floats]:
    """(n,) The logarithms of losses, (n, P) and their derivatives by the parameters."""
    expected, scaled, total, raised = _logarithm(parameters, parts)
    power = np.exp(parameters[-2])
    share = np.exp(raised - expected)  # of the loss that is not the floor
    by_factor = (share * power / total)[:, None] * scaled
    return expected, np.column_stack([by_factor, share * raised, 1 - share])


def _logarithm(parameters: Floats, parts: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """(n,) The logarithms of losses, and what they come from: (n, G) parts times factors, (n,) their sum, (n,) the
    logarithm of what that is raised to."""
    scaled = parts * np.exp(parameters[:-2])
    total = scaled.sum(axis=1) + _TINY
    raised = np.exp(parameters[-2]) * np.log(total)
    return np.logaddexp(raised, parameters[-1]), scaled, total, raised


def _maximum(
    start: Floats, prior: Floats, precision: Floats, parts: Floats, observed: Floats, noise: float
) -> tuple[Floats, Floats]:
    """The most probable parameters, and the Hessian of the negative logarithm of their density there.

    Gauss-Newton steps with Levenberg's damping.
    """

    def density(parameters: Floats) -> float:
        away, missed = parameters - prior, observed - _logarithm(parameters, parts)[0]
        return float(away @ precision @ away + (missed**2).sum() / noise**2)

    current, least, damping = start, density(start), 1e-3
    hessian = precision
    for _ in range(_STEPS):
        fitted, slopes = _expected(current, parts)
        gradient = precision @ (current - prior) - slopes.T @ (observed - fitted) / noise**2
        hessian = precision + slopes.T @ slopes / noise**2
        while damping < 1e6:
            step = np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), gradient)
            value = density(current - step)
            if value <= least:
                break
            damping *= 8
        if damping >= 1e6:
            break
        gained, current, least, damping = least - value, current - step, value, damping / 4
        if gained < _CLOSE * (1 + least):
            break
    return current, hessian
