"""What the front's models look like: layers by modules, coloured by the share of its parameters that each keeps."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sequential

from greenfront.config import COST_OF, CostName
from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.operation_table import SIDES
from greenfront.search import wording
from greenfront.search.candidate import Candidate
from greenfront.search.drawn import Figures
from greenfront.search.front import Front
from greenfront.search.layer_grid import WHOLE, LayerGrid, kind_of
from greenfront.search.plan_text import setting_words
from greenfront.spaces import Plan, Settings
from greenfront.spaces.effective import effective_settings
from greenfront.spaces.places import inside

PANELS = 6
"""So many members of the front are drawn; of more, as many that lie evenly between the cheapest and the mildest."""
LINE, PADDING, AROUND = 13, 7, 90
"""Pixels of a line in a cell, above and below them, and of what is around the cells."""


@dataclass(frozen=True)
class Cell:
    """A module in a plan, with everything inside it: parameters, and what their numbers take in bytes."""

    path: str
    own: Settings
    """What the plan says of it."""
    effective: Settings
    """With what settings elsewhere leave of it."""
    parameters: tuple[int, int]
    """Of the original, and of the plan's model."""
    bytes: tuple[int, int]

    @property
    def share(self) -> float:
        """Parameters that are kept; above 1 where an approximation brings more than is saved."""
        before, after = self.parameters
        return after / before if before else 1.0

    @property
    def gone(self) -> bool:
        """Whether it is skipped, by itself or with what it is part of."""
        return "skipped" in self.effective or self.own.get("skip") == "layer"


class LayersPicture:
    """Draws plans over the sites of a profile; any target's will do."""

    def __init__(self, profile: HardwareProfile) -> None:
        self._sites, self._table = profile.sites, profile.table
        unchanged = {each.group: (each.parameters, each.bytes) for each in profile.operations if not each.settings}
        self._held = {path: unchanged[use.group] for path, use in self._sites.items()}
        self._reductions = {path: use.reductions for path, use in self._sites.items() if use.reductions}
        self.grid = LayerGrid.of({path: kind_of(use.signature) for path, use in self._sites.items()}, self._reductions)
        outer = {site for row in self.grid.paths for site in self._outermost[str(row[0])]}
        self.rest = profile.original.parameters - sum(self._held[site][0] for site in outer)
        """Parameters that no plan changes: norms and positions outside of layers, the head."""

    def cells(self, plan: Plan) -> list[list[Cell | None]]:
        """(rows x columns) as of the grid."""
        effective = effective_settings(plan, self._reductions, self._sites)
        changes = {path: self._table.change(path, found, plan.get(path, {})) for path, found in effective.items()}

        def cell(path: str | None) -> Cell | None:
            if path is None:
                return None
            held = [self._held[site] for site in self._outermost[path]]
            changed = [change for site, change in changes.items() if inside(site, path) and change is not None]
            parameters, size = sum(each for each, _ in held), sum(each for _, each in held)
            return Cell(
                path, plan.get(path, {}), effective.get(path, {}),
                (parameters, parameters + sum(change.parameters for change in changed)),
                (size, size + sum(change.bytes for change in changed)),
            )  # fmt: skip

        return [[cell(path) for path in row] for row in self.grid.paths]

    def figure(self, plan: Plan) -> tuple[dict[str, Any], int]:
        """As plotly's JSON, and its height in pixels. All have the same scale of colours, from none to all of the
        original's parameters: Cividis (Nunez et al. 2018), which reads alike with any colour vision."""
        cells, rows, columns = self.cells(plan), list(self.grid.rows), self.grid.columns
        shares = [[None if cell is None else round(cell.share, 4) for cell in row] for row in cells]
        text = [[_text(cell, column) for cell, column in zip(row, columns, strict=True)] for row in cells]
        words = [["" if cell is None else self._words(cell) for cell in row] for row in cells]
        if self.rest > 0:
            others = len(columns) - 1
            rows.append("rest")
            shares.append([1.0, *[None] * others])
            text.append([""] * len(columns))
            said = f"no plan changes the rest (norms, positions, head)<br>{self.rest:,} parameters"
            words.append([said, *[""] * others])
        heatmap = go.Heatmap(
            z=shares, zmin=0, zmax=1, colorscale="Cividis", showscale=False, xgap=1, ygap=1, hoverongaps=False,
            text=text, texttemplate="%{text}", textfont={"size": 10}, hovertext=words, hoverinfo="text",
        )  # fmt: skip
        axis = {"showgrid": False, "automargin": True, "tickmode": "array", "ticks": ""}
        layout = go.Layout(
            template="none",
            font={"family": "system-ui, sans-serif", "size": 12},
            margin={"l": 64, "r": 32, "t": 80, "b": 8},
            xaxis={**axis, "side": "top", "tickangle": -45, **_ticks(columns), "range": [-0.5, len(columns) - 0.5]},
            yaxis={**axis, **_ticks(rows), "range": [len(rows) - 0.5, -0.5]},
            hoverlabel={"align": "left", "font": {"size": 12}},
        )
        lines = max(1, *(cell.count("<br>") + 1 for row in text for cell in row))
        document: dict[str, Any] = json.loads(go.Figure(data=[heatmap], layout=layout).to_json())
        return document, len(rows) * (LINE * lines + PADDING) + AROUND

    @cached_property
    def _outermost(self) -> dict[str, list[str]]:
        """The sites in every module of the grid that no other one in it holds."""
        found = {}
        for path in {path for row in self.grid.paths for path in row if path is not None}:
            held = [site for site in self._sites if inside(site, path)]
            found[path] = [site for site in held if not any(o != site and inside(site, o) for o in held)]
        return found

    def _words(self, cell: Cell) -> str:
        """All about a cell, for plotly, which reads a few tags."""
        own = ", ".join(f"{key} {value}" for key, value in cell.own.items())
        left = [
            f"{cell.effective[side]} of {self._sites[cell.path].shape[place]} {side}puts are left"
            for side, place in SIDES.items()
            if side in cell.effective
        ]
        state = "skipped with its block" if "skipped" in cell.effective else own or ("" if left else "as it was")
        (before, after), (held, holds) = cell.parameters, cell.bytes
        lines = [
            cell.path,
            *([state] if state else []),
            *left,
            f"{after:,} of {before:,} parameters ({wording.share(cell.share)})",
            f"{wording.cost('size_mb', holds / 1e6)} of {wording.cost('size_mb', held / 1e6)}",
        ]
        return "<br>".join(map(escape, lines))


def layers_section(front: Front, profiles: Mapping[str, HardwareProfile]) -> tuple[str, Figures]:
    """The section's markup, and its figures by the ids of their elements; nothing where no member or profile is."""
    members, profile = drawn(front), profiles.get(front.target)
    if not members or profile is None:
        return "", {}
    picture, panels = LayersPicture(profile), ""
    figures: Figures = {}
    for member in members:
        id_ = f"layers-{len(figures)}"
        figures[id_], height = picture.figure(member.plan)
        panels += (
            f'<div><h4>{escape(_title(front, member))}</h4><div class="figure" id="{id_}" style="height: {height}px">'
            f"</div></div>"
        )
    said = "" if len(members) == len(front.members) else f"{len(members)} of the front's {len(front.members)} models. "
    trimmed = front.original.costs()[front.target].parameters - profile.original.parameters
    less = f" Beforehand {trimmed:,} parameters went, with tokens that the task doesn't use." if trimmed > 0 else ""
    shades = ", ".join(sequential.Cividis)
    return (
        f"<h2>The front, layer by layer</h2><p>{said}Cheapest first. Colour: how much of the original's parameters is "
        f'kept, none <span class="shades" style="background: linear-gradient(to right, {shades})"></span> all. '
        f"A plain number is a rank, k a projection length, h heads, w neurons, b bits; ✕ is skipped, no colour: "
        f"not there.{less}</p>"
        f'<div class="panels">{panels}</div>',
        figures,
    )


def drawn(front: Front) -> list[Candidate]:
    """The members of the front that are drawn."""
    members = front.members
    places = np.unique(np.linspace(0, len(members) - 1, min(PANELS, len(members))).round().astype(int))
    return [members[place] for place in places]


def _title(front: Front, member: Candidate) -> str:
    own, reference = member.costs()[front.target], front.original.costs()[front.target]
    names: list[CostName] = list(dict.fromkeys((COST_OF[front.axis], "size_mb")))
    compared = ", ".join(wording.compared(name, reference.value(name), own.value(name)) for name in names)
    share = wording.share(own.value("parameters") / reference.value("parameters"))
    return (
        f"{member.id}: {compared}, {share} of the parameters; "
        f"{front.metric} {wording.score(member.score.validation, front.metric)}"
    )


def _text(cell: Cell | None, column: str) -> str:
    """What is written in a cell: settings, a line each, and of whole layers what is kept."""
    if cell is None:
        return ""
    if cell.gone:
        return "✕"
    if column == WHOLE and set(cell.own) <= {"skip"} and not cell.effective.keys() & SIDES.keys():
        return f"{cell.share:.0%}"
    return "<br>".join(escape(word) for word in reversed(setting_words(cell.own)))


def _ticks(names: "list[str] | tuple[str, ...]") -> dict[str, Any]:
    """Names along an axis of numbers: on one of categories two of the same name would be one."""
    return {"tickvals": list(range(len(names))), "ticktext": [escape(name) for name in names]}
