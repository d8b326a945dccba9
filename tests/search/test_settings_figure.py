"""What settings cost, in their places: a grid per method, nothing of what can't be matched."""

import pytest

from greenfront.evaluators import Significance
from greenfront.search.chart import GridCell
from greenfront.search.settings_figure import settings_section
from tests.search.layered_front import LAYERS, losses_of_settings, profile


def cell_of(grid_cells: tuple[tuple[GridCell | None, ...], ...], path: str) -> GridCell:
    (found,) = [cell for row in grid_cells for cell in row if cell is not None and cell.words[0] == path]
    return found


def test_every_module_has_its_settings() -> None:
    section = settings_section(losses_of_settings(), profile())
    assert set(section.grids) == {"settings-blocks", "settings-heads", "settings-low_rank", "settings-bits"}
    grid = section.grids["settings-low_rank"]
    assert grid.rows == tuple(f"layer {layer}" for layer in range(LAYERS))
    assert grid.columns == ("q", "o", "f")
    assert grid.title == "low rank, from 0.01 to 0.1 nats"
    cell = cell_of(grid.cells, "layer.1.f")
    # Ranks 2, 4, 8 and 12 cost 0.2 / rank: the third is the middle one.
    assert cell.text == "rank 8\n0.0250"
    assert cell.words[1:] == (
        "rank 2: 0.100 nats", "rank 4: 0.0500 nats, interpolated", "rank 8: 0.0250 nats, interpolated",
        "rank 12: 0.0167 nats",
    )  # fmt: skip
    assert cell.share == pytest.approx(0.3979, abs=1e-3)  # log10(0.025) between -2 and -1
    assert section.grids["settings-heads"].columns == ("attention",)
    assert section.grids["settings-blocks"].columns == ("layer",)
    assert all(f'data-grid="{name}"' in section.markup for name in section.grids)


def test_what_is_not_of_this_profile_is_left_out() -> None:
    found = losses_of_settings()
    odd = {"layer.0.f:low_rank": [0.1, 0.0], "elsewhere:bits": [0.1, 0.0], "layer.0.f:group": [0.1, 0.0]}
    section = settings_section(Significance(odd, {name: [0] for name in odd}, None), profile())
    assert section.grids == {}
    assert section.markup == ""
    for nothing in (settings_section(None, profile()), settings_section(found, None)):
        assert (nothing.markup, nothing.grids) == ("", {})
