"""Calibrating the sum of operations on whole candidates: which to time, and the fit."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from greenfront.spaces import Plan, Space

# Levels from the cheapest option (0) to the original (1), and how far a choice may be from its plan's level.
_FITTED = ((0.0, 0.0), (0.35, 0.0), (0.7, 0.0), (0.15, 0.3), (0.5, 0.3), (0.85, 0.3))
_HELD_OUT = ((0.2, 0.3), (0.5, 0.0), (0.5, 0.5))


@dataclass(frozen=True)
class Row:
    """A timed plan: the sum of its operations' changes, the calls of modules it changes, and what it took."""

    change_ms: float
    calls: int
    measured_ms: float


@dataclass(frozen=True)
class Fit:
    """predicted = original + slope x change + per_call_ms x calls; see `records.Calibration`."""

    slope: float
    per_call_ms: float

    def predict(self, original_ms: float, change_ms: float, calls: int) -> float:
        """Milliseconds of a plan."""
        return original_ms + self.slope * change_ms + self.per_call_ms * calls


def calibration_plans(space: Space, seed: int) -> tuple[list[Plan], list[Plan]]:
    """Plans to fit on and plans to hold out: from cheap to dear, uniform ones and random ones around a level.

    Distinct, never the original, the same for the same seed; fewer where the space has fewer.
    """
    rng = random.Random(seed)
    seen = {Plan()}
    fitted = [_new(space, level, spread, rng, seen) for level, spread in _FITTED]
    held_out = [_new(space, level, spread, rng, seen) for level, spread in _HELD_OUT]
    return [plan for plan in fitted if plan], [plan for plan in held_out if plan]


def fit(original_ms: float, rows: Sequence[Row]) -> Fit:
    """Least squares on relative errors.

    The second term, a constant per changed call, is kept only where it predicts left-out rows clearly
    better (by a tenth of the mean error or more). It is per call, not per plan: a constant per plan would
    break the sum that the search's solver needs. Without rows, or with changes too small to tell anything
    from, the operations stand as they were measured.
    """
    telling = [row for row in rows if abs(row.change_ms) >= 0.01 * original_ms]
    if not telling:
        return Fit(1.0, 0.0)
    plain = _solve(original_ms, telling, affine=False)
    if len(telling) < 4:
        return plain
    errors = {affine: _left_out_error(original_ms, telling, affine) for affine in (False, True)}
    affine = _solve(original_ms, telling, affine=True)
    sensible = affine.slope > 0 and affine.per_call_ms >= 0  # a changed module launches more, never less
    return affine if sensible and errors[True] <= 0.9 * errors[False] else plain


def _solve(original_ms: float, rows: Sequence[Row], *, affine: bool) -> Fit:
    weights = np.array([1 / row.measured_ms for row in rows])
    columns = [[row.change_ms for row in rows]] + ([[float(row.calls) for row in rows]] if affine else [])
    wanted = np.array([row.measured_ms - original_ms for row in rows])
    solution = np.linalg.lstsq((np.array(columns) * weights).T, wanted * weights, rcond=None)[0]
    slope = float(solution[0])
    if slope <= 0 and not affine:
        return Fit(1.0, 0.0)
    return Fit(slope, float(solution[1]) if affine else 0.0)


def _left_out_error(original_ms: float, rows: Sequence[Row], affine: bool) -> float:
    """Mean relative error of each row under the fit of all others."""
    errors = []
    for index, row in enumerate(rows):
        others = [*rows[:index], *rows[index + 1 :]]
        found = _solve(original_ms, others, affine=affine).predict(original_ms, row.change_ms, row.calls)
        errors.append(abs(found - row.measured_ms) / row.measured_ms)
    return float(np.mean(errors))


def _leveled(space: Space, level: float, spread: float, rng: random.Random) -> Plan:
    """Every choice at about the same place between its cheapest option (0) and the original (1)."""
    indices = []
    for choice in space.choices:
        place = min(max(level + rng.uniform(-spread, spread), 0.0), 1.0)
        indices.append(round(place * (len(choice.options) - 1)))
    return space.plan(indices)


def _new(space: Space, level: float, spread: float, rng: random.Random, seen: set[Plan]) -> Plan:
    """A plan not seen before; the empty one where a small space has none left around this level."""
    for attempt in range(20):
        plan = _leveled(space, level, spread if attempt == 0 else 0.4, rng)
        if plan not in seen:
            seen.add(plan)
            return plan
    return Plan()
