"""The report's pictures of a target: predicted against measured latency, and what each setting of a module costs."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.cost import Interval
from greenfront.hardware_profiles.operation_table import SIDES
from greenfront.hardware_profiles.records import OperationCost
from greenfront.search import wording
from greenfront.search.candidate import Candidate
from greenfront.search.chart import COLORS, Axis, Chart, Color, Series, Symbol
from greenfront.search.front import Front
from greenfront.spaces import METHODS

CLASS_AND_SHAPE = re.compile(r"(\w+)\([^\[]*\[([\d, ]+)\]")
HIGHEST_SHARE = 2.0
"""Settings that cost more than twice the unchanged module are cut off: nobody chooses among them."""

Point = tuple[Interval, float, str]
"""Measured and predicted latency in ms, and whose."""


@dataclass(frozen=True)
class Curve:
    """One kind of module under one method: latency of a call against the amount (rank, projected length, ...)."""

    label: str
    key: str
    original_ms: float
    amounts: tuple[int, ...]
    latencies: tuple[Interval, ...]

    @property
    def break_even(self) -> float | None:
        """The largest amount up to which every smaller one is faster than the unchanged module, between measured ones.

        None where the first one is slower already, infinity where none is.
        """
        medians = [latency.median for latency in self.latencies]
        for index, median in enumerate(medians):
            if median >= self.original_ms:
                if index == 0:
                    return None
                before = medians[index - 1]
                share = (self.original_ms - before) / (median - before)
                return self.amounts[index - 1] + share * (self.amounts[index] - self.amounts[index - 1])
        return float("inf")

    @property
    def verdict(self) -> str:
        """The break-even in words."""
        found = self.break_even
        if found is None:
            return "never faster"
        return "always faster" if found == float("inf") else f"faster below {found:.0f}"


def predicted_figure(profile: HardwareProfile, front: Front) -> Chart:
    """Predicted against measured latency of whole candidates, with the diagonal."""
    target = profile.target.name

    def of_candidate(candidate: Candidate) -> Point:
        return (candidate.costs()[target].latency_ms, candidate.predicted[target].value("latency_ms"), candidate.id)

    plans = [(plan.held_out, (plan.latency.interval_ms, plan.predicted_ms, "")) for plan in profile.calibration.plans]
    finalists = [of_candidate(c) for c in front.candidates if c.measured(target)]
    original = [of_candidate(front.original)] if front.original.measured(target) else []
    groups: tuple[tuple[str, Color, Symbol, list[Point]], ...] = (
        ("fitted on", "grey", "ring", [point for held_out, point in plans if not held_out]),
        ("held out", "orange", "diamond", [point for held_out, point in plans if held_out]),
        ("finalists", "blue", "circle", finalists),
        ("original", "vermillion", "star", original),
    )
    points = [(each.median, predicted) for _, _, _, group in groups for each, predicted, _ in group]
    top = 1.08 * max((max(point) for point in points), default=profile.original.latency_ms.median)
    diagonal = Series("predicted = measured", [0, top], [0, top], "green", symbol=None, line="straight", dashed=True)
    series = [_points(name, color, symbol, group) for name, color, symbol, group in groups if group]
    return Chart(
        f"Predicted against measured latency on {target}",
        Axis("measured (ms)", 0.0, top), Axis("predicted (ms)", 0.0, top), (diagonal, *series),
    )  # fmt: skip


def curves(profile: HardwareProfile) -> list[Curve]:
    """What the measured operations say of every kind of module that the forward pass calls."""
    lines: dict[tuple[str, str, str], list[tuple[int, OperationCost]]] = defaultdict(list)
    originals: dict[str, float] = {}
    amounts = {method.keys[0] for method in METHODS.values()} - {"bits"}  # formats: nothing lies between two of them
    for operation in profile.operations:
        if not operation.settings:
            originals[operation.group] = operation.latency.interval_ms.median
            continue
        if operation.settings.keys() & set(SIDES):  # the same again, of a smaller module
            continue
        key = next(
            (key for key, value in operation.settings.items() if key in amounts and isinstance(value, int)), None
        )
        if key is not None:
            rest = ", ".join(f"{name} {value}" for name, value in operation.settings.items() if name != key)
            lines[operation.group, key, rest].append((int(operation.settings[key]), operation))
    names = _names([group for group, _, _ in lines])
    several = Counter((group, key) for group, key, _ in lines)
    found = []
    for (group, key, rest), members in lines.items():
        if originals.get(group, 0.0) > 0:
            ordered = sorted(members, key=lambda member: member[0])
            found.append(
                Curve(
                    label=f"{names[group]}, {rest}" if rest and several[group, key] > 1 else names[group],
                    key=key,
                    original_ms=originals[group],
                    amounts=tuple(amount for amount, _ in ordered),
                    latencies=tuple(operation.latency.interval_ms for _, operation in ordered),
                )
            )
    return found


def curve_figures(profile: HardwareProfile) -> dict[str, Chart]:
    """A figure per setting (rank, ...): latency as a share of the unchanged module's, per module."""
    found = curves(profile)
    keys = dict.fromkeys(curve.key for curve in found)
    return {key: _curves([curve for curve in found if curve.key == key], profile.target.name) for key in keys}


def _curves(found: Sequence[Curve], target: str) -> Chart:
    right = 1.05 * max(max(curve.amounts) for curve in found)
    series = [Series("unchanged", [0, right], [1, 1], "green", symbol=None, line="straight", dashed=True)]
    for curve, color in zip(found, (COLORS * len(found))[: len(found)], strict=True):
        words = [
            f"{curve.label}\n{curve.key} {amount}: {wording.number(1000 * latency.median)} µs, "
            f"unchanged {wording.number(1000 * curve.original_ms)} µs"
            for amount, latency in zip(curve.amounts, curve.latencies, strict=True)
        ]
        shares = [latency.median / curve.original_ms for latency in curve.latencies]
        name = f"{curve.label}: {curve.verdict}"
        series.append(Series(name, list(curve.amounts), shares, color, line="straight", words=words))
        if curve.break_even not in (None, float("inf")):
            series.append(Series("", [curve.break_even], [1.0], color, "diamond", words=[name]))
    highest = max(latency.median / curve.original_ms for curve in found for latency in curve.latencies)
    top = min(1.1 * max(highest, 1.0), HIGHEST_SHARE)
    key = found[0].key
    return Chart(
        f"Latency of a module against {key} on {target}",
        Axis(key, 0.0, right), Axis("latency / unchanged", 0.0, top), tuple(series),
    )  # fmt: skip


def _points(name: str, color: Color, symbol: Symbol, group: Sequence[Point]) -> Series:
    return Series(
        name, [measured.median for measured, _, _ in group], [predicted for _, predicted, _ in group], color, symbol,
        words=[
            f"{id_} measured {wording.latency(measured)}, predicted {wording.number(predicted)} ms "
            f"({predicted / measured.median - 1:+.1%})"
            for measured, predicted, id_ in group
        ],
        low=[measured.low for measured, _, _ in group],
        high=[measured.high for measured, _, _ in group],
    )  # fmt: skip


def _names(groups: Sequence[str]) -> dict[str, str]:
    """Short names of groups of modules, `Linear 1536 x 384`; whole ones where the short would be of two."""
    short = {}
    for group in dict.fromkeys(groups):
        found = CLASS_AND_SHAPE.match(group)
        short[group] = f"{found[1]} {found[2].replace(', ', ' x ')}" if found else group
    names = list(short.values())
    return {group: name if names.count(name) == 1 else group for group, name in short.items()}
