"""The front's models layer by layer: every architecture's sites in their places, parameters as a formula has them."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.hardware_profiles import HardwareProfile
from greenfront.hardware_profiles.records import OperationCost, SiteUse, Timing, settings_key
from greenfront.search.front import Front
from greenfront.search.layer_grid import WHOLE, LayerGrid, kind_of
from greenfront.search.layers_figure import PANELS, LayersPicture, drawn, layers_section
from greenfront.spaces import Plan, Settings, Space, find_space
from greenfront.spaces.effective import effective
from greenfront.spaces.places import inside
from tests.search.front_builder import NO_BUDGETS, build_candidate, build_front
from tests.search.layered import HEADS, WIDTH, layered_space
from tests.search.toy_run import toy_profile
from tests.spaces import architectures, models

EVIL = "<img src=x onerror=alert(1)>"
EVERY = SpaceConfig.model_validate({"low_rank": {"align": 4}, "embeddings": {"align": 4}})
MODELS: tuple[Callable[[], PreTrainedModel], ...] = (
    models.bert, models.roberta, models.albert, models.gpt2, models.vit, architectures.distilbert, architectures.t5,
    architectures.bart, architectures.modernbert, architectures.electra, architectures.llama, architectures.deberta,
)  # fmt: skip
FEATURES, OF_ATTENTION, OF_LAYER, REST = HEADS * WIDTH, 7, 11, 1000
SPACE = layered_space(3)


def grid_of(space: Space) -> LayerGrid:
    return LayerGrid.of({site.path: kind_of(site.signature) for site in space.sites}, space.reductions)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_every_site_of_every_architecture_has_a_place(make: Callable[[], PreTrainedModel]) -> None:
    model = make()
    space = find_space(model, EVERY, models.LENGTH)
    expected = {"linear": "linear", "embedding": "embedding", "attention": "module", "layer": "module"}
    assert all(kind_of(site.signature) == expected[site.kind] for site in space.sites)
    grid = grid_of(space)
    placed = [path for row in grid.paths for path in row if path is not None]
    assert len(set(placed)) == len(placed)
    assert {site.path for site in space.sites} <= set(placed)
    assert len(set(grid.columns)) == len(grid.columns)
    assert len(set(grid.rows)) == len(grid.rows)
    assert all(len(row) == len(grid.columns) for row in grid.paths)
    order = [path for path, _ in model.named_modules()]
    for row in grid.paths:
        # A gate, which a Llama has before it, stands behind its up-projection.
        linears = [p for p in row[1:] if p and "gate" not in p and space_kind(space, p) == "linear"]
        assert linears == sorted(linears, key=order.index)
        assert all(inside(path, str(row[0])) for path in row if path is not None)
    tables = [site.path for site in space.sites if site.kind == "embedding"]
    assert [row[0] for row in grid.paths[: len(tables)]] == tables


def space_kind(space: Space, path: str) -> str:
    return next(site.kind for site in space.sites if site.path == path)


def test_names_say_what_stands_there() -> None:
    bert = grid_of(find_space(models.bert(), EVERY, models.LENGTH))
    assert bert.rows == ("word_embeddings", "layer 0", "layer 1")
    assert bert.columns == (
        WHOLE, "attention", "query", "key", "value", "attention.output", "intermediate", "output"
    )  # fmt: skip
    llama = grid_of(find_space(architectures.llama(), EVERY, models.LENGTH))
    assert llama.columns[1:] == (
        "attention", "q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "gate_proj", "down_proj"
    )  # fmt: skip
    t5 = grid_of(find_space(architectures.t5(), EVERY, models.LENGTH))
    assert [row for row in t5.rows if row != "shared"] == ["encoder 0", "decoder 0"]
    assert {"EncDecAttention.q", "SelfAttention.q", "wi", "wo"} <= set(t5.columns)


@cache
def profile() -> HardwareProfile:
    """Of a space like a transformer's; a linear has as many parameters as its matrices, four bytes each or one."""
    operations: dict[tuple[str, str], OperationCost] = {}

    def add(path: str, chosen: Settings, parameters: int) -> None:
        size = parameters * (1 if "bits" in chosen else 4)
        found = OperationCost(path, dict(chosen), Timing.of([1.0], seed=0), 1, 1, parameters, size, 1)
        operations[path, settings_key(chosen)] = found

    full = weights({})
    for site in SPACE.states:
        for state in site.states:
            if "skipped" not in state.effective and site.path.endswith(("q", "o", "f")):
                add(site.path, state.effective, weights(state.effective))
    for layer in range(3):
        for heads in range(1, HEADS + 1):
            chosen = {"heads": heads} if heads < HEADS else {}
            add(f"layer.{layer}.a", chosen, OF_ATTENTION + 2 * heads * WIDTH * FEATURES)
        add(f"layer.{layer}", {}, OF_LAYER + OF_ATTENTION + 3 * full)
        add(f"layer.{layer}", {"skip": "attention"}, OF_LAYER + full)
    choices = {site.path: [c for c in SPACE.choices if c.site.path == site.path] for site in SPACE.sites}
    sites = {
        site.path: SiteUse(
            site.signature, site.shape, site.path, 1, SPACE.reductions.get(site.path, ()),
            {choice.method: [dict(s) for s in choice.settings] for choice in choices[site.path]},
        )
        for site in SPACE.sites
    }  # fmt: skip
    toy = toy_profile("laptop")
    total = REST + 3 * (OF_LAYER + OF_ATTENTION + 3 * full)
    original = replace(toy.original, parameters=total, size_mb=4 * total / 1e6)
    calibration = replace(toy.calibration, per_call_ms=dict.fromkeys(("blocks", "heads", "low_rank", "bits"), 0.0))
    return replace(toy, operations=tuple(operations.values()), sites=sites, original=original, calibration=calibration)


def weights(chosen: Settings) -> int:
    rows, columns = int(chosen.get("out", FEATURES)), int(chosen.get("in", FEATURES))
    return int(chosen["rank"]) * (rows + columns) if "rank" in chosen else rows * columns


def random_plan(seed: int) -> Plan:
    return SPACE.random(random.Random(seed))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_shares_are_those_of_the_formula_and_sum_up_to_the_prediction(seed: int) -> None:
    plan, picture = random_plan(seed), LayersPicture(profile())
    cells = [[cell for cell in row if cell is not None] for row in picture.cells(plan)]
    assert [len(row) for row in cells] == [5, 5, 5]
    found = effective(SPACE, plan)
    for row in cells:
        for cell in row:
            left = found.get(cell.path, {})
            if cell.path[-1] in "qof":
                after = 0 if "skipped" in left else weights(left)
                assert cell.parameters == (FEATURES**2, after)
                assert cell.bytes == (4 * FEATURES**2, after * (1 if "bits" in plan.get(cell.path, {}) else 4))
            assert cell.gone == ("skipped" in left)
    assert picture.rest == REST
    assert REST + sum(row[0].parameters[1] for row in cells) == profile().predict(plan).parameters


def test_a_picture_has_its_settings_and_one_scale() -> None:
    plan = Plan(
        {
            "layer.0": {"skip": "attention"},
            "layer.0.f": {"rank": 8, "bits": 8},
            "layer.1.a": {"heads": 2},
            "layer.1.a.q": {"rank": 4},
        }
    )
    figure, height = LayersPicture(profile()).figure(plan)
    (heatmap,) = figure["data"]
    assert (heatmap["zmin"], heatmap["zmax"]) == (0, 1)
    rows, columns = figure["layout"]["yaxis"]["ticktext"], figure["layout"]["xaxis"]["ticktext"]
    assert rows == ["layer 0", "layer 1", "layer 2", "rest"]
    assert columns == [WHOLE, "attention", "q", "o", "f"]
    first = FEATURES**2 + OF_LAYER
    whole = 3 * FEATURES**2 + OF_LAYER + OF_ATTENTION
    kept = first - FEATURES**2 + 8 * 2 * FEATURES
    assert heatmap["text"][0] == [f"{kept / whole:.0%}", "✕", "✕", "✕", "8<br>b8"]
    assert heatmap["text"][1][1:] == ["h2", "4", "", ""]
    assert heatmap["z"][1][3] == 0.5  # the output's linear reads half of the heads
    assert "16 of 32 inputs are left" in heatmap["hovertext"][1][3]
    assert "skipped with its block" in heatmap["hovertext"][0][1]
    assert heatmap["hovertext"][0][4].split("<br>")[1] == "bits 8, rank 8"
    assert heatmap["z"][2] == [1.0] * 5
    assert heatmap["z"][3] == [1.0, None, None, None, None]
    assert "1,000 parameters" in heatmap["hovertext"][3][0]
    assert height > 4 * 20


def front_of(plans: list[Plan]) -> Front:
    found = [
        build_candidate(plan, latency_ms=1.0 + number, validation=0.8 + 0.01 * number, on_front=True)
        for number, plan in enumerate(plans)
    ]
    return build_front(tuple(found), budgets=NO_BUDGETS)


def test_tokens_that_went_before_are_told() -> None:
    front, plain = front_of([random_plan(0)]), profile()

    def told(missing: int) -> str:
        left = front.original.costs()["laptop"].parameters - missing
        return layers_section(front, {"laptop": replace(plain, original=replace(plain.original, parameters=left))})[0]

    assert "Beforehand 1,234 parameters went" in told(1234)
    assert "Beforehand" not in told(0)


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 20])
def test_at_most_six_models_from_the_cheapest_to_the_mildest(count: int) -> None:
    plans = list({plan.id: plan for plan in map(random_plan, range(60)) if plan}.values())[:count]
    front = front_of(plans)
    shown = drawn(front)
    assert len(shown) == min(count, PANELS)
    assert [member for member in front.members if member in shown] == shown
    markup, figures = layers_section(front, {"laptop": profile()})
    assert len(figures) == len(shown)
    assert ("no colour: not there" in markup) == bool(shown)  # what is unchanged has a colour, and no text
    assert all(f'id="{id_}"' in markup for id_ in figures)
    assert all(f"{member.id}: " in markup for member in shown)
    assert (f"{PANELS} of the front&#x27;s {count}" in markup or f"{PANELS} of the front's {count}" in markup) == (
        count > PANELS
    )
    if count:
        assert shown[0] is front.members[0]
        assert shown[-1] is front.members[-1]
    else:
        assert markup == ""
    assert layers_section(front, {}) == ("", {})


def test_names_are_text() -> None:
    known = profile()
    sites = dict(known.sites)
    sites[f"layer.0.{EVIL}"] = replace(sites["layer.0.f"], choices={"low_rank": [{"mode": EVIL}]})
    sites[EVIL] = replace(sites["layer.0.f"])
    odd = OperationCost("layer.0.f", {"mode": EVIL}, Timing.of([1.0], seed=0), 1, 1, 5, 5, 1)
    evil = replace(known, sites=sites, operations=(*known.operations, odd))
    figure, _ = LayersPicture(evil).figure(Plan({f"layer.0.{EVIL}": {"mode": EVIL}}))
    assert "<img" not in json.dumps(figure)
    assert "&lt;img" in json.dumps(figure)
