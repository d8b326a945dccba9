"""The picture of a significance analysis: layers by elements, coloured by what taking each away cost."""

import json
import math
from html import escape
from typing import Any

import plotly.graph_objects as go

from greenfront.evaluators import Analysis, Finding
from greenfront.search import wording
from greenfront.search.report_template import STYLE

LEAST_NATS = 1e-4
"""Losses below are drawn as this: they matter to nobody, and would take half of the colours."""
MARKS = {"prune": "✕", "approximate": "≈", "keep": ""}
TITLES = {"attention": "attention", "feed_forward": "feed-forward", "head": "head", "neurons": "neurons"}
Column = tuple[str, int, int]
"""Kind, number among the blocks of this kind in a layer, index."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p>{words}</p>
{figure}
</body>
</html>
"""


def significance_figure(analysis: Analysis) -> dict[str, Any]:
    """As plotly's JSON. Cividis (Nunez et al. 2018) reads alike with any colour vision; marks tell the decisions.

    Elements that were not tried, as their block was pruned or approximated, are blank.
    """
    cells = _cells(analysis)
    columns = sorted({column for _, column in cells}, key=_place)
    names = [_name(column) for column in columns]
    rows = range(analysis.layers)
    grid = [[cells.get((layer, column)) for column in columns] for layer in rows]
    values = [[None if cell is None else _logarithm(cell.significance) for cell in row] for row in grid]
    known = [value for row in values for value in row if value is not None]
    low, high = math.floor(min(known)), max(math.ceil(max(known)), math.floor(min(known)) + 1)
    heatmap = go.Heatmap(
        z=values, x=names, y=[f"layer {layer}" for layer in rows], zmin=low, zmax=high,
        colorscale="Cividis", xgap=1, ygap=1, hoverongaps=False,
        text=[["" if cell is None else MARKS[cell.decision] for cell in row] for row in grid], texttemplate="%{text}",
        hovertext=[["" if cell is None else _words(cell) for cell in row] for row in grid], hoverinfo="text",
        colorbar={
            "title": {"text": "nats"},
            "tickvals": list(range(low, high + 1)),
            "ticktext": [f"{10.0**power:g}" for power in range(low, high + 1)],
        },
    )  # fmt: skip
    layout = go.Layout(
        template="none",
        font={"family": "system-ui, sans-serif", "size": 13},
        margin={"l": 64, "r": 12, "t": 12, "b": 96},
        xaxis={"type": "category", "tickangle": -60, "showgrid": False},
        yaxis={"type": "category", "autorange": "reversed", "showgrid": False},
        hoverlabel={"align": "left", "font": {"size": 12}},
    )
    document: dict[str, Any] = json.loads(go.Figure(data=[heatmap], layout=layout).to_json())
    return document


def analysis_words(analysis: Analysis) -> str:
    """What was done, and how to read the picture."""
    parts, pruned = analysis.parts, [part for part in analysis.parts if part.decision == "prune"]
    return (
        f"What the original's answers need, for {analysis.focus}: each element was taken away, later layers first, "
        f"with all that went before, and the loss looked at (KL from the original, {analysis.examples} examples). "
        f"✕ went, at up to {wording.number(analysis.prune)} nats; ≈ may be approximated, at up to "
        f"{wording.number(analysis.approximate)}; blank was not tried. {len(pruned)} of {len(parts)} blocks went. "
        f"Neurons stand in eighths, the least active first."
    )


def analysis_page(analysis: Analysis, title: str) -> str:
    """The picture as one HTML file of about 5 MB that needs no network."""
    figure = go.Figure(significance_figure(analysis))
    drawn = figure.to_html(full_html=False, include_plotlyjs=True, config={"displaylogo": False, "responsive": True})
    return PAGE.format(title=escape(title), style=STYLE, words=escape(analysis_words(analysis)), figure=drawn)


def _cells(analysis: Analysis) -> dict[tuple[int, Column], Finding]:
    """The findings by layer and column; a layer may have several blocks of a kind (cross-attention)."""
    numbers: dict[str, int] = {}
    counts: dict[tuple[int, str], int] = {}
    for part in sorted(analysis.parts, key=lambda part: part.path):
        numbers[part.path] = counts.get((part.layer, part.kind), 0)
        counts[part.layer, part.kind] = numbers[part.path] + 1
    return {(f.layer, (f.kind, numbers[f.path], f.index)): f for f in analysis.findings}


def _place(column: Column) -> tuple[bool, int, bool, int]:
    """Each attention before its heads, the feed-forward block before its neurons."""
    kind, number, index = column
    return kind in ("feed_forward", "neurons"), number, kind in ("head", "neurons"), index


def _name(column: Column) -> str:
    kind, number, index = column
    which = f" {number + 1}" if number else ""
    return TITLES[kind] + which + (f" {index}" if kind in ("head", "neurons") else "")


def _words(found: Finding) -> str:
    which = f" {found.index}" if found.kind in ("head", "neurons") else ""
    return (
        f"{escape(found.path)}<br>{TITLES[found.kind]}{which}: {found.decision}<br>"
        f"costs {wording.number(found.significance)} nats, {wording.number(found.loss)} in all"
    )


def _logarithm(nats: float) -> float:
    return math.log10(min(max(nats, LEAST_NATS), 1e6))
