"""A truth for every plan of a recorded space: what was learnt from the recording, as one world it could be of.

    python benchmarks/search/replay.py benchmarks/search/recordings/r8.jsonl.gz

The logarithm of the divergence is regressed (Bayesian ridge) on the predicted loss in all, piecewise linear, on every
choice's share of it, alone and by method and third of the depth, and on the costs. To first order the coefficient of a
choice's share is the logarithm of the multiplier that the choice's prediction is off by. A world takes its coefficients
from their posterior, so that choices differ as much as the recording allows, not only as much as it proves; what
the regression leaves unexplained comes back as noise that a plan always has. The command prints how well unseen trials
are predicted.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from global_rank import KIND
from problem import Evaluation, Problem, noise
from recording import Header, Trial, read
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau
from sklearn.linear_model import BayesianRidge
from states import Numbers, States

from greenfront.search.sampled_trials import RESOLUTION
from greenfront.spaces import Plan

KNOTS = 5
"""Of the piecewise linear dependence on the predicted loss in all, at quantiles of the recorded ones."""
FLOOR = 1e-4
"""Nats added to a predicted loss before its logarithm is taken."""
WIDER = 0.5
"""Weight of a single choice's share beside its group's: single ones are believed less."""


class Features:
    """Plans of one space as rows of numbers."""

    def __init__(self, header: Header) -> None:
        self.states = States(header.space)
        choices = header.space.choices
        number = {choice.name: n for n, choice in enumerate(choices)}
        # A column's losses by choice.
        self._parts = [
            [(number[name], header.losses[name][index]) for name, index in options] for options in self.states.options()
        ]
        thirds = np.minimum(3 * np.arange(len(choices)) // len(choices), 2)
        names = [(choice.method, int(third)) for choice, third in zip(choices, thirds, strict=True)]
        groups = list(dict.fromkeys(names))
        self._groups = np.array([[float(name == group) for group in groups] for name in names])
        self._costs = [(self.states.flat(table), header.original[cost]) for cost, table in header.changes.items()]

    def raw(self, plan: Plan) -> Numbers:
        """Logarithm of the loss in all, of the costs as shares of the original's, every choice's share of the loss."""
        at = self.states.of(plan)
        lost = np.zeros(len(self._groups))
        for column in at:
            for choice, loss in self._parts[column]:
                lost[choice] += loss
        costs = [np.log(max(1 + change[at].sum() / original, 1e-3)) for change, original in self._costs]
        return np.concatenate([[np.log(lost.sum() + FLOOR)], costs, lost / max(lost.sum(), FLOOR)])

    def spread(self, raw: Numbers, knots: Numbers) -> Numbers:
        """What is regressed on (N, F), of raw rows (N, .)."""
        first = 1 + len(self._costs)
        loss, shares = np.clip(raw[:, :1], knots[0], knots[-1]), raw[:, first:]
        hinges = np.maximum(loss - knots[None, :-1], 0.0)
        return np.hstack([hinges, raw[:, 1:first], shares @ self._groups, WIDER * shares])


class Model:
    """The regression of one rung."""

    def __init__(self, features: Features, raw: Numbers, logs: Numbers) -> None:
        self._features = features
        self._knots = np.quantile(raw[:, 0], np.linspace(0, 1, KNOTS))
        rows = features.spread(raw, self._knots)
        self._centre, self._width = rows.mean(axis=0), rows.std(axis=0)
        self._width[self._width < 1e-9] = 1.0
        self._ridge = BayesianRidge().fit((rows - self._centre) / self._width, logs)
        self._range = float(logs.min()), float(logs.max())
        self.noise = float(1 / np.sqrt(self._ridge.alpha_))

    def predict(self, raw: Numbers, normals: Numbers | None = None) -> Numbers:
        """The logarithm of the divergence (N,) of raw rows; `normals` (F,) choose another world than the mean one."""
        rows = (self._features.spread(raw, self._knots) - self._centre) / self._width
        weights = self._ridge.coef_
        if normals is not None:
            values, vectors = np.linalg.eigh(self._ridge.sigma_)
            weights = weights + vectors @ (np.sqrt(values.clip(min=0)) * normals)
        found: Numbers = np.clip(rows @ weights + self._ridge.intercept_, *self._range)
        return found

    @property
    def size(self) -> int:
        """How many coefficients there are."""
        return len(self._ridge.coef_)


class Replay:
    """A truth made from a recording; `seed` chooses the world."""

    def __init__(self, header: Header, trials: Sequence[Trial], seed: int) -> None:
        whole = finished(header, trials)
        self.steps, self.seed = tuple(header.steps), seed
        self.features = Features(header)
        raw = np.array([self.features.raw(trial.plan) for trial in whole])
        self._logs = np.array([logs(trial) for trial in whole])
        self.models = [Model(self.features, raw, column) for column in self._logs.T]
        # What is left over at one rung tells of what is left over at the next.
        residuals = np.stack([each - model.predict(raw) for each, model in zip(self._logs.T, self.models, strict=True)])
        correlation = np.corrcoef(residuals) if len(self.steps) > 1 else np.ones((1, 1))
        self._mixing = np.linalg.cholesky(correlation + 1e-6 * np.eye(len(self.steps)))
        self._world = np.random.default_rng(seed).normal(size=max(model.size for model in self.models))
        seconds = [[t.build_seconds + r.train_seconds + r.score_seconds for r in t.rungs] for t in whole]
        rows = self._seconds_rows(raw)
        self._seconds_weights, *_ = np.linalg.lstsq(rows, np.array(seconds), rcond=None)
        self._least_seconds = np.array(seconds).min(axis=0)
        self._known = dict[Plan, Numbers]()

    def evaluate(self, plan: Plan, rung: int = -1) -> Evaluation:
        """After so many steps from the beginning; plans that were recorded come to what this world says of them, too.

        What was recorded of a plan is one draw of its noise, and would favour who proposes recorded plans.
        """
        if plan not in self._known:
            self._known[plan] = self.features.raw(plan)
        raw, at = self._known[plan][None], range(len(self.steps))[rung]
        model = self.models[at]
        chance = float(self._mixing[at] @ noise(plan, self.seed, len(self.steps)))
        divergence = float(np.exp(model.predict(raw, self._world[: model.size])[0] + model.noise * chance))
        seconds = (self._seconds_rows(raw) @ self._seconds_weights)[0, at]
        return Evaluation(divergence, float(max(seconds, self._least_seconds[at])))

    @staticmethod
    def _seconds_rows(raw: Numbers) -> Numbers:
        """Linear in the predicted latency, which training follows."""
        return np.column_stack([np.ones(len(raw)), np.exp(raw[:, 1])])


def logs(trial: Trial) -> list[float]:
    """Logarithms of the divergences of its rungs; below the product's resolution none is better than another."""
    return [float(np.log(max(rung.divergence, RESOLUTION))) for rung in trial.rungs]


def finished(header: Header, trials: Sequence[Trial]) -> list[Trial]:
    """Those that were scored on every rung, built as the product builds them."""
    return [trial for trial in trials if len(trial.rungs) == len(header.steps) and trial.kind != KIND]


def replayed(header: Header, trials: Sequence[Trial], name: str) -> Problem:
    """The problem of a recording, in the world of seed 0."""
    plain = {
        trial.plan: Evaluation(
            trial.rungs[-1].divergence,
            trial.build_seconds + trial.rungs[-1].train_seconds + trial.rungs[-1].score_seconds,
        )
        for trial in trials
        if trial.kind == KIND and len(trial.rungs) == len(header.steps)
    }
    return Problem(
        name, header.space, header.losses, header.changes, header.original, header.limits,
        Replay(header, trials, 0), header.preparing_seconds, plain=plain,
    )  # fmt: skip


def validate(header: Header, trials: Sequence[Trial], folds: int = 10) -> list[tuple[int, float, float, float]]:
    """For each rung: steps, R2, Kendall's tau, and the standard deviation of what is left, in logarithms.

    Each trial is predicted from the others, by the regression's mean.
    """
    whole = finished(header, trials)
    features = Features(header)
    raw = np.array([features.raw(trial.plan) for trial in whole])
    fold = np.random.default_rng(0).permutation(len(whole)) % folds
    found = []
    for number, steps in enumerate(header.steps):
        recorded = np.array([logs(trial)[number] for trial in whole])
        predicted = np.zeros(len(whole))
        for each in range(folds):
            held = fold == each
            predicted[held] = Model(features, raw[~held], recorded[~held]).predict(raw[held])
        left = recorded - predicted
        tau = float(kendalltau(recorded, predicted).statistic)
        found.append((steps, float(1 - left.var() / recorded.var()), tau, float(left.std())))
    return found


def main() -> None:
    """Print how well trials are predicted that the regression hasn't seen."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("recording", type=Path)
    header, trials = read(arguments.parse_args().recording)
    whole = finished(header, trials)
    failed = sum(bool(trial.reason) for trial in trials)
    table = Table(title=f"{header.source}: {len(whole)} trials, {failed} failed; 10-fold")
    for column in ("steps", "R2", "Kendall tau", "left over (log)", "divergence, 10th to 90th percentile"):
        table.add_column(column, justify="right")
    for number, (steps, r2, tau, left) in enumerate(validate(header, whole)):
        low, high = np.quantile([trial.rungs[number].divergence for trial in whole], [0.1, 0.9])
        table.add_row(str(steps), f"{r2:.3f}", f"{tau:.3f}", f"{left:.3f}", f"{low:.4f} to {high:.4f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
