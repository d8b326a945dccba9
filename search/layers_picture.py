"""What models look like: layers by modules, with the share of its parameters that each keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.operation_table import SIDES
from greenfront.search.layer_grid import WHOLE, LayerGrid, kind_of
from greenfront.search.plan_text import setting_words
from greenfront.spaces import Plan, Settings
from greenfront.spaces.effective import effective_settings
from greenfront.spaces.places import inside


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
            changed = [change for site in self._inside[path] if (change := changes.get(site)) is not None]
            parameters, size = sum(each for each, _ in held), sum(each for _, each in held)
            return Cell(
                path, plan.get(path, {}), effective.get(path, {}),
                (parameters, parameters + sum(change.parameters for change in changed)),
                (size, size + sum(change.bytes for change in changed)),
            )  # fmt: skip

        return [[cell(path) for path in row] for row in self.grid.paths]

    def document(self, plans: Mapping[str, Plan]) -> tuple[dict[str, Any], dict[str, list[int]]]:
        """All plans' cells for the page: what is common to them, and by the plans' names the numbers of their cells.

        Cells that are alike in two plans are written once (`[text, state, parameters, bytes]`): thousands of trials
        differ in little. A number stands for every place of the grid (rows x columns), -1 where there is no module.
        """
        numbers: dict[tuple[str, str, int, int], int] = {}
        rows, columns = list(self.grid.rows), self.grid.columns

        def number(cell: Cell | None, column: str) -> int:
            if cell is None:
                return -1
            key = (_text(cell, column), self._state(cell), cell.parameters[1], cell.bytes[1])
            return numbers.setdefault(key, len(numbers))

        found = {
            name: [number(cell, column) for row in self.cells(plan) for cell, column in zip(row, columns, strict=True)]
            for name, plan in plans.items()
        }
        unchanged = [cell for row in self.cells(Plan()) for cell in row]
        held = [None if cell is None else [cell.parameters[0], cell.bytes[0]] for cell in unchanged]
        common = {
            "rows": rows, "columns": columns, "paths": self.grid.paths, "held": held,
            "cells": list(numbers), "rest": self.rest,
        }  # fmt: skip
        return common, found

    @cached_property
    def _inside(self) -> dict[str, list[str]]:
        """The sites in every module of the grid."""
        paths = {path for row in self.grid.paths for path in row if path is not None}
        return {path: [site for site in self._sites if inside(site, path)] for path in paths}

    @cached_property
    def _outermost(self) -> dict[str, list[str]]:
        """The sites in every module of the grid that no other one in it holds."""
        found = {}
        for path, held in self._inside.items():
            found[path] = [site for site in held if not any(o != site and inside(site, o) for o in held)]
        return found

    def _state(self, cell: Cell) -> str:
        """What became of a module, in words; nothing where it is as it was."""
        own = ", ".join(f"{key} {value}" for key, value in cell.own.items())
        left = [
            f"{cell.effective[side]} of {self._sites[cell.path].shape[place]} {side}puts are left"
            for side, place in SIDES.items()
            if side in cell.effective
        ]
        state = "skipped with its block" if "skipped" in cell.effective else own
        return ", ".join(filter(None, [state, *left]))


def layers_document(
    plans: Mapping[str, Plan], profiles: Sequence[HardwareProfile]
) -> tuple[dict[str, Any] | None, dict[str, list[int]]]:
    """`LayersPicture.document` by the first of some profiles; None where there is none."""
    return LayersPicture(profiles[0]).document(plans) if profiles else (None, {})


def _text(cell: Cell, column: str) -> str:
    """What is written in a cell: settings, a line each, and of whole layers what is kept."""
    if cell.gone:
        return "✕"
    if column == WHOLE and set(cell.own) <= {"skip"} and not cell.effective.keys() & SIDES.keys():
        return f"{cell.share:.0%}"
    return "\n".join(reversed(setting_words(cell.own)))
