"""The front's models layer by layer: every architecture's sites in their places, parameters as a formula has them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from greenfront.config import SpaceConfig
from greenfront.search.layer_grid import WHOLE, LayerGrid, kind_of
from greenfront.search.layers_picture import LayersPicture, layers_document
from greenfront.search.report_view import front_view
from greenfront.spaces import Plan, Space, find_space
from greenfront.spaces.effective import effective
from greenfront.spaces.places import inside
from tests.search.layered_front import (
    FEATURES,
    OF_ATTENTION,
    OF_LAYER,
    REST,
    SPACE,
    front_of,
    profile,
    random_plan,
    weights,
)  # fmt: skip
from tests.spaces import architectures, models

EVERY = SpaceConfig.model_validate({"low_rank": {"align": 4}, "embeddings": {"align": 4}})
MODELS: tuple[Callable[[], PreTrainedModel], ...] = (
    models.bert, models.roberta, models.albert, models.gpt2, models.vit, architectures.distilbert, architectures.t5,
    architectures.bart, architectures.modernbert, architectures.electra, architectures.llama, architectures.deberta,
)  # fmt: skip


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
    common, found = LayersPicture(profile()).document({"one": plan, "same": plan, "none": Plan()})
    assert found["one"] == found["same"]
    assert common["rows"] == ["layer 0", "layer 1", "layer 2"]
    columns = list(common["columns"])
    assert columns == [WHOLE, "attention", "q", "o", "f"]
    assert common["rest"] == REST
    assert len(common["cells"]) == len(set(common["cells"]))

    def row(name: str, number: int) -> list[tuple[str, str, int, int]]:
        return [common["cells"][place] for place in found[name][5 * number : 5 * number + 5]]

    first = FEATURES**2 + OF_LAYER
    whole = 3 * FEATURES**2 + OF_LAYER + OF_ATTENTION
    kept = first - FEATURES**2 + 8 * 2 * FEATURES
    assert [text for text, *_ in row("one", 0)] == [f"{kept / whole:.0%}", "✕", "✕", "✕", "8\nb8"]
    assert [text for text, *_ in row("one", 1)][1:] == ["h2", "4", "", ""]
    output, held = row("one", 1)[3], common["held"][8]
    assert output[2] / held[0] == 0.5  # the output's linear reads half of the heads
    assert output[1] == "16 of 32 inputs are left"
    assert row("one", 0)[1][1] == "skipped with its block"
    assert row("one", 0)[4][1] == "bits 8, rank 8"
    assert [cell[2:] for cell in row("none", 2)] == [tuple(both) for both in common["held"][10:]]
    assert [cell[1] for cell in row("none", 2)] == [""] * 5


def test_a_plan_is_a_list_of_numbers_and_no_more() -> None:
    """Of two thousand trials the page keeps what they differ in."""
    plans = {plan.id: plan for plan in map(random_plan, range(40)) if plan}
    common, found = layers_document(plans, [profile()])
    assert common is not None
    places = len(common["rows"]) * len(common["columns"])
    assert all(len(cells) == places and max(cells) < len(common["cells"]) for cells in found.values())
    assert len(common["cells"]) < places * len(plans) / 2
    assert layers_document(plans, []) == (None, {})


def test_tokens_that_went_before_are_told() -> None:
    front, plain = front_of([random_plan(0)]), profile()

    def told(missing: int) -> int:
        left = front.original.costs()["laptop"].parameters - missing
        profiles = {"laptop": replace(plain, original=replace(plain.original, parameters=left))}
        trimmed = front_view(front, "run", Path(), profiles, None)["layers"]["trimmed"]
        assert isinstance(trimmed, int)
        return trimmed

    assert told(1234) == 1234
    assert told(0) == 0
