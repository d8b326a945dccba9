"""Significance analysis in a run: seeds that are valid plans, a table, a picture, and its place in the report."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from greenfront.errors import ConfigError
from greenfront.evaluators import Analysis, Finding, TaskData, analyze
from greenfront.search.analysis import analysis_for, as_focus, kept_analysis
from greenfront.search.analysis_seeds import analysis_seeds, takes_elements_away
from greenfront.search.analysis_table import analysis_table
from greenfront.search.progress import Silent
from greenfront.search.report import write_report
from greenfront.search.run_folder import RunFolder
from greenfront.search.significance_figure import MARKS, analysis_page, significance_figure
from greenfront.spaces import Choice, Site, Space, check_plan
from tests.search.front_builder import build_front
from tests.search.test_report import Page
from tests.search.tiny_assignment import examples
from tests.search.toy_run import toy_config, toy_model, toy_space
from tests.spaces.models import batch_for, build, space_of

LINEARS = ("attention.self.query", "attention.output.dense", "intermediate.dense", "output.dense")


def block(layer: int) -> str:
    return f"bert.encoder.layer.{layer}"


def found(layer: int, kind: Any, decision: Any, loss: float, index: int = 0) -> Finding:
    attention = kind in ("attention", "head")
    path = f"{block(layer)}.{'attention.self' if attention else 'output.dense'}"
    modules = tuple(f"{block(layer)}.{name}" for name in (LINEARS[:2] if attention else LINEARS[2:]))
    return Finding(path, kind, layer, index, block(layer), modules, 0.01, loss, decision)


ANALYSIS = Analysis(
    "speed", 0.02, 0.1, 32,
    (
        found(2, "attention", "prune", 0.015), found(1, "attention", "keep", 0.4), found(0, "attention", "keep", 0.2),
        found(2, "feed_forward", "prune", 0.012), found(1, "feed_forward", "approximate", 0.05),
        found(0, "feed_forward", "keep", 0.3),
        *(found(1, "head", "prune" if head else "keep", 0.01 * head, head) for head in range(4)),
        *(found(0, "head", "keep", 0.2, head) for head in range(4)),
        *(found(0, "neurons", "prune" if group < 5 else "approximate", 0.02, group) for group in range(8)),
    ),
)  # fmt: skip


def rank_choices() -> tuple[Choice, ...]:
    return tuple(
        Choice(
            Site(f"{block(layer)}.{name}", "linear", (32, 32), "Linear"), "low_rank",
            tuple({"rank": rank} for rank in (4, 8, 12)),
        )
        for layer in range(3)
        for name in LINEARS
    )  # fmt: skip


def ranks(space: Space, level: int) -> dict[str, int]:
    """The option of every site in the seed of this number, 3 the unchanged one."""
    plan = analysis_seeds(ANALYSIS, space)[level].plan
    return {choice.site.path: place for choice, place in zip(space.choices, space.indices(plan), strict=True)}


def test_significant_layers_get_higher_ranks() -> None:
    space = Space(rank_choices())
    mild, middle, strong = (ranks(space, level) for level in range(3))
    for seed in (mild, middle, strong):
        assert all(seed[f"{block(2)}.{name}"] == 0 for name in LINEARS)  # pruned
        assert seed[f"{block(1)}.output.dense"] == 1  # approximated
        kept = [seed[f"{block(1)}.{LINEARS[0]}"], seed[f"{block(0)}.output.dense"], seed[f"{block(0)}.{LINEARS[0]}"]]
        assert kept == sorted(kept, reverse=True)  # 0.4, 0.3 and 0.2 nats
        assert kept[0] == 3
    assert mild[f"{block(0)}.{LINEARS[0]}"] == 3
    assert strong[f"{block(0)}.{LINEARS[0]}"] == 2
    assert [seed.origin for seed in analysis_seeds(ANALYSIS, space)] == [
        "significance 100%", "significance 75%", "significance 50%"
    ]  # fmt: skip


def test_what_is_pruned_goes_where_the_space_can_take_it_away() -> None:
    choices = []
    for layer in range(3):
        attention = Site(f"{block(layer)}.attention.self", "attention", (4, 8), "Attention")
        up = Site(f"{block(layer)}.intermediate.dense", "linear", (64, 32), "Linear")
        whole = Site(block(layer), "attention", (1, 1), "Layer")
        choices += [
            Choice(whole, "blocks", ({"skip": "layer"}, {"skip": "attention"}, {"skip": "feed_forward"})),
            Choice(attention, "heads", ({"heads": 1}, {"heads": 2}, {"heads": 3})),
            Choice(up, "width", tuple({"width": width} for width in (8, 16, 24, 32, 48))),
        ]
    space = Space(tuple(choices))
    assert takes_elements_away(space)
    assert not takes_elements_away(Space(rank_choices()))
    (seed,) = analysis_seeds(ANALYSIS, space)
    assert seed.plan[block(2)] == {"skip": "layer"}
    assert block(1) not in seed.plan
    assert seed.plan[f"{block(1)}.attention.self"] == {"heads": 1}
    assert f"{block(0)}.attention.self" not in seed.plan
    assert seed.plan[f"{block(0)}.intermediate.dense"] == {"width": 24}  # three eighths of 64 stay
    assert f"{block(1)}.intermediate.dense" not in seed.plan


def test_approximations_where_they_are_asked_for() -> None:
    settings = ({"linformer": 2, "linformer_positions": 16}, {"linformer": 8, "linformer_positions": 16})
    signs = (*settings, {"sign_matching": 4})
    for offered, expected in ((settings, settings[1]), (signs, signs[2])):
        choices = tuple(
            Choice(Site(f"{block(layer)}.attention.self", "attention", (4, 8), "Attention"), "attention", offered)
            for layer in range(3)
        )
        approximated = Analysis(
            "speed", 0.02, 0.1, 32, (found(0, "attention", "approximate", 0.05), *ANALYSIS.findings[:2])
        )
        (seed,) = analysis_seeds(approximated, Space(choices))
        assert seed.plan[f"{block(0)}.attention.self"] == expected
        assert f"{block(1)}.attention.self" not in seed.plan


@pytest.mark.parametrize("name", ["bert", "albert", "gpt2", "vit"])
def test_seeds_of_a_real_walk_are_valid_plans(name: str) -> None:
    model = build(name)
    space = space_of(model)
    seeds = analysis_seeds(analyze(model, [batch_for(name)], thresholds=(0.05, 0.2)), space)
    assert seeds
    for seed in seeds:
        check_plan(model, seed.plan)
        assert space.plan(space.indices(seed.plan)) == seed.plan


def test_the_picture_has_a_cell_per_element() -> None:
    grid = significance_figure(ANALYSIS)
    assert grid.columns == (
        "attention", *(f"head {n}" for n in range(4)), "feed-forward", *(f"neurons {n}" for n in range(8))
    )  # fmt: skip
    assert grid.rows == ("layer 0", "layer 1", "layer 2")
    shown = {(y, x): grid.cells[i][j] for i, y in enumerate(grid.rows) for j, x in enumerate(grid.columns)}
    known = [cell for cell in shown.values() if cell is not None]
    assert len(known) == len(ANALYSIS.findings)
    kept = shown["layer 1", "attention"]
    assert kept is not None
    assert kept.text == "0.390"
    assert kept.words[-1] == "costs 0.390 nats, 0.400 in all"
    pruned = shown["layer 2", "attention"]
    assert pruned is not None
    assert pruned.text.startswith(MARKS["prune"])
    assert pruned.share < kept.share
    assert shown["layer 2", "head 0"] is None
    assert all(0 <= cell.share <= 1 for cell in known)


def test_a_broken_model_and_two_attentions_in_a_layer_can_be_drawn() -> None:
    cross = Finding("b.cross", "attention", 0, 0, "b", ("b.cross.query",), 0.0, float("inf"), "keep")
    own = Finding("b.own", "attention", 0, 0, "b", ("b.own.query",), 0.0, 0.5, "keep")
    figure = significance_figure(Analysis("size", 0.1, 0.2, 1, (own, cross)))
    assert figure.columns == ("attention", "attention 2")
    json.dumps(figure.to_dict(), allow_nan=False)


def test_names_are_escaped_and_nothing_is_fetched(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    analysis = Analysis("speed", 0.1, 0.2, 1, (Finding(evil, "attention", 0, 0, evil, (evil,), 0.0, 0.5, "keep"),))
    page = analysis_page(analysis, evil)
    assert evil not in page
    assert "&lt;img src=x" in page
    assert "\\u003cimg src=x" in page
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="?http', page)
    path = tmp_path / "report.html"
    write_report(build_front(verified=2, unverified=1), path, run_info={"run": "r"}, analysis=analysis)
    report = Page(path.read_text(encoding="utf-8"))
    assert [a for tag, a in report.tags if "data-grid" in a] == [{"data-grid": "significance"}]
    assert report.view["grids"]["significance"]["cells"][0][0]["words"][0] == evil
    write_report(build_front(verified=2, unverified=1), path, run_info={"run": "r"})
    assert 'data-grid="significance"' not in path.read_text(encoding="utf-8")


def test_the_table_counts_decisions_per_layer() -> None:
    console = Console(width=120, record=True, file=StringIO())
    console.print(analysis_table(ANALYSIS))
    rows = console.export_text().splitlines()[2:]
    assert rows[0].split("  ")[0] == "0"
    for row, words in zip(
        rows,
        (("keep (0.190)", "4 keep", "keep (0.290)", "5 prune, 3 approximate"), ("keep (0.390)", "3 prune, 1 keep"),
         ("prune (0.00500)", "prune (0.00200)")),
        strict=True,
    ):  # fmt: skip
        for word in words:
            assert word in row


def test_a_focus_by_its_name() -> None:
    assert as_focus("size") == "size"
    with pytest.raises(ConfigError, match="--focus: must be one of speed, size, accuracy, but got 'fast'"):
        as_focus("fast")


def test_a_kept_analysis_that_can_not_be_read_is_left_aside(tmp_path: Path) -> None:
    run, said = RunFolder(tmp_path), list[str]()

    class Noting(Silent):
        def note(self, text: str) -> None:
            said.append(text)

    assert kept_analysis(run, Noting()) is None
    run.analysis.write_text(ANALYSIS.to_json())
    assert kept_analysis(run, Noting()) == ANALYSIS
    assert said == []
    run.analysis.write_text(ANALYSIS.to_json()[:100])
    assert kept_analysis(run, Noting()) is None
    assert "is left aside" in said[0]


def test_a_run_analyses_only_where_elements_can_be_taken_away(tmp_path: Path) -> None:
    run, part, model = RunFolder(tmp_path), examples(20, seed=3), toy_model()
    data = TaskData(part, part, part, part, ("a", "b", "c"), "fingerprint")
    config = toy_config(tmp_path, objectives=["accuracy", "size"])
    assert analysis_for(config, run, toy_space(), data, model, Silent()) is None
    assert not run.analysis.exists()
    site = Site("bert.encoder.layer.0.attention.self", "attention", (2, 8), "Attention")
    heads = Space((*toy_space().choices, Choice(site, "heads", ({"heads": 1},))))
    found = analysis_for(config, run, heads, data, model, Silent())
    assert found is not None
    assert (found.focus, found.examples, found.layers) == ("size", 20, 2)
    assert run.analysis_page.exists()
    assert analysis_for(config, run, toy_space(), data, model, Silent()) == found  # kept, so it is of use here, too
    for seed in analysis_seeds(found, toy_space()):
        check_plan(model, seed.plan)
