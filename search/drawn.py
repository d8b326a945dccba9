"""What figures with a legend have in common: their layout, and how they come into a page."""

import json
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

Figures = dict[str, dict[str, Any]]
"""Plotly's JSON by the id of the element it is drawn in."""


def document(
    traces: Sequence[go.Scatter | go.Bar], *, size: int = 13, left: int = 56, **layout: object
) -> dict[str, Any]:
    """Traces as plotly's JSON, through its own encoder, so that the page holds plain lists and numbers (NaN as null).

    The legend stands above the plot. `size`: of the letters, and `left`: the margin there, in pixels; `layout`: axes,
    and whatever is to be otherwise.
    """
    common = {
        "template": "none",
        "font": {"family": "system-ui, sans-serif", "size": size},
        "margin": {"l": left, "r": 12, "t": 12, "b": 48},
        "hoverlabel": {"align": "left", "font": {"size": 12}},
        "hovermode": "closest",
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
    found: dict[str, Any] = json.loads(go.Figure(data=list(traces), layout={**common, **layout}).to_json())
    return found
