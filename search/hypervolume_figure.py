"""How the hypervolume of a search grew, over trials and over time."""

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from greenfront.search import view, wording
from greenfront.search.drawn import document
from greenfront.search.history import History, Reached
from greenfront.search.study import RANDOM, SAMPLER

UNITS = ((7200.0, 3600.0, "hours"), (300.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
"""From so many seconds on, what they are divided by, and the unit that they then have."""
STYLES: dict[str, tuple[str, dict[str, Any]]] = {
    "stored": ("of an earlier configuration", {"symbol": "diamond-open", "size": 8, "color": view.GREY}),
    "first": ("first plans", {"symbol": "square", "size": 7, "color": view.ORANGE}),
    "random": ("drawn at random within the budgets", {"symbol": "triangle-up", "size": 8, "color": view.GREEN}),
    "sampler": ("proposed by the sampler", {"symbol": "circle", "size": 7, "color": view.BLUE}),
}


def hypervolume_figures(history: History) -> tuple[dict[str, Any], dict[str, Any]]:
    """Over trials, and over time, as plotly's JSON: a step line, and a marker where each trial ended."""
    longest = max((reached.seconds for reached in history.curve), default=0.0)
    divisor, unit = next((by, name) for least, by, name in UNITS if longest >= least)
    over_trials = [float(reached.trials) for reached in history.curve]
    over_time = [reached.seconds / divisor for reached in history.curve]
    return (
        _figure(history.curve, over_trials, "trials"),
        _figure(history.curve, over_time, f"time ({unit})"),
    )


def whose(reached: Reached) -> str:
    """Whose plan it was that ended there."""
    if reached.tried.stored:
        return "stored"
    return {SAMPLER: "sampler", RANDOM: "random"}.get(reached.tried.result.origin, "first")


def hypervolume_words(history: History) -> str:
    """What the curve came to, and how it is to be read."""
    last = history.curve[-1].hypervolume if history.curve else 0.0
    rule = (
        "How much of what can be hoped for has been found: the share of the box from a divergence of 1 nat and the "
        "budgets' costs down to a nearly perfect model, on logarithms, that some trial within every budget dominates, "
        "by predicted costs."
    )
    if len(history.rungs) > 2:
        rule += " When the rungs between the lowest and the last were climbed isn't known: time leaves them out."
    if last <= 0:
        return f"{rule} No trial came into that box, so it stayed at nothing."
    enough = next(reached for reached in history.curve if reached.hypervolume >= 0.99 * last)
    return f"{rule} It came to {last:.3f}, 99% of it after {wording.counted(enough.trials, 'trial')}."


def _figure(curve: Sequence[Reached], x: Sequence[float], title: str) -> dict[str, Any]:
    volumes = [reached.hypervolume for reached in curve]
    # From nothing at the beginning, so that the first trial's step is seen.
    line = go.Scatter(
        x=[0.0, *x], y=[0.0, *volumes], mode="lines", line={"shape": "hv", "color": view.GREY, "width": 1.5},
        name="hypervolume", showlegend=False, hoverinfo="skip",
    )  # fmt: skip
    traces = [line]
    for kind, (name, marker) in STYLES.items():
        places = [place for place, reached in enumerate(curve) if whose(reached) == kind]
        if places:
            traces.append(
                go.Scatter(
                    x=[x[place] for place in places], y=[volumes[place] for place in places], mode="markers",
                    name=f"{name} ({len(places)})", meta=kind, marker=marker,
                    hovertext=[_words(curve, place) for place in places], hoverinfo="text",
                )
            )  # fmt: skip
    return document(
        traces,
        xaxis={"title": {"text": title}, "rangemode": "tozero"},
        yaxis={"title": {"text": "hypervolume"}, "rangemode": "tozero", "automargin": True},
    )


def _words(curve: Sequence[Reached], place: int) -> str:
    reached, before = curve[place], curve[place - 1].hypervolume if place else 0.0
    result = reached.tried.result
    came = result.reason or "failed"
    if result.divergence is not None:
        came = f"{wording.number(result.divergence)} nats"
    return (
        f"trial {result.number}, {result.plan.id} ({escape(result.origin)}): {escape(came)}<br>hypervolume "
        f"{reached.hypervolume:.4f}, by it {reached.hypervolume - before:+.4f}<br>after "
        f"{wording.counted(reached.trials, 'trial')}, {reached.seconds:.0f} s"
    )
