"""Plans of all methods together on every architecture: they build as was foretold; clashes are refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import nn
from transformers.pytorch_utils import Conv1D

from greenfront.config import SpaceConfig
from greenfront.errors import PlanError
from greenfront.spaces import (
    METHODS,
    Choice,
    Plan,
    Reduction,
    Site,
    Space,
    check_plan,
    compress,
    find_space,
)
from greenfront.spaces.approximation import AttentionMethod
from greenfront.spaces.closed_form import footprint, read_original
from greenfront.spaces.effective import effective
from greenfront.spaces.modules import LowRankLinear
from greenfront.spaces.quantized import QuantizedEmbedding, RoundedLinear
from tests.spaces.method_contract import flops, parameters
from tests.spaces.models import LENGTH, batch_for
from tests.spaces.structures import CAUSAL, STRUCTURES, build, config_for, draw, structure

LAYER = "bert.encoder.layer.0"
QUERY, OUTPUT = f"{LAYER}.attention.self.query", f"{LAYER}.attention.output.dense"
UP, DOWN = f"{LAYER}.intermediate.dense", f"{LAYER}.output.dense"


APPROXIMATIONS: dict[str, dict[str, Any]] = {
    "linformer": {"linformer": {"lengths": [2, 5], "sharing": "layerwise"}},
    "linear_attention": {},
    **{name: {name: [2, 6]} for name in ("window", "clustered", "lsh", "performer", "sign_matching")},
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_any_plan_of_a_space_has_the_same_structure_without_a_library(name: str) -> None:
    ready = structure(name)
    for plan in draw(ready.space, 6, seed=1):
        built, empty = compress(ready.model, plan, ready.library), compress(ready.model, plan)
        assert [(n, t.shape) for n, t in built.state_dict().items()] == [
            (n, t.shape) for n, t in empty.state_dict().items()
        ]


@pytest.mark.parametrize("name", STRUCTURES)
def test_effective_shapes_are_those_that_are_built(name: str) -> None:
    ready = structure(name)
    for plan in draw(ready.space, 6, seed=3):
        built = dict(compress(ready.model, plan).named_modules())
        changed = effective(ready.space, plan)
        assert set(plan) <= set(changed)
        for path, module in ready.model.named_modules():
            if not isinstance(module, nn.Linear | Conv1D):
                continue
            settings, now = changed.get(path, {}), built.get(path)
            rows, columns = _shape(module)
            if "skipped" in settings:
                assert not isinstance(now, nn.Linear | Conv1D | LowRankLinear)
            elif now is not None:
                assert _shape(now) == (settings.get("out", rows), settings.get("in", columns))
                assert isinstance(now, LowRankLinear) == ("rank" in settings)


@pytest.mark.parametrize("name", STRUCTURES)
def test_closed_forms_are_those_of_the_built_model(name: str) -> None:
    exact, batch = structure(name, attention=False), batch_for(name)
    original = read_original(exact.model, batch)
    assert footprint(original, exact.space, Plan()).parameters == parameters(exact.model)
    for plan in draw(exact.space, 5, seed=4):
        built = compress(exact.model, plan)
        found = footprint(original, exact.space, plan)
        assert found.parameters == parameters(built)
        assert found.bytes == sum(p.numel() * p.element_size() for p in built.parameters())
        assert found.flops == flops(built, name)


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "vit"])
def test_bytes_of_chosen_number_formats_are_those_of_the_built_model(name: str) -> None:
    model, config = build(name), config_for(name, attention=False)
    config = config.model_copy(update={"methods": (*(config.methods or ()), "bits"), "bits": (8, "8w", 16)})
    space = find_space(model, config, LENGTH)
    original, formats = read_original(model, batch_for(name)), set[object]()
    for plan in draw(space, 8, seed=6):
        built = compress(model, plan)
        beside = [b for m in built.modules() if isinstance(m, RoundedLinear | QuantizedEmbedding) for b in m.buffers()]
        found = footprint(original, space, plan)
        assert found.bytes == sum(t.numel() * t.element_size() for t in (*built.parameters(), *beside))
        assert found.parameters == parameters(built)
        formats |= {settings["bits"] for settings in plan.values() if "bits" in settings}
    assert formats == {8, "8w", 16}


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("method", APPROXIMATIONS)
def test_closed_forms_know_approximated_attention(name: str, method: str) -> None:
    chosen = METHODS[method]
    assert isinstance(chosen, AttentionMethod)
    if name in CAUSAL and chosen.leaks:
        pytest.skip("causal attention would look into the future with it")
    model, batch = build(name), batch_for(name)
    options = {"methods": ["heads", "low_rank", method], "low_rank": {"align": 4}, **APPROXIMATIONS[method]}
    space = find_space(model, SpaceConfig.model_validate(options), LENGTH)
    original, approximated = read_original(model, batch), 0
    for plan in draw(space, 6, seed=5):
        built, found = compress(model, plan), footprint(original, space, plan)
        approximated += any(method in settings for settings in plan.values())
        assert found.flops == flops(built, name)
        assert found.parameters == parameters(built)
        beside = [buffer for each in _approximations(built) for buffer in each.buffers()]
        assert found.bytes == sum(t.numel() * t.element_size() for t in (*built.parameters(), *beside))
    assert approximated


@pytest.mark.parametrize("name", STRUCTURES)
@given(data=st.data())
@hypothesis_settings(max_examples=15, deadline=None)
def test_points_have_valid_plans(name: str, data: st.DataObject) -> None:
    ready = structure(name)
    plan = ready.space.plan([data.draw(st.integers(0, len(choice.settings))) for choice in ready.space.choices])
    check_plan(ready.model, plan)
    assert ready.space.plan(ready.space.indices(plan)) == plan
    assert Space.from_json(ready.space.to_json()) == ready.space


CLASHES: list[tuple[Plan, str]] = [
    (Plan({LAYER: {"skip": "attention"}, QUERY: {"rank": 4}}), f"{QUERY}: rank=4 .*skip=attention of {LAYER}"),
    (Plan({LAYER: {"skip": "layer"}, UP: {"width": 16}}), f"{UP}: width=16 .*skip=layer of {LAYER}"),
    (
        Plan({LAYER: {"skip": "attention"}, f"{LAYER}.attention.self": {"heads": 2}}),
        f"{LAYER}.attention.self: heads=2 .*skip=attention of {LAYER}",
    ),
    (
        Plan({f"{LAYER}.attention.self": {"heads": 1}, QUERY: {"rank": 8}}),
        f"{QUERY}: rank=8 .*heads=1 of {LAYER}.attention.self.*break-even of 6.4 of the 8 x 32",
    ),
    (Plan({UP: {"width": 16}, DOWN: {"rank": 12}}), f"{DOWN}: rank=12 .*width=16 of {UP}.*10.6667 of the 32 x 16"),
    (Plan({UP: {"width": 16, "rank": 12}}), f"{UP}: rank=12 .*width=16 of {UP}.*10.6667 of the 16 x 32"),
]


@pytest.mark.parametrize(("plan", "message"), CLASHES)
def test_settings_that_clash_are_both_named(plan: Plan, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        compress(structure("bert").model, plan)


def test_settings_next_to_a_skipped_block_are_valid() -> None:
    plan = Plan({LAYER: {"skip": "attention"}, UP: {"width": 16, "rank": 4}, DOWN: {"rank": 4}})
    check_plan(structure("bert").model, plan)


def test_moot_settings_are_dropped() -> None:
    site = {path: Site(path, "linear", (32, 32), "Linear") for path in ("l.up", "l.down")}
    layer = Site("l", "layer", (0, 0), "Layer")
    width = (Reduction("l.up", "out", 1, "width"), Reduction("l.down", "in", 1, "width"))
    space = Space((
        Choice(layer, "blocks", ({"skip": "layer"},), (Reduction("l", "all", 1, "skip", "layer"),)),
        Choice(site["l.up"], "width", ({"width": 8},), width),
        Choice(site["l.up"], "low_rank", ({"rank": 4},)),
        Choice(site["l.down"], "low_rank", ({"rank": 4}, {"rank": 12})),
    ))  # fmt: skip
    assert space.plan([0, 0, 0, 0]).to_dict() == {"l": {"skip": "layer"}}
    assert space.indices(space.plan([0, 0, 0, 0])) == (0, 1, 1, 2)
    assert space.plan([1, 0, 0, 0]).to_dict() == {"l.up": {"width": 8, "rank": 4}, "l.down": {"rank": 4}}
    assert space.plan([1, 0, 0, 1]).to_dict() == {"l.up": {"width": 8, "rank": 4}}
    assert space.plan([1, 1, 1, 1]).to_dict() == {"l.down": {"rank": 12}}
    assert effective(space, space.plan([1, 0, 0, 0])) == {
        "l.up": {"width": 8, "rank": 4, "out": 8}, "l.down": {"rank": 4, "in": 8}
    }  # fmt: skip
    assert effective(space, space.plan([0, 0, 0, 0])) == {
        "l": {"skip": "layer"}, "l.up": {"skipped": 1}, "l.down": {"skipped": 1}
    }  # fmt: skip


def _approximations(model: nn.Module) -> list[nn.Module]:
    return [each for path, each in model.named_modules() if path.endswith(".approximation")]


def _shape(module: nn.Module) -> tuple[int, int]:
    if isinstance(module, LowRankLinear):
        return module.out_features, module.in_features
    rows, columns = module.weight.shape  # type: ignore[misc]
    return (int(columns), int(rows)) if isinstance(module, Conv1D) else (int(rows), int(columns))
