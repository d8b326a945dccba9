"""What a figure of the report shows, as plain data that `page/chart.js` draws: points and lines, grids of cells."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Color = Literal["blue", "sky", "vermillion", "orange", "green", "grey", "pink", "olive"]
"""Okabe and Ito's palette in the page's light and dark shades, and two more; symbols tell series apart as well."""
Symbol = Literal["circle", "ring", "square", "diamond", "triangle", "star", "cross"]
COLORS: tuple[Color, ...] = ("blue", "vermillion", "green", "orange", "sky", "grey", "pink", "olive")


@dataclass(frozen=True)
class Series:
    """Points, markers and a line through them or one of both. None breaks the line; `words` (lines) tell of a point."""

    name: str
    x: Sequence[float | None]
    y: Sequence[float | None]
    color: Color
    symbol: Symbol | None = "circle"
    line: Literal["straight", "step"] | None = None
    dashed: bool = False
    words: Sequence[str] = ()
    low: Sequence[float] = ()
    """With `high`, the interval of x of every point."""
    high: Sequence[float] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what is not finite is None, as JSON has no word for it."""
        numbers = {key: [_finite(value) for value in getattr(self, key)] for key in ("x", "y", "low", "high")}
        plain = {"name": self.name, "color": self.color, "symbol": self.symbol, "line": self.line}
        return {**plain, "dashed": self.dashed, "words": list(self.words), **numbers}


@dataclass(frozen=True)
class Axis:
    """`low` and `high`: where it ends, None: where the values do; `ticks`: places and their words, None: round ones."""

    title: str
    low: float | None = None
    high: float | None = None
    logarithmic: bool = False
    ticks: tuple[tuple[float, str], ...] | None = None


@dataclass(frozen=True)
class Chart:
    """A figure with two axes."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON."""
        axes = {key: {**vars(axis), "ticks": axis.ticks} for key, axis in (("x", self.x), ("y", self.y))}
        return {"title": self.title, **axes, "series": [series.to_dict() for series in self.series]}


@dataclass(frozen=True)
class GridCell:
    """`share` (0 to 1) is its colour, `text` stands in it, `words` are its whole story, a name first."""

    share: float
    text: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A table of coloured cells (rows x columns), None where there is none."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[GridCell | None, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON."""
        cells = [[None if cell is None else vars(cell) for cell in row] for row in self.cells]
        return {"title": self.title, "rows": self.rows, "columns": self.columns, "cells": cells}


@dataclass(frozen=True)
class Section:
    """A part of the page: its markup, and what is drawn in it by the names of its places."""

    markup: str = ""
    charts: dict[str, Chart] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
