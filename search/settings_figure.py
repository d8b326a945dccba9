"""The pictures of what every setting alone costs: layers by modules for each method, in nats before any training."""

import math
from html import escape

from greenfront.evaluators import Significance
from greenfront.hardware_profiles import HardwareProfile
from greenfront.search import wording
from greenfront.search.chart import Grid, GridCell, Section
from greenfront.search.layer_grid import WHOLE, LayerGrid, kind_of
from greenfront.search.markup import grid_place, paragraph
from greenfront.spaces import Settings

LEAST_NATS = 1e-4
"""Less matters to nobody, and is called so."""
Losses = dict[str, list[tuple[Settings, float, bool]]]
"""Of one method, by path: every setting, what it costs alone, and whether that was measured by a pass."""


def settings_section(found: Significance | None, profile: HardwareProfile | None) -> Section:
    """A grid for every method of which the profile knows the settings; nothing where either is missing."""
    if found is None or profile is None:
        return Section()
    methods = {method: losses for method, losses in _by_method(found, profile).items() if losses}
    grids = {f"settings-{method}": _grid(method, losses, profile) for method, losses in methods.items()}
    if not grids:
        return Section()
    words = (
        "What every setting costs alone, before any training: the KL from the original in nats, on a part of "
        "validation. A cell has the middle one of the settings that its module is offered, and tells all of them; "
        "the brighter, the more it costs, on logarithms."
    )
    markup = "".join(f"<h3>{escape(grid.title)}</h3>{grid_place(name)}" for name, grid in grids.items())
    return Section(f"<h2>What settings cost in quality</h2>{paragraph(words)}{markup}", grids=grids)


def _by_method(found: Significance, profile: HardwareProfile) -> dict[str, Losses]:
    """A choice whose settings in the profile aren't those that were scored (some left the space) is left out."""
    by_method: dict[str, Losses] = {}
    for name, losses in found.losses.items():
        path, _, method = name.rpartition(":")
        offered = profile.sites[path].choices.get(method, []) if path in profile.sites else []
        if offered and len(offered) + 1 == len(losses):
            scored = set(found.scored[name])
            pairs = enumerate(zip(offered, losses, strict=False))
            by_method.setdefault(method, {})[path] = [
                (chosen, loss, place in scored) for place, (chosen, loss) in pairs
            ]
    return by_method


def _grid(method: str, losses: Losses, profile: HardwareProfile) -> Grid:
    known = [_logarithm(told[len(told) // 2][1]) for told in losses.values()]
    low, high = math.floor(min(known)), max(math.ceil(max(known)), math.floor(min(known)) + 1)
    whole = LayerGrid.of(
        {path: kind_of(use.signature) for path, use in profile.sites.items()},
        {path: use.reductions for path, use in profile.sites.items() if use.reductions},
    )

    def cell(path: str | None) -> GridCell | None:
        if path not in losses:
            return None
        told = losses[path]
        middle, typical, _ = told[len(told) // 2]
        share = (_logarithm(typical) - low) / (high - low)
        lines = [f"{_named(s)}: {_nats(loss)} nats{'' if known else ', interpolated'}" for s, loss, known in told]
        return GridCell(round(share, 4), f"{_named(middle)}\n{_nats(typical)}", (path, *lines))

    cells = [[cell(path) for path in row] for row in whole.paths]
    columns = [place for place in range(len(whole.columns)) if any(row[place] is not None for row in cells)]
    rows = [place for place, row in enumerate(cells) if any(cell is not None for cell in row)]
    names = ["layer" if whole.columns[place] == WHOLE else whole.columns[place] for place in columns]
    return Grid(
        f"{wording.plain(method)}, from {10.0**low:g} to {10.0**high:g} nats",
        tuple(whole.rows[place] for place in rows),
        tuple(names),
        tuple(tuple(cells[row][column] for column in columns) for row in rows),
    )


def _named(settings: Settings) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items())


def _nats(loss: float) -> str:
    return f"<{LEAST_NATS:g}" if loss < LEAST_NATS else wording.number(loss)


def _logarithm(nats: float) -> float:
    return math.log10(min(max(nats, LEAST_NATS), 1e3))
