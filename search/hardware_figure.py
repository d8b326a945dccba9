"""The report's pictures of a target: predicted against measured latency, and what each setting of a module costs."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import plotly.graph_objects as go

from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.cost import Interval
from greenfront.hardware_profiles.operation_table import SIDES
from greenfront.hardware_profiles.records import OperationCost
from greenfront.search import view, wording
from greenfront.search.candidate import Candidate
from greenfront.search.front import Front
from greenfront.spaces import METHODS

CLASS_AND_SHAPE = re.compile(r"(\w+)\([^\[]*\[([\d, ]+)\]")
COLORS = (view.BLUE, view.VERMILLION, view.GREEN, view.ORANGE, view.SKY, view.GREY, "#CC79A7", "#B8A800")
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


def predicted_figure(profile: HardwareProfile, front: Front) -> dict[str, Any]:
    """Predicted against measured latency of whole candidates, with the diagonal, as plotly's JSON."""
    target = profile.target.name

    def of_candidate(candidate: Candidate) -> Point:
        return (candidate.costs()[target].latency_ms, candidate.predicted[target].value("latency_ms"), candidate.id)

    plans = [(plan.held_out, (plan.latency.interval_ms, plan.predicted_ms, "")) for plan in profile.calibration.plans]
    finalists = [of_candidate(c) for c in front.candidates if c.measured(target)]
    original = [of_candidate(front.original)] if front.original.measured(target) else []
    groups = (
        ("fitted on", view.GREY, "circle-open", [point for held_out, point in plans if not held_out]),
        ("held out", view.ORANGE, "diamond", [point for held_out, point in plans if held_out]),
        ("finalists", view.BLUE, "circle", finalists),
        ("original", view.VERMILLION, "star", original),
    )
    points = [(each.median, predicted) for _, _, _, group in groups for each, predicted, _ in group]
    top = 1.08 * max((max(point) for point in points), default=profile.original.latency_ms.median)
    diagonal = go.Scatter(
        x=[0, top], y=[0, top], mode="lines", line={"color": view.GREEN, "dash": "dash", "width": 1.5},
        name="predicted = measured", hoverinfo="skip",
    )  # fmt: skip
    traces = [_points(name, color, symbol, group) for name, color, symbol, group in groups if group]
    return _document([diagonal, *traces], "measured (ms)", "predicted (ms)", (0, top), (0, top))


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


def curve_figures(profile: HardwareProfile) -> dict[str, dict[str, Any]]:
    """A figure per setting (rank, ...) as plotly's JSON: latency as a share of the unchanged module's, per module."""
    found = curves(profile)
    return {key: _curves([curve for curve in found if curve.key == key]) for key in dict.fromkeys(c.key for c in found)}


def _curves(found: Sequence[Curve]) -> dict[str, Any]:
    traces = []
    right = 1.05 * max(max(curve.amounts) for curve in found)
    for curve, color in zip(found, (COLORS * len(found))[: len(found)], strict=True):
        shares = [latency.median / curve.original_ms for latency in curve.latencies]
        words = [
            f"{escape(curve.label)}<br>{curve.key} {amount}: {wording.number(1000 * latency.median)} µs, "
            f"unchanged {wording.number(1000 * curve.original_ms)} µs"
            for amount, latency in zip(curve.amounts, curve.latencies, strict=True)
        ]
        traces.append(
            go.Scatter(
                x=list(curve.amounts), y=shares, mode="lines+markers", line={"color": color, "width": 1.8},
                marker={"size": 6}, name=f"{escape(curve.label)}: {curve.verdict}", hovertext=words, hoverinfo="text",
                legendgroup=curve.label,
            )
        )  # fmt: skip
        if curve.break_even not in (None, float("inf")):
            traces.append(
                go.Scatter(
                    x=[curve.break_even], y=[1.0], mode="markers", legendgroup=curve.label, showlegend=False,
                    marker={"symbol": "diamond", "size": 12, "color": color, "line": {"width": 1.5, "color": "white"}},
                    hovertext=f"{escape(curve.label)}: {curve.verdict}", hoverinfo="text",
                )
            )  # fmt: skip
    highest = max(latency.median / curve.original_ms for curve in found for latency in curve.latencies)
    document = _document(
        traces,
        escape(found[0].key),
        "latency / unchanged",
        (0, right),
        (0, min(1.1 * max(highest, 1.0), HIGHEST_SHARE)),
    )
    # Many lines: above, they would squeeze the plot.
    document["layout"]["legend"].update({"y": -0.26, "yanchor": "top"})
    document["layout"]["shapes"] = [
        {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": 1, "y1": 1,
         "line": {"color": view.GREEN, "width": 1.5, "dash": "dash"}}
    ]  # fmt: skip
    return document


def _points(name: str, color: str, symbol: str, group: Sequence[Point]) -> go.Scatter:
    return go.Scatter(
        x=[measured.median for measured, _, _ in group],
        y=[predicted for _, predicted, _ in group],
        error_x={
            "type": "data", "symmetric": False, "thickness": 1.2, "width": 2, "color": color,
            "array": [measured.high - measured.median for measured, _, _ in group],
            "arrayminus": [measured.median - measured.low for measured, _, _ in group],
        },
        mode="markers",
        name=name,
        marker={"symbol": symbol, "size": 14 if symbol == "star" else 9, "color": color},
        hovertext=[
            f"{escape(id_)} measured {wording.latency(measured)}, predicted {wording.number(predicted)} ms "
            f"({predicted / measured.median - 1:+.1%})"
            for measured, predicted, id_ in group
        ],
        hoverinfo="text",
    )  # fmt: skip


def _document(
    traces: Sequence[go.Scatter], x: str, y: str, across: tuple[float, float], up: tuple[float, float]
) -> dict[str, Any]:
    plot = go.Figure(
        data=list(traces),
        layout=go.Layout(
            template="none",
            font={"family": "system-ui, sans-serif", "size": 13},
            margin={"l": 56, "r": 12, "t": 12, "b": 48},
            xaxis={"title": {"text": x}, "range": list(across)},
            yaxis={"title": {"text": y}, "range": list(up)},
            hoverlabel={"align": "left", "font": {"size": 12}},
            hovermode="closest",
            showlegend=True,
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        ),
    )
    document: dict[str, Any] = json.loads(plot.to_json())
    return document


def _names(groups: Sequence[str]) -> dict[str, str]:
    """Short names of groups of modules, `Linear 1536 x 384`; whole ones where the short would be of two."""
    short = {}
    for group in dict.fromkeys(groups):
        found = CLASS_AND_SHAPE.match(group)
        short[group] = f"{found[1]} {found[2].replace(', ', ' x ')}" if found else group
    names = list(short.values())
    return {group: name if names.count(name) == 1 else group for group, name in short.items()}
