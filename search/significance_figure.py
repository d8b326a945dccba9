"""The picture of a significance analysis: layers by elements, coloured by what taking each away cost."""

import math

from greenfront.evaluators import Analysis, Finding
from greenfront.search import wording
from greenfront.search.chart import Grid, GridCell, Section
from greenfront.search.markup import grid_place, paragraph
from greenfront.search.web_page import ANALYSIS_SCRIPTS, web_page

LEAST_NATS = 1e-4
"""Losses below are drawn as this: they matter to nobody, and would take half of the colours."""
MARKS = {"prune": "✕", "approximate": "≈", "keep": ""}
TITLES = {"attention": "attention", "feed_forward": "feed-forward", "head": "head", "neurons": "neurons"}
Column = tuple[str, int, int]
"""Kind, number among the blocks of this kind in a layer, index."""


def significance_figure(analysis: Analysis) -> Grid:
    """Elements that were not tried, as their block was pruned or approximated, are blank. The darker, the less it cost.

    Colours are on logarithms, from the least loss to the greatest; marks tell the decisions.
    """
    cells = _cells(analysis)
    columns = sorted({column for _, column in cells}, key=_place)
    known = [_logarithm(cell.significance) for cell in cells.values()]
    low, high = math.floor(min(known)), max(math.ceil(max(known)), math.floor(min(known)) + 1)

    def cell(found: Finding | None) -> GridCell | None:
        if found is None:
            return None
        share = (_logarithm(found.significance) - low) / (high - low)
        return GridCell(round(share, 4), _text(found), _words(found))

    return Grid(
        f"What taking each element away cost, from {10.0**low:g} to {10.0**high:g} nats",
        tuple(f"layer {layer}" for layer in range(analysis.layers)),
        tuple(map(_name, columns)),
        tuple(tuple(cell(cells.get((layer, column))) for column in columns) for layer in range(analysis.layers)),
    )


def significance_section(analysis: Analysis | None) -> Section:
    """The part of the report; nothing without an analysis."""
    if analysis is None:
        return Section()
    markup = paragraph(analysis_words(analysis)) + grid_place("significance")
    return Section(markup, grids={"significance": significance_figure(analysis)})


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
    """The picture as one HTML file that needs no network."""
    section = significance_section(analysis)
    view = {"grids": {name: grid.to_dict() for name, grid in section.grids.items()}}
    return web_page(title, title, "", f"<main>{section.markup}</main>", view, ANALYSIS_SCRIPTS)


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


def _text(found: Finding) -> str:
    """What stands in its cell: the mark of the decision, and the loss."""
    return f"{MARKS[found.decision]}\n{wording.number(found.significance)}".removeprefix("\n")


def _words(found: Finding) -> tuple[str, ...]:
    which = f" {found.index}" if found.kind in ("head", "neurons") else ""
    return (
        found.path,
        f"{TITLES[found.kind]}{which}: {found.decision}",
        f"costs {wording.number(found.significance)} nats, {wording.number(found.loss)} in all",
    )


def _logarithm(nats: float) -> float:
    return math.log10(min(max(nats, LEAST_NATS), 1e6))
