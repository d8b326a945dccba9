"""The report's interactive figure: its traces, and what changes when another cost is put on the x axis."""

import json
import math
from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from greenfront.config import COST_OF, CostName
from greenfront.evaluators.direction import INVERTED
from greenfront.search import view, wording
from greenfront.search.candidate import Candidate
from greenfront.search.details import details
from greenfront.search.front import Front

# group -> (name in the legend, marker); drawn in this order, so that what matters lies on top.
MARKERS: dict[str, tuple[str, dict[str, Any]]] = {
    "unverified": ("not verified (predicted)", {"symbol": "circle-open", "size": 7, "color": view.GREY}),
    "infeasible": (
        "misses a budget",
        {"symbol": "x-thin-open", "size": 9, "color": view.ORANGE, "line": {"width": 2}},
    ),
    "dominated": ("dominated", {"symbol": "circle", "size": 8, "color": view.GREY}),
    "front": ("Pareto front", {"symbol": "circle", "size": 11, "color": view.BLUE}),
    "original": ("original", {"symbol": "star", "size": 17, "color": view.VERMILLION}),
}


LABELLED = ("front", "original")
LABEL_GAP = (0.06, 0.07)  # labels closer than these shares of the plot's width and height are left out
Line = tuple[dict[str, Any], str]  # a shape's place and the words beside it


def figure(front: Front) -> dict[str, Any]:
    """The figure as plotly's JSON, without x: those come from `axes`, trace by trace in the same order.

    Each point's `customdata` is its candidate's id, its hover text the candidate's numbers and plan.
    """
    low, high = view.score_range(front)
    traces = [_trace(front, kind, members) for kind, members in _members(front).items()]
    plot = go.Figure(
        data=traces,
        layout=go.Layout(
            template="none",
            font={"family": "system-ui, sans-serif", "size": 13},
            margin={"l": 64, "r": 16, "t": 16, "b": 56},
            xaxis={"showgrid": True},
            yaxis={
                "title": {"text": escape(f"{front.metric} on validation")},
                "range": [low, high],
                "showgrid": True,
                **_ticks(front.metric, low, high),
            },
            hoverlabel={
                "align": "left",
                "font": {"family": "ui-monospace, Menlo, Consolas, monospace", "size": 11},
            },
            hovermode="closest",
            legend={"orientation": "h", "y": -0.16, "yanchor": "top"},
        ),
    )
    # Through plotly's own encoder once, so that the page's JSON holds plain lists and numbers (NaN as null).
    document: dict[str, Any] = json.loads(plot.to_json())
    return document


def _ticks(metric: str, low: float, high: float) -> dict[str, Any]:
    """Better stays above: where less is better, the scale is that of the inverse, and its numbers are the metric's."""
    if metric not in INVERTED:
        return {}
    places = [low + (high - low) * step / 6 for step in range(1, 6)]
    return {"tickvals": places, "ticktext": [wording.score(place, metric) if place > 0 else "" for place in places]}


def axes(front: Front, target: str) -> dict[str, dict[str, Any]]:
    """For every cost on `target`: x and intervals per trace, labels, axis title and range, budget lines."""
    return {name: _axis(front, target, name, cost) for name, cost in COST_OF.items()}


def _members(front: Front) -> dict[str, tuple[Candidate, ...]]:
    shown = view.groups(front)
    return {
        "unverified": shown.unverified, "infeasible": shown.infeasible, "dominated": shown.dominated,
        "front": shown.front, "original": (front.original,),
    }  # fmt: skip


def _trace(front: Front, kind: str, members: Sequence[Candidate]) -> go.Scatter:
    name, marker = MARKERS[kind]
    labelled = kind in LABELLED
    scores = [None if c.score.validation != c.score.validation else c.score.validation for c in members]
    return go.Scatter(
        y=scores,
        name=view.front_name(front) if kind == "front" else name,
        meta=kind,
        mode="markers+text" if labelled else "markers",
        marker=marker,
        line={"color": view.BLUE, "width": 2},
        error_x={"type": "data", "symmetric": False, "thickness": 1.5, "width": 3},
        text=[""] * len(members) if labelled else None,
        textposition="top left" if kind == "front" else "top center",
        cliponaxis=True,
        customdata=[candidate.id for candidate in members],
        hovertext=[hover(front, candidate) for candidate in members],
        hoverinfo="text",
    )


def hover(front: Front, candidate: Candidate) -> str:
    """The candidate's details for plotly, which reads a few tags: breaks are tags, the text is escaped."""
    return "<br>".join(escape(line) for line in details(front, candidate).split("\n"))


def _axis(front: Front, target: str, name: str, cost: CostName) -> dict[str, Any]:
    scale = wording.WORDS[cost].scale
    groups = _members(front)
    x = [[c.costs()[target].value(cost) / scale for c in members] for members in groups.values()]
    lines = view.cost_lines(front, target, cost)
    whole = view.cost_scale(front, target, cost)
    shown = view.Scale(whole.low / scale, whole.high / scale, whole.logarithmic)
    vertical: list[Line] = [
        ({"x0": limit / scale, "x1": limit / scale, "y0": 0, "y1": 1, "yref": "paper"}, words) for limit, words in lines
    ]
    horizontal: list[Line] = [
        ({"y0": floor, "y1": floor, "x0": 0, "x1": 1, "xref": "paper"}, words)
        for floor, words in view.score_lines(front)
    ]
    style = {"type": "line", "line": {"color": view.GREEN, "width": 1.5, "dash": "dash"}}
    labels = _ratios(front, target, cost, whole)
    timed = cost == "latency_ms"
    return {
        "x": x,
        "error": [_errors(members, target) if timed and kind in LABELLED else None for kind, members in groups.items()],
        "labels": [[labels.get(c.id, "") for c in members] for members in groups.values()],
        "title": escape(f"{wording.axis_title(cost, [front.original.costs()[target]])} on {target}"),
        "range": [shown.low, shown.high],
        "ticks": shown.ticks() if shown.logarithmic else None,
        # A line through the front's points is the front only for the cost and the target that decided it.
        "line": name == front.axis and target == front.target,
        "shapes": [{**style, **place} for place, _ in (*vertical, *horizontal)],
        "annotations": [_note(place, words, shown) for place, words in (*vertical, *horizontal)],
    }


def _ratios(front: Front, target: str, cost: CostName, scale: view.Scale) -> dict[str, str]:
    """The labels of the original and the front, by id, as far as there is room."""
    low, high = view.score_range(front)
    reference = front.original.costs()[target].value(cost)
    candidates = (front.original, *view.groups(front).front)
    values = [c.costs()[target].value(cost) for c in candidates]
    places = [
        (scale.place(value), (c.score.validation - low) / (high - low))
        for c, value in zip(candidates, values, strict=True)
    ]
    chosen = view.readable(places, LABEL_GAP)
    return {
        c.id: wording.ratio(cost, reference, value)
        for c, value, written in zip(candidates, values, chosen, strict=True)
        if written
    }


def _errors(members: Sequence[Candidate], target: str) -> dict[str, list[float]]:
    latencies = [candidate.costs()[target].latency_ms for candidate in members]
    return {
        "array": [of.high - of.median for of in latencies],
        "arrayminus": [of.median - of.low for of in latencies],
    }


def _note(place: dict[str, Any], words: str, scale: view.Scale) -> dict[str, Any]:
    """The words beside a budget's line: along the foot of a vertical one, at the right of a horizontal one.

    Plotly takes the logarithm of a line's place on a logarithmic axis, and wants that of its words.
    """
    note: dict[str, Any] = {
        "text": escape(words),
        "showarrow": False,
        "font": {"size": 11, "color": view.GREEN},
    }
    if place.get("yref") == "paper":
        x = math.log10(place["x0"]) if scale.logarithmic else place["x0"]
        return {**note, "x": x, "y": 0.01, "yref": "paper", "xanchor": "left", "yanchor": "bottom",
                "textangle": -90}  # fmt: skip
    return {**note, "x": 0.995, "xref": "paper", "y": place["y0"], "xanchor": "right", "yanchor": "top"}
