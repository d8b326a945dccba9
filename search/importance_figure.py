"""The pictures of what a study's parameters matter: by kind, and by layer where parameters are of layers."""

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from greenfront.search import view, wording
from greenfront.search.drawn import document
from greenfront.search.history import History
from greenfront.search.importance import ENOUGH, Importance, importances, says_all, scored

MOST_KINDS = 15
"""So many kinds are drawn, the most important ones."""
BAR, AROUND = 22, 96
"""Pixels of a bar with its gap, and of what is around them."""


def importance_figures(history: History) -> list[tuple[dict[str, Any], int]]:
    """By kind and by layer, each as plotly's JSON with its height in pixels; none where trials are too few."""
    trials = scored(history)
    if len(trials) < ENOUGH:
        return []
    by_kind, by_layer = importances(trials)
    return [_figure(group) for group in (by_kind[:MOST_KINDS], by_layer) if group]


def importance_words(history: History) -> str:
    """What is shown, or why nothing is."""
    count = len(scored(history))
    trials = wording.counted(count, "scored trial")
    if not all(says_all(each.trial) for each in history.tried):
        trials += " of the sampler's own"
    if count < ENOUGH:
        return f"With {trials} it can't be told from chance which parameters matter; from {ENOUGH} on it stands here."
    return (
        f"How much the parameters tell the better half of {trials}, by divergence, from the rest, as a "
        f"share of what all of them tell (PED-ANOVA). What lies within the bars' ticks may be chance: the same trials "
        f"with their divergences shuffled come to as much."
    )


def _figure(found: Sequence[Importance]) -> tuple[dict[str, Any], int]:
    names = [escape(each.name) for each in found]
    words = [
        f"{escape(each.name)}<br>{wording.share(each.share)} of the importance, by chance up to "
        f"{wording.share(each.chance)}<br>{wording.counted(each.parameters, 'parameter')}"
        for each in found
    ]
    bars = [
        go.Bar(
            x=[each.share if each.told is told else None for each in found], y=list(range(len(found))),
            orientation="h", name=name, marker={"color": color}, hovertext=words, hoverinfo="text",
        )
        for told, name, color in ((True, "told from chance", view.BLUE), (False, "may be chance", view.GREY))
    ]  # fmt: skip
    ticks = go.Scatter(
        x=[each.chance for each in found], y=list(range(len(found))), mode="markers", name="chance, at most",
        marker={"symbol": "line-ns-open", "size": 14, "color": view.VERMILLION, "line": {"width": 2}},
        hovertext=words, hoverinfo="text",
    )  # fmt: skip
    drawn = document(
        [*bars, ticks],
        size=12,
        left=64,
        barmode="overlay",
        xaxis={"title": {"text": "share of the importance"}, "tickformat": ".0%", "rangemode": "tozero"},
        yaxis={
            "tickvals": list(range(len(found))), "ticktext": names, "range": [len(found) - 0.5, -0.5],
            "automargin": True, "showgrid": False,
        },
    )  # fmt: skip
    return drawn, BAR * len(found) + AROUND
